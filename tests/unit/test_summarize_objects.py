"""SummarizeObjects: one summary, and an answer that never looks more whole than it is."""

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
from sluice.runs.paths import Run
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.lambda_context import Context

USUAL = fixture("summarize_objects", "usual")
RUN = Run.from_state(USUAL["run"])
BUCKET = "sluice-data-000000000000-us-east-1"
REDUCED = {"done": True, "slices": 1, "groups": 9, "listed": 3, "rows": 50}

Json = dict[str, Any]
NONE: Json = {"counts": {}, "messages": {}}


def collected(*, unreadable: int = 0, failed: int = 0) -> Json:
    """Ten objects of ten rows, some of which could not be read."""
    read = 10 - unreadable - failed
    return {
        "listed": 10,
        "objects": {"read": 10, "written": read, "skipped": 0, "rejected": unreadable, "failed": failed},
        "rows": {"read": 60, "aggregated": 50, "filtered": 7, "rejected": 3},
        "bytes": 1234,
        "failedBatches": 1 if failed else 0,
        "rejects": {"counts": {"NumberInvalid": 3}, "messages": {"NumberInvalid": "column x: a is not a number"}},
        "failures": {"counts": {"AccessDeniedError": 1}, "messages": {"AccessDeniedError": "no"}} if failed else NONE,
        "unreadable": {"counts": {"SourceMalformedError": 1}, "messages": {"SourceMalformedError": "gzip"}}
        if unreadable
        else NONE,
    }


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        yield s3


def summarize(**changed: Any) -> Json:
    event = USUAL | {"collected": collected(), "reduced": REDUCED, "error": None} | changed
    answer: Json = import_module("summarize_objects.handler").lambda_handler(event, Context())
    return answer


def test_complete_run_has_its_result(s3: Any) -> None:
    summary = summarize()
    assert summary == {
        "workflow": "object_aggregate",
        "status": "COMPLETE",
        "execution": "fixture",
        "counts": {"read": 10, "written": 10, "skipped": 0, "rejected": 0, "failed": 0},
        "capacity": None,
        "results": {"bucket": BUCKET, "prefix": RUN.prefix},
        "rejects": {
            "key": RUN.rejects_key,
            "reasons": {"NumberInvalid": 3},
            "examples": {"NumberInvalid": "column x: a is not a number"},
        },
        "failures": None,
        "error": None,
        "notes": [],
        "rows": {"read": 60, "aggregated": 50, "filtered": 7, "rejected": 3},
        "bytes": 1234,
        "groups": 9,
        "unreadable": None,
        "result": {
            "complete": True,
            "missing": None,
            "groups": 3,
            "csv": f"{RUN.prefix}result.csv",
            "json": f"{RUN.prefix}result.json",
        },
    }
    assert json.loads(s3.get_object(Bucket=BUCKET, Key=RUN.summary_key)["Body"].read()) == summary


@pytest.mark.usefixtures("s3")
def test_partial_result_is_called_so_everywhere() -> None:
    summary = summarize(collected=collected(unreadable=1, failed=4))
    assert summary["status"] == "PARTIAL"
    assert summary["unreadable"] == {
        "key": RUN.unreadable_key,
        "objects": 1,
        "reasons": {"SourceMalformedError": 1},
        "examples": {"SourceMalformedError": "gzip"},
    }
    assert summary["failures"] == {
        "key": RUN.failures_key,
        "batches": 1,
        "errors": {"AccessDeniedError": 1},
        "examples": {"AccessDeniedError": "no"},
    }
    assert summary["result"] == {
        "complete": False,
        "missing": {"objects": 5, "unreadable": 1, "failed": 4},
        "groups": 3,
        "csv": f"{RUN.prefix}partial_result.csv",
        "json": f"{RUN.prefix}partial_result.json",
    }


@pytest.mark.usefixtures("s3")
def test_run_that_failed_has_no_result() -> None:
    error = {"name": "IncompleteResultError", "message": "told"}
    summary = summarize(collected=collected(failed=4), reduced=None, error=error)
    assert (summary["status"], summary["error"], summary["result"]) == ("FAILED", error, None)
    assert summary["counts"]["failed"] == 4


@pytest.mark.usefixtures("s3")
def test_result_with_other_rows_than_the_batches_fails_the_run() -> None:
    summary = summarize(reduced=REDUCED | {"rows": 49})
    assert summary["error"] == {
        "name": "CountsDoNotReconcileError",
        "message": "50 rows were aggregated, 49 are in the result's groups",
    }
    assert summary["result"] is None


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize(
    ("tolerated", "rows", "error"),
    [
        ({"count": 2}, {}, "TooManyRejectsError"),
        ({"count": 3}, {}, None),
        ({"percentage": 4.9}, {}, "TooManyRejectsError"),
        ({"percentage": 5}, {}, None),
        (None, {}, None),
        ({"count": 0}, {"read": 3, "aggregated": 0, "filtered": 0}, "TooManyRejectsError"),
        (None, {"read": 3, "aggregated": 0, "filtered": 0}, "NothingWrittenError"),
        (None, {"read": 4, "aggregated": 0, "filtered": 1}, None),
    ],
)
def test_run_with_too_many_rejects_fails_with_their_reasons_and_has_its_result(
    tolerated: Json | None, rows: Json, error: str | None
) -> None:
    given = collected() | {"rejectsTolerated": tolerated}
    given["rows"] |= rows
    summary = summarize(collected=given, reduced=REDUCED | {"rows": given["rows"]["aggregated"]})
    assert (summary["error"] or {"name": None})["name"] == error
    assert summary["status"] == ("FAILED" if error else "COMPLETE")
    assert summary["result"]["csv"] == f"{RUN.prefix}result.csv"
    if error:
        assert summary["error"]["message"].endswith(": NumberInvalid 3 (column x: a is not a number)")


@pytest.mark.usefixtures("s3")
def test_reasons_that_an_earlier_version_has_left_are_counted() -> None:
    given = {name: each for name, each in collected().items() if name not in ("rejects", "unreadable", "failures")}
    summary = summarize(collected=given | {"reasons": {"NumberInvalid": 3}})
    assert summary["rejects"] == {"key": RUN.rejects_key, "reasons": {"NumberInvalid": 3}, "examples": {}}


@pytest.mark.usefixtures("s3")
def test_message_of_a_functions_error_has_no_stack_trace() -> None:
    cause = json.dumps({"errorMessage": "told", "errorType": "SourceNotFoundError", "stackTrace": ["..."]})
    error = {"name": "SourceNotFoundError", "message": cause}
    assert summarize(reduced=None, error=error)["error"] == {"name": "SourceNotFoundError", "message": "told"}


def test_merge_that_failed_is_reported_by_its_own_error(s3: Any) -> None:
    folder = f"{RUN.results_prefix}/merges/1/a"
    cause = json.dumps({"progress": None, "cause": json.dumps({"errorMessage": "there is no part"})})
    given = json.dumps({"merge": {"name": "1-000007"}})
    records = [
        {"Status": "PENDING", "Input": given},
        {"Status": "FAILED", "Input": given, "Error": "SourceNotFoundError", "Cause": cause},
    ]
    for number, record in enumerate(records):
        s3.put_object(Bucket=BUCKET, Key=f"{folder}/{number}.jsonl", Body=json.dumps(record).encode())
    files = {"PENDING": [{"Key": f"{folder}/0.jsonl"}], "FAILED": [{"Key": f"{folder}/1.jsonl"}]}
    s3.put_object(Bucket=BUCKET, Key=f"{folder}/manifest.json", Body=json.dumps({"ResultFiles": files}).encode())
    error = {"name": "States.ExceedToleratedFailureThreshold", "message": "exceeded"}
    assert summarize(reduced=None, error=error)["error"] == {
        "name": "SourceNotFoundError",
        "message": "merge 1-000007: there is no part",
    }


@pytest.mark.parametrize("path", sorted((EVENTS / "summarize_objects").glob("*.json")), ids=lambda path: path.stem)
@pytest.mark.usefixtures("s3")
def test_fixture_ends_as_it_is_named(path: Path) -> None:
    handler = import_module("summarize_objects.handler").lambda_handler
    event, error = fixture("summarize_objects", path.stem), expected_error(path)
    if error is None:
        assert handler(event, Context())["status"] == "FAILED"
        return
    with pytest.raises(getattr(errors, error)):
        handler(event, Context())
