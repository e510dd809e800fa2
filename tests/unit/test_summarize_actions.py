"""SummarizeActions: what became of each object, from the Map Run's result files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice import errors
from sluice.runs import results
from sluice.runs.paths import Run
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.lambda_context import Context
from tests.unit.result_objects import put_result_files

BUCKET = "sluice-data-000000000000-us-east-1"
USUAL = fixture("summarize_actions", "usual")
PLANNED, RUN = USUAL["planned"], Run.from_state(USUAL["run"])
THRESHOLD = {"name": "States.ExceedToleratedFailureThreshold", "message": "threshold exceeded"}


def item(number: int) -> dict[str, Any]:
    return {"Bucket": "b", "Key": f"k{number}", "Size": number, "VersionId": None}


def given(numbers: range) -> dict[str, str]:
    return {"Input": json.dumps({"BatchInput": {}, "Items": [item(each) for each in numbers]})}


def batch(numbers: range, *undone: dict[str, Any], skipped: int = 0, **output: Any) -> dict[str, Any]:
    """The record of a batch whose child succeeded."""
    written = len(numbers) - skipped - len(undone)
    whole = {"written": written, "skipped": skipped, "undone": list(undone), "results": [], **output}
    return {"Status": "SUCCEEDED", "Output": json.dumps(whole), **given(numbers)}


def undone(index: int, outcome: str, error: str) -> dict[str, Any]:
    return {"index": index, "outcome": outcome, "error": error, "message": f"about {error}"}


def failed(numbers: range, error: str = "ValueError") -> dict[str, Any]:
    return {"Status": "FAILED", "Error": error, "Cause": json.dumps({"errorMessage": "oh"}), **given(numbers)}


def stopped(numbers: range) -> dict[str, Any]:
    return {"Status": "SUCCEEDED", "Output": json.dumps({"stopped": True}), **given(numbers)}


class Bucket:
    """The data bucket in moto, and the function."""

    def __init__(self) -> None:
        self.s3: Any = boto3.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)

    def summarize(self, *records: dict[str, Any], objects: int, error: Any = None, **planned: Any) -> dict[str, Any]:
        """Call the function for a listing of so many objects, in as many batches as there are records."""
        put_result_files(self.s3, BUCKET, RUN.results_prefix, records)
        listing = USUAL["listing"] | {"objects": objects, "seen": objects + 1, "bytes": 9, "batches": len(records)}
        event = USUAL | {"planned": PLANNED | planned, "listing": listing, "error": error}
        summary: dict[str, Any] = import_module("summarize_actions.handler").lambda_handler(event, Context())
        assert json.loads(self.s3.get_object(Bucket=BUCKET, Key=RUN.summary_key)["Body"].read()) == summary
        return summary

    def lines(self, key: str) -> list[Any]:
        """An object of JSON Lines."""
        return [json.loads(line) for line in self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].iter_lines()]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.setattr(results, "RESULTS_WAIT_SECONDS", 0)
    with mock_aws():
        yield Bucket()


def counts(summary: dict[str, Any]) -> list[int]:
    return list(summary["counts"].values())


@pytest.mark.parametrize("path", sorted((EVENTS / "summarize_actions").glob("*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(bucket: Bucket, path: Path) -> None:
    event, error = fixture("summarize_actions", path.stem), expected_error(path)
    handler = import_module("summarize_actions.handler").lambda_handler
    if error is None:
        assert handler(event, Context())["status"] == "COMPLETE"
        return
    with pytest.raises(getattr(errors, error)):
        handler(event, Context())


def test_counts_files_and_reasons_are_those_of_the_batches(bucket: Bucket) -> None:
    records = (
        batch(range(3), undone(1, "rejected", "NoSuchKey"), skipped=1),
        batch(range(3, 6), undone(0, "failed", "AccessDenied")),
        failed(range(6, 8)),
    )
    summary = bucket.summarize(*records, objects=8, toleratedFailurePercentage=50, rejectsTolerated=None)
    assert (summary["status"], counts(summary)) == ("PARTIAL", [8, 3, 1, 1, 3])
    assert summary["objects"] == {"listed": 8, "bytes": 9, "filtered": 1}
    assert summary["rejects"]["reasons"] == {"NoSuchKey": 1}
    assert summary["failures"]["errors"] == {"AccessDenied": 1, "ValueError": 2}
    assert bucket.lines(summary["failures"]["objects"]) == [item(3), item(6), item(7)]
    assert [each["record"] for each in bucket.lines(summary["rejects"]["key"])] == [item(1)]


def test_results_of_a_function_are_collected_with_their_objects(bucket: Bucket) -> None:
    found = [{"index": 0, "result": {"width": 3}}, {"index": 2, "result": None}]
    summary = bucket.summarize(batch(range(3), results=found), batch(range(3, 4)), objects=4)
    assert summary["functionResults"] == {"key": RUN.function_results_key, "objects": 2}
    assert bucket.lines(RUN.function_results_key) == [
        {"Bucket": "b", "Key": "k0", "VersionId": None, "result": {"width": 3}},
        {"Bucket": "b", "Key": "k2", "VersionId": None, "result": None},
    ]


@pytest.mark.parametrize(
    ("percentage", "count", "limit"),
    [(0, None, "0 %"), (24.9, None, "24.9 %"), (25, None, None), (100, 0, "0"), (100, 1, None), (24, 1, "24 %")],
)
def test_more_failed_objects_than_tolerated_fail_the_run(
    bucket: Bucket, percentage: float, count: int | None, limit: str | None
) -> None:
    tolerated = {"toleratedFailurePercentage": percentage, "toleratedFailureCount": count}
    summary = bucket.summarize(batch(range(3)), failed(range(3, 4)), objects=4, **tolerated)
    if limit is None:
        assert (summary["status"], summary["error"]) == ("PARTIAL", None)
        return
    message = f"1 of 4 objects failed, more than the {limit} tolerated: ValueError 1 (oh)"
    assert (summary["status"], summary["error"]) == ("FAILED", {"name": "ValueError", "message": message})


def test_threshold_of_step_functions_is_explained_by_the_errors(bucket: Bucket) -> None:
    never_begun = {"Status": "PENDING", **given(range(2, 4))}
    summary = bucket.summarize(failed(range(2)), never_begun, objects=4, error=THRESHOLD)
    assert (summary["error"]["name"], counts(summary)) == ("ValueError", [4, 0, 0, 0, 4])


def test_stopped_run_counts_what_it_did(bucket: Bucket) -> None:
    summary = bucket.summarize(batch(range(3)), stopped(range(3, 5)), objects=5)
    message = "the run was stopped: 1 of 2 batches are not done"
    assert (summary["status"], summary["error"]["message"]) == ("STOPPED", message)
    assert counts(summary) == [3, 3, 0, 0, 0]


def test_object_that_no_record_has_fails_the_run(bucket: Bucket) -> None:
    summary = bucket.summarize(batch(range(3)), objects=4)
    assert (summary["status"], counts(summary)) == ("FAILED", [4, 3, 0, 0, 1])
    assert summary["error"] == {
        "name": "CountsDoNotReconcileError",
        "message": "4 objects listed, 3 accounted for",
    }


def test_run_whose_objects_were_all_rejected_is_no_success(bucket: Bucket) -> None:
    record = batch(range(1), undone(0, "rejected", "ObjectChanged"))
    summary = bucket.summarize(record, objects=1, rejectsTolerated=None)
    assert summary["error"]["name"] == "NothingWrittenError"
    assert summary["error"]["message"].startswith("the only object was rejected, so nothing was done: ObjectChanged 1")


def test_resumed_run_tells_what_both_runs_did(bucket: Bucket) -> None:
    before = {"read": 5, "written": 3, "skipped": 1, "rejected": 1, "failed": 0}
    event = USUAL | {"planned": PLANNED | {"resumedRun": "first"}, "listing": USUAL["listing"] | {"before": before}}
    summary = import_module("summarize_actions.handler").lambda_handler(event, Context())
    assert summary["resumed"]["run"] == "first"
    assert summary["resumed"]["total"]["counts"] == before


def test_error_of_a_plan_is_the_runs(bucket: Bucket) -> None:
    error = {"name": "InvalidInputError", "message": json.dumps({"errorMessage": "bucket: no"})}
    event = USUAL | {"planned": None, "listing": None, "error": error}
    summary = import_module("summarize_actions.handler").lambda_handler(event, Context())
    assert (summary["status"], summary["error"]["message"], counts(summary)) == ("FAILED", "bucket: no", [0] * 5)
