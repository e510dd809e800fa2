"""SummarizeRun: counts from result files, for children that ended in every way there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from threading import Timer
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice import errors
from sluice.errors import CountsDoNotReconcileError
from sluice.runs.counts import Counts
from sluice.runs.outcomes import LOST, SUCCEEDED, RangeOutcome, outcomes
from sluice.runs.paths import Run
from sluice.runs.range_progress import RangeProgress
from sluice.runs.row_findings import RowFindings
from sluice.runs.summary import RunError, Summary, summarize
from sluice.workflows.csv_load.ranges import RANGES as RANGE_PARTS
from sluice.workflows.csv_load.ranges import Range, write_ranges
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.lambda_context import Context

USUAL = fixture("summarize_run", "usual")
BUCKET = USUAL["planned"]["plan"]["bucket"]
RUN = Run.from_state(USUAL["run"])
RANGES = [Range(index, index * 100, index * 100 + 100, index * 10 + 1, 10) for index in range(4)]
THRESHOLD = RunError("States.ExceedToleratedFailureThreshold", "The specified tolerated failure threshold was exceeded")


def progress(rows: int, *, rejected: int = 0, done: bool = True) -> RangeProgress:
    """What slices of a range did with its first rows."""
    return RangeProgress(
        position=0,
        row=1,
        slices=1,
        done=done,
        counts=Counts(rows, rows - rejected, 0, rejected),
        write_units=float(rows),
        reject_slices=(0,) if rejected else (),
        reasons={"KeyEmpty": rejected} if rejected else {},  # type: ignore[arg-type]
    )


def child_input(planned: Range) -> str:
    """A child's input as its record has it."""
    return json.dumps({"run": RUN.to_state(), "load": {}, "range": planned.to_state(), "progress": None})


def succeeded(planned: Range, done: RangeProgress | None = None) -> dict[str, Any]:
    """A child's record in a SUCCEEDED file."""
    output = (done or progress(planned.rows)).to_state()
    return {"Status": "SUCCEEDED", "Input": child_input(planned), "Output": json.dumps(output)}


def failed(planned: Range, before: RangeProgress | None = None, error: str = "ThrottledError") -> dict[str, Any]:
    """A child's record in a FAILED file, as RangeFailed leaves it."""
    lambda_cause = json.dumps({"errorMessage": "no progress", "errorType": error, "stackTrace": []})
    cause = {"progress": before.to_state() if before else None, "cause": lambda_cause}
    return {
        "Status": "FAILED",
        "Input": child_input(planned),
        "Error": error,
        "Cause": json.dumps(cause),
        "ExecutionArn": "arn:child",
    }


def summary_of(
    records: list[dict[str, Any]], *, error: RunError | None = None, tolerated: dict[str, float] | None = None
) -> Summary:
    """The summary of a run with these records."""
    return summarize(RUN, BUCKET, outcomes(RANGE_PARTS, RANGES, records), tolerated, error)


def test_every_range_done_is_a_complete_run() -> None:
    summary = summary_of([succeeded(each) for each in reversed(RANGES)])
    assert (summary.status, summary.counts, summary.write_units) == ("COMPLETE", Counts(40, 40), 40.0)
    assert summary.to_state()["failures"] is None
    assert summary.to_state()["rejects"] is None


def test_failed_range_counts_what_its_slices_did_and_fails_the_rest() -> None:
    records = [succeeded(each) for each in RANGES[1:]]
    summary = summary_of([*records, failed(RANGES[0], progress(4, rejected=1, done=False))])
    assert (summary.status, summary.counts) == ("PARTIAL", Counts(40, 33, 0, 1, 6))
    assert summary.reasons == {"KeyEmpty": 1}
    assert summary.failed_batches == 1


@pytest.mark.parametrize(
    "record",
    [
        pytest.param({"Status": "PENDING"}, id="never_started"),
        pytest.param({"Status": "ABORTED"}, id="aborted"),
        pytest.param({"Status": "TIMED_OUT", "Error": "States.Timeout"}, id="timed_out"),
        pytest.param({"Status": "FAILED", "Error": "States.Runtime", "Cause": "not JSON"}, id="failed_by_the_service"),
        pytest.param({"Status": "FAILED", "Error": "X", "Cause": '{"other": 1}'}, id="another_cause"),
        pytest.param({"Status": "FAILED", "Error": "X", "Cause": "[]"}, id="cause_that_is_no_object"),
    ],
)
def test_child_that_tells_nothing_counts_as_failed_as_a_whole(record: dict[str, Any]) -> None:
    ended = {**record, "Input": child_input(RANGES[0])}
    summary = summary_of([ended, *(succeeded(each) for each in RANGES[1:])], error=THRESHOLD)
    assert summary.counts == Counts(40, 30, 0, 0, 10)
    assert summary.status == "FAILED"


def test_range_without_a_record_does_not_reconcile() -> None:
    summary = summary_of([succeeded(each) for each in RANGES[1:]])
    assert summary.error is not None
    assert summary.error.name == "CountsDoNotReconcileError"
    assert "first range 0" in summary.error.message


def test_child_that_read_other_rows_than_planned_does_not_reconcile() -> None:
    summary = summary_of([succeeded(RANGES[0], progress(9)), *(succeeded(each) for each in RANGES[1:])])
    assert summary.error is not None
    assert summary.error.message == "range 0: 10 rows planned, 9 read"


def test_counts_that_do_not_add_up_are_an_error() -> None:
    with pytest.raises(CountsDoNotReconcileError, match="range 3: 10 rows read, 9 accounted for"):
        Counts(10, 9).check("range 3")


def test_success_in_any_attempt_is_success() -> None:
    for records in ([failed(RANGES[0]), succeeded(RANGES[0])], [succeeded(RANGES[0]), failed(RANGES[0])]):
        assert outcomes(RANGE_PARTS, RANGES[:1], records)[0].status == SUCCEEDED


def test_outcomes_follow_the_plan() -> None:
    ends = outcomes(RANGE_PARTS, RANGES, [succeeded(RANGES[2])])
    assert [(each.planned.index, each.status) for each in ends] == [
        (0, LOST),
        (1, LOST),
        (2, SUCCEEDED),
        (3, LOST),
    ]


def test_childrens_own_error_is_the_runs() -> None:
    summary = summary_of([failed(each) for each in RANGES], error=THRESHOLD)
    assert summary.error == RunError(
        "ThrottledError",
        "4 of the ranges failed; the first is range 0 (rows from 1): ThrottledError: no progress",
    )


def test_different_errors_of_children_have_a_name_of_their_own() -> None:
    records = [failed(RANGES[0]), failed(RANGES[1], error="AccessDeniedError"), *map(succeeded, RANGES[2:])]
    error = summary_of(records, error=THRESHOLD).error
    assert error is not None
    assert error.name == "RangesFailedError"


def test_threshold_is_the_error_when_no_child_has_one() -> None:
    records = [{"Status": "PENDING", "Input": child_input(each)} for each in RANGES]
    assert summary_of(records, error=THRESHOLD).error == THRESHOLD


def test_cause_that_is_not_from_lambda_is_unchanged() -> None:
    cause = json.dumps({"progress": None, "cause": "The Task timed out"})
    record = {"Status": "FAILED", "Input": child_input(RANGES[0]), "Error": "States.Timeout", "Cause": cause}
    (end,) = outcomes(RANGE_PARTS, RANGES[:1], [record])
    assert (end.error, end.cause, end.counts.failed) == ("States.Timeout", "The Task timed out", 10)


def test_other_errors_of_the_machine_stay() -> None:
    error = RunError("States.ItemReaderFailed", "no plan")
    assert summary_of([], error=error).error == error


@pytest.mark.parametrize(
    ("tolerated", "error"),
    [
        (None, None),
        ({"count": 4}, None),
        ({"count": 3}, "4 of 40 rows were rejected, more than 3 tolerated"),
        ({"percentage": 10}, None),
        ({"percentage": 9.5}, "4 of 40 rows were rejected, more than 9.5 % tolerated"),
    ],
)
def test_rejects_are_held_against_what_is_tolerated(tolerated: dict[str, float] | None, error: str | None) -> None:
    summary = summary_of([succeeded(each, progress(10, rejected=1)) for each in RANGES], tolerated=tolerated)
    assert summary.counts == Counts(40, 36, 0, 4)
    assert (summary.error.message if summary.error else None) == error


def test_failure_line_names_range_error_and_counts() -> None:
    (end,) = outcomes(RANGE_PARTS, RANGES[:1], [failed(RANGES[0], progress(4, done=False))])
    assert json.loads(end.to_failure_line()) == {
        "range": RANGES[0].to_state(),
        "status": "FAILED",
        "error": "ThrottledError",
        "cause": "no progress",
        "executionArn": "arn:child",
        "counts": {"read": 10, "written": 4, "skipped": 0, "rejected": 0, "failed": 6},
    }


def test_lost_range_has_all_its_rows_failed() -> None:
    assert RangeOutcome(RANGES[0], LOST).counts == Counts(10, 0, 0, 0, 10)


# The handler.


class Bucket:
    """The data bucket in moto, with a run in it."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        write_ranges(self.s3, BUCKET, RUN.plan_key, RANGES)

    def put_results(self, uuid: str, **records: list[dict[str, Any]]) -> str:
        """A manifest and the files that it names; returns the manifest's key."""
        listed: dict[str, list[dict[str, Any]]] = {status: [] for status in ("SUCCEEDED", "FAILED", "PENDING")}
        for status, each in records.items():
            key = f"{RUN.results_prefix}/{uuid}/{status}_0.jsonl"
            self.s3.put_object(Bucket=BUCKET, Key=key, Body="".join(json.dumps(line) + "\n" for line in each).encode())
            listed[status] = [{"Key": key, "Size": 1}]
        key = f"{RUN.results_prefix}/{uuid}/manifest.json"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps({"ResultFiles": listed}).encode())
        return key

    def text(self, key: str) -> str:
        """An object."""
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()

    def put_rejects(self, planned: Range) -> None:
        """The rejects that a slice of the range left."""
        self.s3.put_object(Bucket=BUCKET, Key=RUN.reject_part_key(planned.index, 0), Body=f"{planned.index}\n".encode())


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with mock_aws():
        yield Bucket()


def invoke(event: dict[str, Any]) -> dict[str, Any]:
    """Call the function."""
    answer: dict[str, Any] = import_module("summarize_run.handler").lambda_handler(event, Context())
    return answer


def test_run_leaves_its_summary_rejects_and_failures(bucket: Bucket) -> None:
    records = [succeeded(each, progress(10, rejected=1)) for each in RANGES[:3]]
    key = bucket.put_results("a", SUCCEEDED=records, FAILED=[failed(RANGES[3])])
    for each in reversed(RANGES[:3]):
        bucket.put_rejects(each)
    summary = invoke(USUAL | {"mapRun": {"ResultWriterDetails": {"Bucket": BUCKET, "Key": key}}})
    assert summary["counts"] == {"read": 40, "written": 27, "skipped": 0, "rejected": 3, "failed": 10}
    assert json.loads(bucket.text(RUN.summary_key)) == summary
    assert bucket.text(summary["rejects"]["key"]) == "0\n1\n2\n"
    assert json.loads(bucket.text(summary["failures"]["key"]))["range"] == RANGES[3].to_state()


def test_reasons_of_rejects_have_a_message_each(bucket: Bucket) -> None:
    records = [succeeded(each, progress(10, rejected=1)) for each in RANGES]
    key = bucket.put_results("a", SUCCEEDED=records)
    for each in RANGES:
        reject = {"row": each.first_row, "error": "KeyEmpty", "message": f"id: empty {each.index}", "record": {}}
        part = RUN.reject_part_key(each.index, 0)
        bucket.s3.put_object(Bucket=BUCKET, Key=part, Body=json.dumps(reject).encode() + b"\n")
    planned = USUAL["planned"] | {"rejectsTolerated": {"count": 3}}
    summary = invoke(USUAL | {"planned": planned, "mapRun": {"ResultWriterDetails": {"Bucket": BUCKET, "Key": key}}})
    assert summary["rejects"]["examples"] == {"KeyEmpty": "id: empty 0"}
    expected = "4 of 40 rows were rejected, more than 3 tolerated: KeyEmpty 4 (id: empty 0)"
    assert summary["error"] == {"name": "TooManyRejectsError", "message": expected}


def omitting(rows: int, *, rejected: int = 0, omitted: int = 0) -> RangeProgress:
    counts = Counts(rows, rows - rejected - omitted, omitted, rejected)
    return replace(progress(rows, rejected=rejected), counts=counts, rows_found=RowFindings(omitted=omitted))


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        (omitting(10, omitted=10), "the transform skipped 40 of 40 rows, so nothing was written"),
        (
            omitting(10, omitted=9, rejected=1),
            "the transform skipped 36 of 40 rows; the other 4 were rejected, so nothing was written",
        ),
        (omitting(10, omitted=9), None),
        (replace(progress(10), counts=Counts(10, 0, 10)), None),
    ],
)
def test_run_whose_transform_makes_nothing_fails(bucket: Bucket, done: RangeProgress, expected: str | None) -> None:
    key = bucket.put_results("a", SUCCEEDED=[succeeded(each, done) for each in RANGES])
    for each in RANGES:
        bucket.put_rejects(each)
    summary = invoke(USUAL | {"mapRun": {"ResultWriterDetails": {"Bucket": BUCKET, "Key": key}}})
    error = {"name": "NothingWrittenError", "message": expected} if expected else None
    if expected and "rejected" in expected:
        error = {"name": "NothingWrittenError", "message": f"{expected}: KeyEmpty 4"}
    assert summary["error"] == error


def test_manifest_of_a_failed_map_run_is_found_and_the_newest_counts(bucket: Bucket) -> None:
    bucket.put_results("z-earlier", FAILED=[failed(each) for each in RANGES])
    bucket.put_results("a-later", SUCCEEDED=[succeeded(each) for each in RANGES[1:]], FAILED=[failed(RANGES[0])])
    error = {"name": THRESHOLD.name, "message": THRESHOLD.message}
    summary = invoke(USUAL | {"error": error})
    assert summary["counts"]["written"] == 30
    assert summary["error"]["name"] == "ThrottledError"


def test_result_files_that_come_late_are_waited_for(bucket: Bucket) -> None:
    bucket.put_results("a", FAILED=[failed(each) for each in RANGES[1:]])
    late = Timer(0.5, lambda: bucket.put_results("a", FAILED=[failed(each) for each in RANGES]))
    late.start()
    summary = invoke(USUAL | {"error": {"name": THRESHOLD.name, "message": THRESHOLD.message}})
    late.join()
    assert (summary["error"]["name"], summary["counts"]["failed"]) == ("ThrottledError", 40)


def test_source_without_rows_is_complete_without_a_map_run(bucket: Bucket) -> None:
    write_ranges(bucket.s3, BUCKET, RUN.plan_key, [Range(0, 8, 8, 1, 0)])
    planned = USUAL["planned"] | {"plan": {"bucket": BUCKET, "key": RUN.plan_key, "ranges": 1, "rows": 0}}
    summary = invoke(USUAL | {"planned": planned, "mapRun": None, "error": None})
    assert (summary["status"], summary["counts"]["read"], summary["failures"]) == ("COMPLETE", 0, None)


def test_run_that_was_refused_has_a_summary(bucket: Bucket) -> None:
    error = {"name": "InvalidInputError", "message": "table: is required"}
    summary = invoke(USUAL | {"planned": None, "error": error})
    assert (summary["status"], summary["error"]) == ("FAILED", error)
    assert json.loads(bucket.text(RUN.summary_key)) == summary


@pytest.mark.parametrize(
    "path",
    [each for each in sorted((EVENTS / "summarize_run").glob("*.json")) if expected_error(each)],
    ids=lambda each: each.stem,
)
def test_fixture_fails_as_it_is_named(bucket: Bucket, path: Path) -> None:
    with pytest.raises(getattr(errors, str(expected_error(path)))):
        invoke(fixture("summarize_run", path.stem))
