"""An export by its ARN, and its manifests, checked against their MD5s."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluice.aws.clients import aws_errors
from sluice.errors import ExportNotCompletedError, InvalidInputError, SourceMalformedError, SourceNotFoundError
from sluice.reading.streams import open_source
from sluice.workflows.export_process.files import MD5, DataFile, Md5Stream, line_blocks, md5_of, pin, read_whole
from sluice.workflows.export_process.input import FULL, INCREMENTAL, NEW_AND_OLD_IMAGES, NEW_IMAGE, ObjectLocation

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client


COMPLETED = "COMPLETED"


def find_summary(dynamodb: DynamoDBClient, arn: str) -> ObjectLocation:
    """Where the export's summary is. Raises SourceNotFoundError, ExportNotCompletedError naming the status,
    AccessDeniedError, ServiceUnavailableError; InvalidInputError on export for one in Ion.
    """
    named = {
        "ExportNotFoundException": SourceNotFoundError(f"there is no export {arn}"),
        "ValidationException": InvalidInputError(
            "export", f"{arn} is not the ARN of an export in this account and Region"
        ),
    }
    with aws_errors(f"export {arn}", named):
        export = dynamodb.describe_export(ExportArn=arn)["ExportDescription"]
    status = export.get("ExportStatus")
    if status != COMPLETED:
        reason = ": ".join(export[name] for name in ("FailureCode", "FailureMessage") if export.get(name))
        raise ExportNotCompletedError(f"the export {arn} is {status}{f' ({reason})' if reason else ''}")
    if export.get("ExportFormat") == "ION":
        raise InvalidInputError("export", "is in Ion; export the table as DYNAMODB_JSON")
    return ObjectLocation(export["S3Bucket"], _below(export.get("S3Prefix"), export["ExportManifest"]))


def _below(prefix: str | None, key: str) -> str:
    """The manifest's key in the bucket, whether or not AWS names it with the prefix."""
    folder = f"{prefix.rstrip('/')}/" if prefix else ""
    return key if key.startswith(folder) else folder + key


def find_move(s3: S3Client, location: ObjectLocation, summary: ManifestSummary) -> tuple[str, str] | None:
    """What the manifests' keys begin with, and what replaces it, for an export that was copied to other keys.

    Manifests have the keys of the original. None for an original, and for a summary without the list of files beside.
    """
    original, copy = (key.rpartition("/")[0].split("/") for key in (summary.files_key, location.key))
    if original == copy:
        return None
    name = summary.files_key.rpartition("/")[2]
    try:
        pin(s3, location.bucket, "/".join([*copy, name]).lstrip("/"))
    except SourceNotFoundError:
        return None
    while original and copy and original[-1] == copy[-1]:
        original, copy = original[:-1], copy[:-1]
    return _prefix(original), _prefix(copy)


def _prefix(folders: list[str]) -> str:
    return "".join(f"{folder}/" for folder in folders)


# The guide's prose has another name for the view than the API.
_VIEWS = {NEW_IMAGE: NEW_IMAGE, "NEW_IMAGES": NEW_IMAGE, NEW_AND_OLD_IMAGES: NEW_AND_OLD_IMAGES}
_UNVERIFIED = "an export without checksums is read with verify false"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ManifestSummary:
    """What manifest-summary.json says. `write_micros`: of a full export, the moment before its time."""

    type: str
    view: str | None
    write_micros: int | None
    table_arn: str
    table_id: str
    files_key: str
    items: int


@dataclass(frozen=True, slots=True)
class FileList:
    """What manifest-files.json lists: `filled` are the files with records, `first` the first of them."""

    files: int
    items: int
    filled: int
    first: DataFile | None


def read_summary(s3: S3Client, bucket: str, key: str, *, verify: bool) -> ManifestSummary:
    """Read an export's summary. Raises SourceNotFoundError, SourceMalformedError, AccessDeniedError,
    ServiceUnavailableError; InvalidInputError on export for one in ION.
    """
    name = f"s3://{bucket}/{key}"
    body = read_whole(s3, pin(s3, bucket, key))
    if verify:
        _check_md5(s3, bucket, key, md5_of(body))
    try:
        return _summary(json.loads(body))
    except (KeyError, TypeError, ValueError) as error:
        raise SourceMalformedError(
            f"{name} is not the summary of an export: {type(error).__name__}: {error}"
        ) from error


def list_files(s3: S3Client, bucket: str, key: str, *, verify: bool) -> FileList:
    """Count the data files and their records, one line in memory at a time. Raises what read_summary raises."""
    source = pin(s3, bucket, key)
    files = items = filled = 0
    first: DataFile | None = None
    with closing(Md5Stream(open_source(s3, source, 0, None))) as stream:
        for lines in line_blocks(stream):
            for line in lines:
                file = _data_file(line, files, str(source), verify=verify)
                files += 1
                items += file.rows
                filled += file.rows > 0
                first = first or (file if file.rows else None)
        if verify:
            _check_md5(s3, bucket, key, stream.md5)
    return FileList(files, items, filled, first)


def _data_file(line: bytes, index: int, manifest: str, *, verify: bool) -> DataFile:
    try:
        file = DataFile.from_line(json.loads(line), index)
    except (KeyError, TypeError, ValueError) as error:
        problem = f"line {index + 1} names no data file: {type(error).__name__}: {error}"
        raise SourceMalformedError(f"{manifest}: {problem}") from error
    if verify and not isinstance(file.md5, str):
        raise SourceMalformedError(f"{manifest}: line {index + 1} has no {MD5}; {_UNVERIFIED}")
    return file


def _check_md5(s3: S3Client, bucket: str, key: str, md5: str) -> None:
    """Check a manifest against the .md5 object beside it."""
    checksum_key = key.removesuffix(".json") + ".md5"
    try:
        expected = read_whole(s3, pin(s3, bucket, checksum_key)).decode("ascii", "replace").strip()
    except SourceNotFoundError as error:
        raise SourceNotFoundError(f"{error}; {_UNVERIFIED}") from error
    if md5 != expected:
        raise SourceMalformedError(
            f"s3://{bucket}/{key} is damaged: its MD5 is {md5}, {checksum_key} has {expected:.40}"
        )


def _summary(summary: Mapping[str, Any]) -> ManifestSummary:
    if summary["outputFormat"] == "ION":
        raise InvalidInputError("export", "is in Ion; export the table as DYNAMODB_JSON")
    # Full exports of 2020 and of 2026 name no type.
    kind = summary.get("exportType") or (FULL if "exportTime" in summary else INCREMENTAL)
    is_full = {FULL: True, INCREMENTAL: False}[kind]
    return ManifestSummary(
        type=kind,
        view=None if is_full else _VIEWS[summary["outputView"]],
        write_micros=_micros(summary["exportTime"]) - 1 if is_full else None,
        table_arn=summary["tableArn"],
        table_id=summary["tableId"],
        files_key=summary["manifestFilesS3Key"],
        items=summary["itemCount"],
    )


def _micros(time: str) -> int:
    return (datetime.fromisoformat(time) - _EPOCH) // timedelta(microseconds=1)
