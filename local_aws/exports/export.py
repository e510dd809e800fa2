"""One export: IN_PROGRESS while its files are written and its time is not over, then COMPLETED or FAILED."""

import contextvars
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from local_aws.exports.files import DataFile, Place, Record, iso_time, put_data_files, put_manifests, size_of
from local_aws.exports.permissions import write_denial
from local_aws.exports.requests import FULL, JSON_FORMAT, ExportRequest
from local_aws.s3_objects import MissingObjectError, put_object

IN_PROGRESS = "IN_PROGRESS"
COMPLETED = "COMPLETED"
FAILED = "FAILED"

# An incremental export costs at least this much.
INCREMENTAL_MINIMUM_BYTES = 10_000_000
LOOK_EVERY_SECONDS = 0.05
S3_REFUSED = "(Service: Amazon S3; Status Code: {status}; Error Code: {code}; Request ID: local; Proxy: null)"


@dataclass(frozen=True)
class Failure:
    """Why an export fails."""

    code: str
    message: str


@dataclass(frozen=True)
class Task:
    """What is to be exported, by whom, and when it is to end (microseconds since 1970)."""

    arn: str
    table_arn: str
    table_id: str
    partition_key: str
    request: ExportRequest
    place: Place
    role_arn: str | None
    started: int
    due: int
    planned_failure: Failure | None


@dataclass
class Export:
    """A started export and its request.

    Data files are written beside the server's requests; the manifests appear when it completes.
    """

    task: Task
    description: dict[str, Any]
    request: dict[str, Any]
    _files: list[DataFile] = field(default_factory=list)
    _bytes: int = 0
    _written: int | None = None
    _failure: Failure | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, records: Sequence[Record]) -> None:
        """Write what is exported in a thread of its own."""
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run, records), daemon=True, name="table-export").start()

    def settle(self) -> None:
        """End the export when its files are there and its time is over."""
        with self._lock:
            now = time.time_ns() // 1000
            if self.description["ExportStatus"] == IN_PROGRESS and self._written is not None and now >= self.task.due:
                self._end(max(self.task.due, self._written))

    def _run(self, records: Sequence[Record]) -> None:
        self._failure = Failure("UnknownError", "The export ended unexpectedly; local AWS's log says why")
        try:
            self._failure = self._write(records)
        finally:
            self._written = time.time_ns() // 1000
        while self.description["ExportStatus"] == IN_PROGRESS:
            self.settle()
            time.sleep(LOOK_EVERY_SECONDS)

    def _write(self, records: Sequence[Record]) -> Failure | None:
        denied = write_denial(self.task.role_arn, self.task.place)
        if denied is not None:
            return _s3_failure("S3AccessDenied", "Access Denied", 403, "AccessDenied")
        try:
            put_object(self.task.place.bucket, f"{self.task.place.folder}/_started", b"")
            if self.task.planned_failure is None:
                self._bytes = sum(map(size_of, records))
                self._files = put_data_files(self.task.place, self.task.partition_key, records)
        except MissingObjectError:
            return _no_such_bucket()
        return self.task.planned_failure

    def _end(self, ended: int) -> None:
        outcome = self._complete(ended) if self._failure is None else self._failure
        if isinstance(outcome, Failure):
            outcome = {
                "ExportStatus": FAILED,
                "FailureCode": outcome.code,
                "FailureMessage": outcome.message,
            }
        self.description = {**self.description, **outcome, "EndTime": ended // 1000 / 1000}

    def _complete(self, ended: int) -> dict[str, Any] | Failure:
        counts = {"billedSizeBytes": self._billed(), "itemCount": sum(file.item_count for file in self._files)}
        try:
            manifest = put_manifests(self.task.place, self._files, _summary(self.task, ended, counts))
        except MissingObjectError:
            return _no_such_bucket()
        return {
            "ExportStatus": COMPLETED,
            "ExportManifest": manifest,
            "BilledSizeBytes": counts["billedSizeBytes"],
            "ItemCount": counts["itemCount"],
        }

    def _billed(self) -> int:
        return self._bytes if self.task.request.window is None else max(self._bytes, INCREMENTAL_MINIMUM_BYTES)


def _summary(task: Task, ended: int, counts: dict[str, int]) -> dict[str, Any]:
    """What manifest-summary.json says; of a full export it names no type, as on AWS."""
    window, echoed = task.request.window, task.request.echoed
    times, kind = {"exportTime": iso_time(task.request.moment or task.started)}, {}
    if window is not None:
        times = {"exportFromTime": iso_time(window.start), "exportToTime": iso_time(window.end)}
        kind = {"outputView": window.view, "exportType": echoed["ExportType"]}
    return {
        "version": "2020-06-30" if window is None else "2023-08-01",
        "exportArn": task.arn,
        "startTime": iso_time(task.started),
        "endTime": iso_time(ended),
        "tableArn": task.table_arn,
        "tableId": task.table_id,
        **times,
        "s3Bucket": task.place.bucket,
        "s3Prefix": echoed.get("S3Prefix"),
        "s3SseAlgorithm": echoed["S3SseAlgorithm"],
        "s3SseKmsKeyId": echoed.get("S3SseKmsKeyId"),
        "manifestFilesS3Key": f"{task.place.folder}/manifest-files.json",
        **counts,
        "outputFormat": JSON_FORMAT,
        **kind,
    }


def describe_start(task: Task, client_token: str) -> dict[str, Any]:
    """The ExportDescription of an export that has just begun."""
    request = task.request
    description: dict[str, Any] = {
        "ExportArn": task.arn,
        "ExportStatus": IN_PROGRESS,
        "StartTime": task.started / 1_000_000,
        "TableArn": task.table_arn,
        "TableId": task.table_id,
        "ClientToken": client_token,
        "S3Bucket": request.bucket,
        **request.echoed,
    }
    if request.echoed["ExportType"] == FULL:
        description["ExportTime"] = (request.moment or task.started) / 1_000_000
    if request.window is not None:
        description["IncrementalExportSpecification"] = {
            "ExportFromTime": request.window.start / 1_000_000,
            "ExportToTime": request.window.end / 1_000_000,
            "ExportViewType": request.window.view,
        }
    return description


def _no_such_bucket() -> Failure:
    return _s3_failure("S3NoSuchBucket", "The specified bucket does not exist", 404, "NoSuchBucket")


def _s3_failure(name: str, message: str, status: int, code: str) -> Failure:
    return Failure(name, f"{message} {S3_REFUSED.format(status=status, code=code)}")
