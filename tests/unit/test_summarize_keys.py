"""SummarizeKeys: keys found and what became of each, from the result files of two Map Runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from threading import Timer
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice import errors
from sluice.runs.counts import Counts
from sluice.runs.paths import Run
from sluice.runs.results import RESULTS_WAIT_SECONDS, read_until_complete
from sluice.runs.summary import RunError
from sluice.workflows.distinct_keys.summary import KeysSummary, Processed, Scanned, add_all, failure_reason
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.lambda_context import Context
from tests.unit.result_objects import put_result_files

PLANNED = fixture("summarize_keys", "InvalidInputError")["planned"]
RUN = Run.from_state(fixture("summarize_keys", "usual")["run"])
BUCKET = PLANNED["plan"]["bucket"]
THRESHOLD = {"name": "States.ExceedToleratedFailureThreshold", "message": "threshold exceeded"}


def key(number: int) -> dict[str, Any]:
    """A key in DynamoDB JSON."""
    return {"icao": {"S": f"K{number}"}}


def segment(number: int, keys: int) -> dict[str, Any]:
    """A segment's record in a SUCCEEDED file."""
    progress = {"counts": {"keys": keys, "items": keys * 3, "requests": 2}, "readUnits": 1.5, "slices": 1, "done": True}
    return {
        "Status": "SUCCEEDED",
        "Input": json.dumps({"segment": {"segment": number}}),
        "Output": json.dumps(progress),
    }


def failed_segment(number: int, status: str = "FAILED") -> dict[str, Any]:
    """A segment's record in a FAILED file."""
    lambda_cause = json.dumps({"errorMessage": "no progress", "errorType": "ThrottledError"})
    return {
        "Status": status,
        "Input": json.dumps({"segment": {"segment": number}}),
        "Error": "ThrottledError",
        "Cause": json.dumps({"progress": None, "cause": lambda_cause}),
    }


def batch(numbers: range, *, failed: int = 0, measured: dict[str, Any] | None = None) -> dict[str, Any]:
    """A batch's record in a SUCCEEDED file; its first keys have failed."""
    failures = [{"index": each, "error": "States.TaskFailed", "cause": "it did"} for each in range(failed)]
    output = {"processed": len(numbers) - failed, "failedKeys": failures, "measured": measured}
    given = {"Items": [key(each) for each in numbers]}
    return {"Status": "SUCCEEDED", "Input": json.dumps(given), "Output": json.dumps(output)}


def failed_batch(numbers: range, error: str | None = "MyError") -> dict[str, Any]:
    """A batch's record in a FAILED file, or in a PENDING one."""
    ended = {"Input": json.dumps({"Items": [key(each) for each in numbers]})}
    if error is None:
        return {"Status": "PENDING", **ended}
    return {"Status": "FAILED", "Error": error, "Cause": json.dumps({"errorMessage": "oh"}), **ended}


class Bucket:
    """The data bucket in moto, and the function."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)

    def put(self, map_run: str, records: list[dict[str, Any]]) -> None:
        """The result files of a Map Run."""
        put_result_files(self.s3, BUCKET, f"{RUN.results_prefix}/{map_run}", records)

    def lines(self, path: str) -> list[Any]:
        """An object of JSON Lines."""
        return [json.loads(line) for line in self.s3.get_object(Bucket=BUCKET, Key=path)["Body"].iter_lines()]

    def summarize(self, processor: str = "function", error: Any = None, **planned: Any) -> dict[str, Any]:
        """Call the function."""
        kind = {"type": processor, "function": None, "stateMachine": None}
        event = {"run": RUN.to_state(), "planned": PLANNED | {"processor": kind} | planned, "error": error}
        summary: dict[str, Any] = import_module("summarize_keys.handler").lambda_handler(event, Context())
        return summary


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with mock_aws():
        yield Bucket()


def counts(summary: dict[str, Any]) -> tuple[int, int, int, int]:
    """Keys found, processed, skipped, failed."""
    found = summary["counts"]
    return found["read"], found["written"], found["skipped"], found["failed"]


def test_keys_are_counted_by_segment(bucket: Bucket) -> None:
    bucket.put("segments", [segment(1, 30), segment(0, 12)])
    summary = bucket.summarize("none")
    assert (summary["status"], counts(summary)) == ("COMPLETE", (42, 0, 42, 0))
    assert summary["capacity"] == {"readUnits": 3.0, "writeUnits": 0}
    assert (summary["scan"]["segments"], summary["scan"]["requests"], summary["scan"]["items"]) == (2, 4, 126)
    assert [each["keys"] for each in bucket.lines(summary["scan"]["bySegment"])] == [12, 30]
    assert bucket.lines(RUN.summary_key[: -len("summary.json")] + "by_segment.jsonl")[0]["segment"] == 0


def test_every_key_processed_is_complete(bucket: Bucket) -> None:
    bucket.put("segments", [segment(0, 12), segment(1, 30)])
    bucket.put("keys", [batch(range(40)), batch(range(40, 42))])
    summary = bucket.summarize()
    assert (summary["status"], counts(summary), summary["failures"]) == ("COMPLETE", (42, 42, 0, 0), None)


def test_run_that_stopped_early_has_the_error_of_the_keys_that_failed(bucket: Bucket) -> None:
    bucket.put("segments", [segment(0, 12), segment(1, 30)])
    bucket.put("keys", [failed_batch(range(20)), failed_batch(range(20, 42), None)])
    exceeded = {"name": "States.ExceedToleratedFailureThreshold", "message": "threshold exceeded"}
    for error in (exceeded, None):
        summary = bucket.summarize(error=error)
        assert (summary["error"]["name"], counts(summary)) == ("MyError", (42, 0, 0, 42))
        assert summary["error"]["message"].endswith(": MyError 20 (oh)")


def test_failed_keys_are_files_with_errors_and_to_feed_back(bucket: Bucket) -> None:
    bucket.put("segments", [segment(0, 12), segment(1, 30)])
    bucket.put("keys", [batch(range(20), failed=2), failed_batch(range(20, 30)), batch(range(30, 42))])
    summary = bucket.summarize(toleratedFailurePercentage=50)
    assert (summary["status"], counts(summary)) == ("PARTIAL", (42, 30, 0, 12))
    assert bucket.lines(summary["failures"]["keys"]) == [key(each) for each in (0, 1, *range(20, 30))]
    assert bucket.lines(summary["failures"]["key"])[2] == {"key": key(20), "error": "MyError", "cause": "oh"}
    assert summary["failures"]["batches"] == 2
    assert summary["failures"]["errors"] == {"States.TaskFailed": 2, "MyError": 10}
    assert summary["failures"]["examples"] == {"MyError": "oh", "States.TaskFailed": "it did"}


def test_lines_that_are_not_keys_fail_alone(bucket: Bucket) -> None:
    """The batch has worked on the others: the indexes of its own failures are theirs."""
    lines: list[Any] = ["no JSON", key(0), None, {"id": {"N": "1"}}, key(1), {**key(2), "other": {"S": "x"}}]
    stored = "".join(json.dumps(line) + "\n" for line in lines).encode()
    bucket.s3.put_object(Bucket=BUCKET, Key=RUN.given_keys_key, Body=stored)
    failures = [{"index": 1, "error": "States.TaskFailed", "cause": json.dumps({"Error": "BadKey", "Cause": "bad"})}]
    output = {"processed": 1, "failedKeys": failures, "measured": None}
    record = {"Status": "SUCCEEDED", "Input": json.dumps({"Items": lines}), "Output": json.dumps(output)}
    bucket.put("keys", [record])
    summary = bucket.summarize(plan=None, toleratedFailurePercentage=100)
    assert (summary["status"], counts(summary)) == ("PARTIAL", (6, 1, 0, 5))
    failed = bucket.lines(summary["failures"]["key"])
    assert [each["key"] for each in failed] == ["no JSON", None, {"id": {"N": "1"}}, lines[5], key(1)]
    assert [each["error"] for each in failed] == ["KeyInvalidError"] * 4 + ["BadKey"]
    assert failed[0]["cause"].endswith("must be an object, not a string")
    assert failed[-1]["cause"] == "bad"


@pytest.mark.parametrize(
    ("records", "name"),
    [
        ([batch(range(42), failed=1)], "States.TaskFailed"),
        ([batch(range(20), failed=1), failed_batch(range(20, 42))], "KeysFailedError"),
    ],
)
def test_more_failed_keys_than_tolerated_fail_the_run(bucket: Bucket, records: list[Any], name: str) -> None:
    bucket.put("segments", [segment(0, 12), segment(1, 30)])
    bucket.put("keys", records)
    summary = bucket.summarize()
    assert (summary["status"], summary["error"]["name"]) == ("FAILED", name)


def test_stopped_map_run_counts_what_never_started(bucket: Bucket) -> None:
    bucket.put("segments", [segment(0, 12), segment(1, 30)])
    bucket.put("keys", [batch(range(20)), failed_batch(range(20, 30)), failed_batch(range(30, 42), None)])
    summary = bucket.summarize(error=THRESHOLD)
    assert (summary["status"], counts(summary)) == ("FAILED", (42, 20, 0, 22))


def test_failed_segment_fails_the_run_by_its_own_error(bucket: Bucket) -> None:
    bucket.put("segments", [segment(0, 12), failed_segment(1)])
    summary = bucket.summarize(error=THRESHOLD)
    assert summary["error"] == {
        "name": "ThrottledError",
        "message": "1 segments failed; the first is segment 1: no progress",
    }
    assert counts(summary) == (12, 0, 0, 12)


def summary_of(segments: list[dict[str, Any]], batches: list[dict[str, Any]]) -> KeysSummary:
    """The summary of a run with these records, all that there ever are."""
    processed = Processed()
    for each in batches:
        assert not list(processed.add(each))
    planned = PLANNED | {"processor": {"type": "function"}}
    scanned = add_all(Scanned(), segments)
    return KeysSummary(RUN, BUCKET, planned, scanned, scanned.total("keys"), processed, None)


def test_segment_without_a_record_does_not_reconcile() -> None:
    summary = summary_of([segment(0, 12)], [])
    error = RunError("CountsDoNotReconcileError", "1 segments are missing from the result files")
    assert (summary.is_scanned, failure_reason(summary)) == (False, error)


def test_key_that_no_batch_has_does_not_reconcile() -> None:
    summary = summary_of([segment(0, 12), segment(1, 30)], [batch(range(41))])
    error = RunError("CountsDoNotReconcileError", "42 keys found, 41 accounted for")
    assert (summary.counts, failure_reason(summary)) == (Counts(42, 41, 0, 0, 1), error)


def test_result_files_that_come_late_are_waited_for(bucket: Bucket) -> None:
    """The first files name a segment and a batch less than the later ones, as after a redrive."""
    bucket.put("segments", [segment(1, 30)])
    bucket.put("keys", [failed_batch(range(40))])
    segments = Timer(0.5, lambda: bucket.put("segments", [segment(0, 12), segment(1, 30)]))
    keys = Timer(1.5, lambda: bucket.put("keys", [failed_batch(range(40)), batch(range(40, 42))]))
    segments.start()
    keys.start()
    summary = bucket.summarize(error=THRESHOLD)
    keys.join()
    assert (summary["error"]["name"], counts(summary)) == ("MyError", (42, 2, 0, 40))
    assert len(bucket.lines(summary["failures"]["keys"])) == 40


def test_reading_ends_with_what_is_complete() -> None:
    slept: list[float] = []
    assert read_until_complete(iter(range(9)).__next__, lambda found: found == 3, lambda: 0.0, slept.append) == 3
    assert len(slept) == 3


def test_reading_ends_when_the_time_is_up() -> None:
    slept: list[float] = []
    found = read_until_complete(lambda: len(slept), lambda _: False, lambda: sum(slept), slept.append)
    assert (found, sum(slept)) == (RESULTS_WAIT_SECONDS, RESULTS_WAIT_SECONDS)


def test_given_keys_are_counted_by_their_lines(bucket: Bucket) -> None:
    lines = [json.dumps(key(number)) for number in range(7)]
    bucket.s3.put_object(Bucket=BUCKET, Key=RUN.given_keys_key, Body="\r\n".join([*lines, " ", ""]).encode())
    bucket.put("keys", [batch(range(7), failed=1)])
    summary = bucket.summarize(plan=None, toleratedFailurePercentage=100)
    assert (summary["status"], counts(summary), summary["scan"]) == ("PARTIAL", (7, 6, 0, 1), None)


def test_report_is_merged_and_names_the_largest(bucket: Bucket) -> None:
    bucket.put("segments", [segment(0, 12), segment(1, 30)])
    measured = []
    for number in range(2):
        part = f"{RUN.prefix}report/{number}.jsonl"
        bucket.s3.put_object(Bucket=BUCKET, Key=part, Body=json.dumps({"key": key(number)}).encode() + b"\n")
        largest = [{"key": key(each), "items": 1, "bytes": each} for each in range(number, 20, 2)]
        measured.append({"readUnits": 2.0, "parts": [part], "largest": largest})
    bucket.put("keys", [batch(range(20), measured=measured[0]), batch(range(20, 42), measured=measured[1])])
    summary = bucket.summarize("measure")
    assert [each["bytes"] for each in summary["report"]["largest"]] == list(range(19, 9, -1))
    assert bucket.lines(summary["report"]["key"]) == [{"key": key(0)}, {"key": key(1)}]
    assert summary["capacity"]["readUnits"] == 7.0


@pytest.mark.parametrize("path", sorted((EVENTS / "summarize_keys").glob("*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(bucket: Bucket, path: Path) -> None:
    event, error = fixture("summarize_keys", path.stem), expected_error(path)
    handler = import_module("summarize_keys.handler").lambda_handler
    if error is None:
        assert handler(event, Context())["status"] == "FAILED"
        return
    with pytest.raises(getattr(errors, error)):
        handler(event, Context())
