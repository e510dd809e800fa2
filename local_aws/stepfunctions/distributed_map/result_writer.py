"""ResultWriter: the records of children, spooled to files during a Map Run and put to S3 at its end."""

import json
import threading
from dataclasses import dataclass
from typing import Any

from local_aws.s3_objects import MissingObjectError, delete_object, put_file, put_object
from local_aws.stepfunctions.authorization import may_use_object
from local_aws.stepfunctions.data_flow import select_input
from local_aws.stepfunctions.distributed_map.map_run import Identity
from local_aws.stepfunctions.distributed_map.result_file import ResultFile
from local_aws.stepfunctions.errors import RUNTIME, state_error
from local_aws.stepfunctions.scope import Record, Scope, State, compact_json
from local_aws.stepfunctions.templates import bindings, fill_json_path, fill_jsonata

WRITER_FAILED = "States.ResultWriterFailed"
TEST_MANIFEST_FAILED = "Failed to write a test manifest into the specified output bucket"
KINDS = ("FAILED", "PENDING", "SUCCEEDED")


@dataclass(frozen=True)
class Destination:
    """Where result files go, and in which form."""

    bucket: str
    prefix: str
    transformation: str
    is_json_lines: bool

    def key(self, identity: Identity, name: str) -> str:
        """A file's key in the bucket."""
        folder = f"{self.prefix.rstrip('/')}/" if self.prefix else ""
        return f"{folder}{identity.run_id}/{name}"


def open_destination(state: State, data: Any, scope: Scope) -> Destination | None:
    """The state's ResultWriter, if it writes to S3."""
    writer = state.get("ResultWriter", {})
    if "Resource" not in writer:
        return None
    if scope.is_jsonata(state):
        destination = fill_jsonata(writer.get("Arguments", {}), "ResultWriter/Arguments", bindings(data, scope), scope)
    else:
        destination = fill_json_path(writer.get("Parameters", {}), select_input(state, data, scope), scope)
    config = writer.get("WriterConfig", {})
    return Destination(
        bucket=destination["Bucket"],
        prefix=destination.get("Prefix", ""),
        transformation=config.get("Transformation", "NONE"),
        is_json_lines=config.get("OutputType", "JSON") == "JSONL",
    )


def write_test_manifest(destination: Destination, identity: Identity, scope: Scope) -> None:
    """What Step Functions does before a Map Run, to learn early that it cannot write."""
    key = destination.key(identity, "manifest.json")
    message = may_use_object(scope, "PutObject", destination.bucket, key)
    if message is not None:
        raise scope.failure(RUNTIME, f"{TEST_MANIFEST_FAILED}. {message}")
    try:
        put_object(destination.bucket, key, b"")
        delete_object(destination.bucket, key)
    except MissingObjectError as error:
        raise scope.failure(RUNTIME, f"{TEST_MANIFEST_FAILED}. {error}") from error


def child_record(child: Record) -> Record:
    """A child that ended, as the result files show it."""
    is_succeeded = child["status"] == "SUCCEEDED"
    record = {
        "ExecutionArn": child["executionArn"],
        "Input": child["input"],
        "InputDetails": {"Included": True},
        "Name": child["name"],
        "OutputDetails": {"Included": True},
        "RedriveCount": 0,
        "RedriveStatus": "NOT_REDRIVABLE" if is_succeeded else "REDRIVABLE_BY_MAP_RUN",
        "StartDate": child["startDate"],
        "StateMachineArn": child["stateMachineArn"],
        "Status": child["status"],
        "StopDate": child["stopDate"],
    }
    if is_succeeded:
        record["Output"] = child["output"]
        record["RedriveStatusReason"] = "Execution is SUCCEEDED and cannot be redriven"
    for name in ("error", "cause"):
        if child.get(name) is not None:
            record[name.capitalize()] = child[name]
    return dict(sorted(record.items()))


class ResultFiles:
    """The three files of a Map Run; records are appended by all of its children's threads."""

    def __init__(self, destination: Destination, identity: Identity) -> None:
        self._destination = destination
        self._identity = identity
        self._files: dict[str, ResultFile] = {}
        self._lock = threading.Lock()

    def ended(self, child: Record) -> None:
        """Add a child that ended: failed ones always with their full record."""
        transformation = self._destination.transformation
        if child["status"] != "SUCCEEDED":
            self._append("FAILED", compact_json(child_record(child)))
        elif transformation == "NONE":
            self._append("SUCCEEDED", compact_json(child_record(child)))
        elif transformation == "FLATTEN":
            for value in _flat(child["output"]):
                self._append("SUCCEEDED", compact_json(value))
        else:
            self._append("SUCCEEDED", child["output"])

    def pending(self, text: str) -> None:
        """Add a child that never started."""
        record = {"Input": text, "InputDetails": {"Included": True}, "Status": "PENDING"}
        self._append("PENDING", compact_json(record))

    def _append(self, kind: str, text: str) -> None:
        with self._lock:
            if kind not in self._files:
                self._files[kind] = ResultFile(is_json_lines=self._destination.is_json_lines)
            self._files[kind].append(text)

    def put(self) -> str:
        """Put the files and the manifest; the manifest's key. Raises States.ResultWriterFailed."""
        destination, listed = self._destination, {}
        suffix = "jsonl" if destination.is_json_lines else "json"
        try:
            for kind in KINDS:
                listed[kind] = [self._put_kind(kind, f"{kind}_0.{suffix}")] if kind in self._files else []
            manifest = {
                "DestinationBucket": destination.bucket,
                "MapRunArn": self._identity.map_run_arn,
                "ResultFiles": listed,
            }
            key = destination.key(self._identity, "manifest.json")
            put_object(destination.bucket, key, compact_json(manifest).encode())
        except MissingObjectError as error:
            raise state_error(WRITER_FAILED, str(error)) from error
        return key

    def _put_kind(self, kind: str, name: str) -> Record:
        path = self._files[kind].close()
        size = path.stat().st_size
        key = self._destination.key(self._identity, name)
        put_file(self._destination.bucket, key, path)
        return {"Key": key, "Size": size}


def _flat(output: str) -> list[Any]:
    value = json.loads(output)
    return value if isinstance(value, list) else [value]
