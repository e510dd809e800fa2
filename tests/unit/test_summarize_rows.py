"""SummarizeRows: what became of each row, from the Map Run's result files; the query's figures and reasons."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from sluice import errors
from sluice.aws.clients import stepfunctions_client
from sluice.runs import results
from sluice.runs.counts import Counts
from sluice.runs.paths import Run
from sluice.runs.summary import RunError
from sluice.runs.undone import ItemsDone
from sluice.workflows.athena_map.inspection import ROWS_MAX, Phase, ResultInspection, RowsReader
from sluice.workflows.athena_map.query_figures import QueryFigures, query_end
from sluice.workflows.athena_map.summary import RowsSummary, failure_reason_of_rows
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.lambda_context import Context
from tests.unit.result_objects import put_result_files

BUCKET = "sluice-data-000000000000-us-east-1"
USUAL = fixture("summarize_rows", "usual")
PLANNED, RUN = USUAL["planned"], Run.from_state(USUAL["run"])
QUERY = fixture("inspect_result", "usual")["query"]
THRESHOLD = {"name": "States.ExceedToleratedFailureThreshold", "message": "threshold exceeded"}


def row(number: int) -> dict[str, str]:
    return {"id": str(number), "text": 'ü "\\'}


def batch(numbers: range, *, skipped: int = 0, undone: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """A batch's record in a SUCCEEDED file."""
    output = {"written": len(numbers) - skipped - len(undone), "skipped": skipped, "undone": list(undone)}
    given = {"BatchInput": {}, "Items": [row(each) for each in numbers]}
    return {"Status": "SUCCEEDED", "Input": json.dumps(given), "Output": json.dumps(output)}


def failed_batch(numbers: range, error: str | None = "ValueError") -> dict[str, Any]:
    """A batch's record in a FAILED file, or in a PENDING one."""
    given = {"Input": json.dumps({"Items": [row(each) for each in numbers]})}
    if error is None:
        return {"Status": "PENDING", **given}
    return {"Status": "FAILED", "Error": error, "Cause": json.dumps({"errorMessage": "oh"}), **given}


def undone(index: int, outcome: str, error: str) -> dict[str, Any]:
    return {"index": index, "outcome": outcome, "error": error, "message": f"about {error}"}


def inspected(rows: int | None, **changed: Any) -> dict[str, Any]:
    """What InspectResult says of a result with so many rows."""
    inspection = ResultInspection(Phase.DONE, RowsReader.CSV if rows else RowsReader.NONE, "b", "k", rows).to_state()
    return inspection | changed


class Bucket:
    """The data bucket in moto, and the function."""

    def __init__(self) -> None:
        self.s3: Any = boto3.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)

    def put(self, *records: dict[str, Any]) -> None:
        """The result files of the Map Run."""
        put_result_files(self.s3, BUCKET, RUN.results_prefix, records)

    def lines(self, key: str) -> list[Any]:
        """An object of JSON Lines."""
        return [json.loads(line) for line in self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].iter_lines()]

    def summarize(self, inspection: Any, error: Any = None, **planned: Any) -> dict[str, Any]:
        """Call the function."""
        event = {"run": USUAL["run"], "planned": PLANNED | planned, "query": QUERY, "inspection": inspection}
        event |= {"mapRun": None, "error": error}
        summary: dict[str, Any] = import_module("summarize_rows.handler").lambda_handler(event, Context())
        assert json.loads(self.s3.get_object(Bucket=BUCKET, Key=RUN.summary_key)["Body"].read()) == summary
        return summary


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.setattr(results, "RESULTS_WAIT_SECONDS", 0)
    with mock_aws():
        yield Bucket()


def counts(summary: dict[str, Any]) -> tuple[int, int, int, int, int]:
    found = summary["counts"]
    return found["read"], found["written"], found["skipped"], found["rejected"], found["failed"]


def test_rows_are_counted_by_what_became_of_them(bucket: Bucket) -> None:
    bucket.put(
        batch(range(10), skipped=2, undone=(undone(3, "rejected", "NoSuchKey"), undone(9, "failed", "AccessDenied"))),
        batch(range(10, 15)),
        failed_batch(range(15, 18)),
        failed_batch(range(18, 20), None),
    )
    summary = bucket.summarize(inspected(20), toleratedFailurePercentage=50)
    assert (summary["status"], counts(summary)) == ("PARTIAL", (20, 11, 2, 1, 6))
    assert summary["rejects"] == {
        "key": RUN.rejects_key,
        "reasons": {"NoSuchKey": 1},
        "examples": {"NoSuchKey": "about NoSuchKey"},
    }
    assert bucket.lines(RUN.rejects_key) == [{"error": "NoSuchKey", "message": "about NoSuchKey", "record": row(3)}]
    assert summary["failures"] == {
        "key": RUN.failures_key,
        "rows": RUN.failed_rows_key,
        "batches": 3,
        "errors": {"AccessDenied": 1, "ValueError": 3, "NotStarted": 2},
        "examples": {
            "ValueError": "oh",
            "NotStarted": "the batch was not worked through",
            "AccessDenied": "about AccessDenied",
        },
    }
    failures = bucket.lines(RUN.failures_key)
    assert [each["record"] for each in failures] == bucket.lines(RUN.failed_rows_key)
    assert [each["record"] for each in failures] == [row(number) for number in (9, 15, 16, 17, 18, 19)]
    assert {(each["error"], each["message"]) for each in failures} == {
        ("AccessDenied", "about AccessDenied"),
        ("ValueError", "oh"),
        ("NotStarted", "the batch was not worked through"),
    }


def test_summary_has_the_querys_figures(bucket: Bucket) -> None:
    summary = bucket.summarize(inspected(0))
    assert (summary["status"], counts(summary), summary["capacity"]) == ("COMPLETE", (0, 0, 0, 0, 0), None)
    assert summary["query"] == {
        "id": QUERY["id"],
        "state": "SUCCEEDED",
        "bytesScanned": 123456789,
        "seconds": 1.5,
        "usd": 0.000617,
    }


def test_rows_that_were_too_large_are_rejects_beside_the_others(bucket: Bucket) -> None:
    part = {"error": "RowTooLarge", "message": "large", "record": {"id": "x"}}
    bucket.s3.put_object(Bucket=BUCKET, Key=RUN.reject_part_key(3, 0), Body=json.dumps(part).encode() + b"\n")
    bucket.put(batch(range(4), undone=(undone(0, "rejected", "NoSuchKey"),)))
    inspection = inspected(5, rejected=1, rejectParts=[3])
    summary = bucket.summarize(inspection)
    assert (summary["status"], counts(summary)) == ("COMPLETE", (5, 3, 0, 2, 0))
    assert summary["rejects"]["reasons"] == {"NoSuchKey": 1, "RowTooLarge": 1}
    assert [each["error"] for each in bucket.lines(RUN.rejects_key)] == ["RowTooLarge", "NoSuchKey"]
    alone = bucket.summarize(inspected(1, rejected=1, rejectParts=[3], reader="none"))
    assert counts(alone) == (1, 0, 0, 1, 0)
    assert bucket.lines(RUN.rejects_key) == [part]


@pytest.mark.parametrize(
    ("errors_of_rows", "name"),
    [(("SlowDown",), "SlowDown"), (("SlowDown", None), "SlowDown"), (("SlowDown", "Other"), "RowsFailedError")],
)
def test_too_many_failed_rows_fail_the_run_by_their_own_error(
    bucket: Bucket, errors_of_rows: tuple[str | None, ...], name: str
) -> None:
    bucket.put(batch(range(5)), *(failed_batch(range(5, 7), each) for each in errors_of_rows))
    for error in (None, THRESHOLD):
        summary = bucket.summarize(inspected(5 + 2 * len(errors_of_rows)), error)
        assert (summary["status"], summary["error"]["name"]) == ("FAILED", name)
        assert " rows failed, more than the 0 % tolerated: " in summary["error"]["message"]
        assert "SlowDown 2 (oh)" in summary["error"]["message"]


def test_row_that_no_record_has_does_not_reconcile(bucket: Bucket) -> None:
    bucket.put(batch(range(5)))
    summary = bucket.summarize(inspected(6))
    assert summary["error"] == {"name": "CountsDoNotReconcileError", "message": "6 rows found, 5 accounted for"}
    assert counts(summary) == (6, 5, 0, 0, 1)
    more = bucket.summarize(inspected(4))
    assert (more["error"]["message"], counts(more)) == ("4 rows found, 5 accounted for", (5, 5, 0, 0, 0))


def test_error_of_a_failed_reader_is_unchanged(bucket: Bucket) -> None:
    error = {"name": "States.ItemReaderFailed", "message": "no"}
    summary = bucket.summarize(inspected(3), error)
    assert (summary["error"], counts(summary)) == (error, (3, 0, 0, 0, 3))
    assert summary["failures"] is None


def test_more_rejects_than_tolerated_fail_the_run(bucket: Bucket) -> None:
    bucket.put(batch(range(5), undone=(undone(0, "rejected", "NoSuchKey"),)))
    assert bucket.summarize(inspected(5), rejectsTolerated={"count": 1})["status"] == "COMPLETE"
    summary = bucket.summarize(inspected(5), rejectsTolerated={"percentage": 10})
    assert summary["error"]["name"] == "TooManyRejectsError"


def test_map_run_says_how_many_unloaded_rows_there_were(bucket: Bucket) -> None:
    bucket.put(batch(range(5)))
    unloaded = inspected(None, reader="parquet")
    for total, error in ((5, None), (6, "CountsDoNotReconcileError")):
        with Stubber(stepfunctions_client()) as stubber:
            describe(stubber, total, total)
            summary = bucket.summarize(unloaded)
            assert (summary["error"] or {}).get("name") == error
            assert counts(summary)[0] == total


def describe(
    stubber: Stubber, total: int, succeeded: int, status: str = "SUCCEEDED", written: int | None = None
) -> None:
    """Let the Map Run be found, with these item counts."""
    counted = {"pending": 0, "running": 0, "failed": 0, "timedOut": 0, "aborted": 0}
    counted |= {"succeeded": succeeded, "total": total, "resultsWritten": succeeded if written is None else written}
    arn = {"executionArn": RUN.execution_arn, "mapRunArn": "m", "stateMachineArn": "s", "startDate": 1}
    described = {
        "mapRunArn": "m",
        "executionArn": RUN.execution_arn,
        "status": status,
        "startDate": 1,
        "maxConcurrency": 1,
        "toleratedFailurePercentage": 0,
        "toleratedFailureCount": 0,
        "itemCounts": counted,
        "executionCounts": counted,
    }
    stubber.add_response("list_map_runs", {"mapRuns": [arn]}, {"executionArn": RUN.execution_arn})
    stubber.add_response("describe_map_run", described, {"mapRunArn": "m"})


def test_counts_of_unloaded_rows_that_lag_are_waited_for(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list may be empty at first, the status old, the counts of an earlier moment; even of one that adds up."""
    monkeypatch.setattr(results, "RESULTS_WAIT_SECONDS", 60)
    monkeypatch.setattr(results, "PAUSE_SECONDS", 0)
    bucket.put(batch(range(5)))
    with Stubber(stepfunctions_client()) as stubber:
        stubber.add_response("list_map_runs", {"mapRuns": []}, {"executionArn": RUN.execution_arn})
        describe(stubber, 5, 5, "RUNNING")
        describe(stubber, 5, 3)
        describe(stubber, 5, 5, written=3)
        describe(stubber, 0, 0)
        describe(stubber, 5, 5)
        summary = bucket.summarize(inspected(None, reader="json"))
        stubber.assert_no_pending_responses()
    assert (summary["error"], counts(summary)) == (None, (5, 5, 0, 0, 0))


def test_counts_of_unloaded_rows_that_never_become_final_are_an_error(bucket: Bucket) -> None:
    bucket.put(batch(range(5)))
    for error in (None, {"name": "States.ItemReaderFailed", "message": "no"}):
        with Stubber(stepfunctions_client()) as stubber:
            describe(stubber, 6, 5)
            summary = bucket.summarize(inspected(None, reader="json"), error)
        assert summary["error"]["name"] == (error or {"name": "CountsNotFinalError"})["name"]
        assert counts(summary) == (5, 5, 0, 0, 0)


def test_unloaded_rows_that_nobody_counted_do_not_reconcile(bucket: Bucket) -> None:
    with Stubber(stepfunctions_client()) as stubber:
        stubber.add_response("list_map_runs", {"mapRuns": []}, {"executionArn": RUN.execution_arn})
        summary = bucket.summarize(inspected(None, reader="json"))
    assert summary["error"]["name"] == "CountsDoNotReconcileError"


def test_map_run_that_is_full_may_have_left_rows_out() -> None:
    inspection = ResultInspection(Phase.DONE, RowsReader.PARQUET, "b", "k")
    done = ItemsDone(written=ROWS_MAX)
    summary = RowsSummary(RUN, BUCKET, PLANNED, None, inspection, ROWS_MAX, done, None)
    error = failure_reason_of_rows(summary)
    assert error is not None
    assert (error.name, summary.counts) == ("TooManyRowsError", Counts(read=ROWS_MAX, written=ROWS_MAX))


# What Athena says.

EXECUTION = json.loads(USUAL["error"]["message"])["QueryExecution"]


def cause(**status: str) -> str:
    return json.dumps({"QueryExecution": EXECUTION | {"Status": status}})


@pytest.mark.parametrize(
    ("name", "reported", "error", "message"),
    [
        (
            "States.TaskFailed",
            cause(State="FAILED", StateChangeReason="no such table"),
            "QueryFailedError",
            f"no such table (query {QUERY['id']})",
        ),
        (
            "States.TaskFailed",
            cause(State="CANCELLED"),
            "QueryCancelledError",
            f"Athena ended the query as CANCELLED (query {QUERY['id']})",
        ),
        ("States.TaskFailed", cause(State="FAILED")[:60], "States.TaskFailed", cause(State="FAILED")[:60]),
        ("States.TaskFailed", '{"QueryExecution": {}}', "States.TaskFailed", '{"QueryExecution": {}}'),
        (
            "Athena.InvalidRequestException",
            "line 1:8: mismatched input (Service: AmazonAthena; Status Code: 400)",
            "QueryRefusedError",
            "line 1:8: mismatched input",
        ),
        (
            "Athena.AmazonAthenaException",
            "You are not authorized (Service: AmazonAthena; Error Code: AccessDeniedException)",
            "AccessDeniedError",
            "You are not authorized",
        ),
        ("Athena.TooManyRequestsException", "Rate exceeded", "Athena.TooManyRequestsException", "Rate exceeded"),
        ("States.Timeout", "", "States.Timeout", ""),
    ],
)
def test_query_fails_in_athenas_words(name: str, reported: str, error: str, message: str) -> None:
    end = query_end(name, reported)
    assert (end.name, end.message) == (error, message)


@pytest.mark.parametrize(
    ("state", "scanned", "usd"),
    [
        ("SUCCEEDED", 0, 0.00005),
        ("SUCCEEDED", 10_000_001, 0.00005),
        ("SUCCEEDED", 10**12, 5.0),
        ("CANCELLED", 10**11, 0.5),
        ("FAILED", 10**12, 0.0),
    ],
)
def test_query_costs_by_what_it_has_scanned(state: str, scanned: int, usd: float) -> None:
    assert QueryFigures("id", state, scanned, 1.0).usd == usd


def test_run_whose_query_failed_has_its_figures_and_its_reason(bucket: Bucket) -> None:
    summary = import_module("summarize_rows.handler").lambda_handler(USUAL, Context())
    assert summary["error"]["name"] == "QueryFailedError"
    assert (summary["query"]["id"], summary["query"]["state"]) == (QUERY["id"], "FAILED")
    assert counts(summary) == (0, 0, 0, 0, 0)


def test_run_whose_input_was_refused_has_no_query(bucket: Bucket) -> None:
    error = {"name": "InvalidInputError", "message": "query: is required"}
    summary = import_module("summarize_rows.handler").lambda_handler(
        USUAL | {"planned": None, "error": error}, Context()
    )
    assert (summary["status"], summary["error"], summary["query"]) == ("FAILED", error, None)


def test_error_of_a_run_that_stopped_without_a_record_stays() -> None:
    inspection = ResultInspection(Phase.DONE, RowsReader.CSV, "b", "k", 0)
    error = RunError(THRESHOLD["name"], THRESHOLD["message"])
    assert failure_reason_of_rows(RowsSummary(RUN, BUCKET, PLANNED, None, inspection, 0, ItemsDone(), error)) == error


@pytest.mark.parametrize("path", sorted((EVENTS / "summarize_rows").glob("*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(bucket: Bucket, path: Path) -> None:
    event, error = fixture("summarize_rows", path.stem), expected_error(path)
    handler = import_module("summarize_rows.handler").lambda_handler
    if error is None:
        assert handler(event, Context())["status"] == "FAILED"
        return
    with pytest.raises(getattr(errors, error)):
        handler(event, Context())
