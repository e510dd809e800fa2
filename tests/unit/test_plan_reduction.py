"""PlanReduction: every listed object is accounted for, and an incomplete result is written only on request."""

from __future__ import annotations

import json
import re
from collections import Counter
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
from sluice.errors import CountsDoNotReconcileError
from sluice.runs.columns_found import ColumnsFound
from sluice.runs.counts import Counts
from sluice.runs.paths import Run
from sluice.workflows.object_aggregate.batch_outcomes import BatchOutcomes
from sluice.workflows.object_aggregate.progress import BatchProgress, RowCounts
from sluice.workflows.object_aggregate.summary import Collected, failure_reason
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.lambda_context import Context

USUAL = fixture("plan_reduction", "usual")
RUN = Run.from_state(USUAL["run"])
BUCKET = "sluice-data-000000000000-us-east-1"
THRESHOLD = {"name": "States.ExceedToleratedFailureThreshold", "message": "The threshold was exceeded"}
MAP_RUN = "arn:aws:states:us-east-1:000000000000:mapRun:sluice-object_aggregate/AggregateBatches:a"

Json = dict[str, Any]


def objects(batch: int, count: int = 3) -> list[Json]:
    """A batch's objects as the listing has them."""
    return [{"key": f"in/{batch:03d}-{number}.csv", "size": 10, "etag": '"e"'} for number in range(count)]


def progress(batch: int, *, done: bool = True, unreadable: int = 0, rejected: int = 0, **more: Any) -> Json:
    """A batch of three objects, each of ten rows."""
    aggregated = 3 - unreadable
    rows = 10 * aggregated
    return BatchProgress(
        batch=f"b{batch:03d}",
        done=done,
        slices=1,
        part_slices=(0,) if done else (),
        reject_slices=(0,) if rejected else (),
        unreadable_slices=(0,) if unreadable else (),
        objects=more.get("objects", Counts(read=3, written=aggregated, rejected=unreadable)),
        rows=more.get("rows", RowCounts(read=rows, aggregated=rows - rejected, rejected=rejected)),
        bytes=10 * aggregated,
        reasons=Counter({"NumberInvalid": rejected} if rejected else {}),
        columns=more.get("columns", ColumnsFound()),
    ).to_state()


def first(batch: int, status: str = "SUCCEEDED", output: Json | None = None, **more: Any) -> Json:
    """A record of AggregateBatches."""
    given = {"BatchInput": {"run": RUN.to_state(), "aggregation": {}}, "Items": objects(batch)}
    reported = {"Output": json.dumps(output or progress(batch))} if status == "SUCCEEDED" else {}
    return {"Status": status, "Input": json.dumps(given), **reported, **more}


def finishing(batch: int, status: str = "SUCCEEDED", **more: Any) -> Json:
    """A record of FinishBatches."""
    given = {"run": {}, "aggregation": {}, "objects": objects(batch), "progress": progress(batch, done=False)}
    reported = {"Output": json.dumps(progress(batch))} if status == "SUCCEEDED" else {}
    return {"Status": status, "Input": json.dumps(given), **reported, **more}


def rejected(row: int) -> str:
    """A line of a rejects file, whose record looks like one."""
    return (
        json.dumps({"row": row, "error": "NumberInvalid", "message": f"row {row}", "record": {"error": "Own"}}) + "\n"
    )


def unreadable(number: int, message: str | None = None) -> str:
    """A line of unreadable.jsonl."""
    return json.dumps({"key": number, "error": "SourceMalformedError", "message": message or f"object {number}"}) + "\n"


def failed(error: str = "ServiceUnavailableError", message: str = "S3 is gone") -> Json:
    """What a failed child's record has besides; FinishBatches' children carry their progress in the cause."""
    return {"Error": error, "Cause": json.dumps({"errorMessage": message, "errorType": error})}


class Bucket:
    """What a run's batches have left."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)

    def put(self, key: str, body: str) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode())

    def lines(self, key: str) -> list[Json]:
        body = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return [json.loads(line) for line in body.splitlines()]

    def has(self, key: str) -> bool:
        return bool(self.s3.list_objects_v2(Bucket=BUCKET, Prefix=key).get("Contents"))

    def put_results(self, name: str, *records: Json) -> None:
        """A manifest, and one file of records for each status."""
        folder = f"{RUN.results_prefix}/{name}/a"
        listed: dict[str, list[Json]] = {}
        for status in ("SUCCEEDED", "FAILED", "PENDING"):
            ended = status if status != "FAILED" else ("FAILED", "TIMED_OUT")
            lines = [json.dumps(each) + "\n" for each in records if each["Status"] in ended]
            self.put(f"{folder}/{status}_0.jsonl", "".join(lines))
            listed[status] = [{"Key": f"{folder}/{status}_0.jsonl"}] if lines else []
        self.put(f"{folder}/manifest.json", json.dumps({"MapRunArn": MAP_RUN, "ResultFiles": listed}))


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    stepfunctions_client.cache_clear()
    with mock_aws():
        yield Bucket()
    stepfunctions_client.cache_clear()


def plan(listed: int, *, remainder: bool = False, error: Json | None = None, **planned: Any) -> Json:
    """What PlanReduction answers, where the Map Run had so many objects."""
    event = USUAL | {"planned": USUAL["planned"] | planned, "hasRemainder": remainder, "error": error}
    counts = dict.fromkeys(
        ("pending", "running", "succeeded", "failed", "timedOut", "aborted", "total", "resultsWritten"), 0
    )
    described = {
        "mapRunArn": MAP_RUN,
        "executionArn": RUN.execution_arn,
        "status": "SUCCEEDED",
        "startDate": "2026-11-28T00:00:00Z",
        "maxConcurrency": 1,
        "toleratedFailurePercentage": 0.0,
        "toleratedFailureCount": 0,
        "itemCounts": counts | {"total": listed},
        "executionCounts": counts,
    }
    with Stubber(stepfunctions_client()) as stubber:
        stubber.add_response("describe_map_run", described, {"mapRunArn": MAP_RUN})
        answer: Json = import_module("plan_reduction.handler").lambda_handler(event, Context())
        stubber.assert_no_pending_responses()
    return answer


def test_all_batches_done_are_one_merge_of_their_parts(bucket: Bucket) -> None:
    bucket.put_results("batches", first(1), first(0))
    answer = plan(6)
    assert answer["error"] is None
    assert answer["collected"] == {
        "formatVersion": 3,
        "listed": 6,
        "objects": {"read": 6, "written": 6, "skipped": 0, "rejected": 0, "failed": 0},
        "rows": {"read": 60, "aggregated": 60, "filtered": 0, "rejected": 0},
        "bytes": 60,
        "failedBatches": 0,
        **{name: {"counts": {}, "messages": {}} for name in ("rejects", "unreadable", "failures")},
        "columns": {"absent": None, "known": []},
        "rejectsTolerated": None,
        "notes": [],
    }
    assert answer["reduction"] == {
        "level": 1,
        "levels": 0,
        "plans": "object_aggregate/fixture/merges/level-",
        "last": {
            "formatVersion": 3,
            "name": "last",
            "parts": [RUN.batch_part_key("b000", 0), RUN.batch_part_key("b001", 0)],
            "last": {"rows": 60, "missing": None},
        },
    }


def test_many_parts_are_merged_level_by_level(bucket: Bucket) -> None:
    bucket.put_results("batches", *map(first, range(70)))
    reduction = plan(210)["reduction"]
    assert (reduction["levels"], reduction["last"]["parts"]) == (
        1,
        [RUN.merged_part_key(f"1-{n:06d}") for n in range(3)],
    )
    merges = bucket.lines(reduction["plans"] + "1.jsonl")
    assert [len(each["parts"]) for each in merges] == [32, 32, 6]
    assert sorted(key for each in merges for key in each["parts"]) == [
        RUN.batch_part_key(f"b{number:03d}", 0) for number in range(70)
    ]


def test_batch_that_was_finished_counts_once(bucket: Bucket) -> None:
    bucket.put_results("batches", first(0), first(1, output=progress(1, done=False)), first(0))
    bucket.put_results("remainder", finishing(1), finishing(1))
    answer = plan(6, remainder=True)
    assert (answer["error"], answer["collected"]["objects"]["written"]) == (None, 6)
    assert len(answer["reduction"]["last"]["parts"]) == 2


def test_rejects_and_unreadable_objects_come_in_the_order_of_the_listing(bucket: Bucket) -> None:
    for batch in (0, 1):
        bucket.put(RUN.batch_reject_key(f"b{batch:03d}", 0), rejected(batch))
        bucket.put(RUN.batch_unreadable_key(f"b{batch:03d}", 0), unreadable(batch))
    bucket.put_results("batches", *(first(n, output=progress(n, unreadable=1, rejected=2)) for n in (1, 0)))
    answer = plan(6, onIncomplete="report", toleratedFailurePercentage=100)
    assert answer["collected"]["rejects"] == {"counts": {"NumberInvalid": 4}, "messages": {"NumberInvalid": "row 0"}}
    assert answer["collected"]["unreadable"] == {
        "counts": {"SourceMalformedError": 2},
        "messages": {"SourceMalformedError": "object 0"},
    }
    assert [each["row"] for each in bucket.lines(RUN.rejects_key)] == [0, 1]
    assert [each["key"] for each in bucket.lines(RUN.unreadable_key)] == [0, 1]
    assert answer["reduction"]["last"]["last"]["missing"] == {"objects": 2, "unreadable": 2, "failed": 0}


def test_objects_of_a_failed_batch_are_listed_and_no_result_is_made(bucket: Bucket) -> None:
    bucket.put_results("batches", first(0), first(1, "FAILED", **failed()))
    answer = plan(6, toleratedFailurePercentage=60)
    assert answer["reduction"] is None
    assert answer["error"] == {
        "name": "IncompleteResultError",
        "message": "3 of 6 objects are missing from the result: 0 could not be read (unreadable.jsonl), 3 are in "
        "batches that failed (failed.jsonl); failed: ServiceUnavailableError 1 (S3 is gone); "
        "set onIncomplete to report to get the rest",
    }
    line = {"error": "ServiceUnavailableError", "message": "S3 is gone"}
    assert bucket.lines(RUN.failures_key) == [each | line for each in objects(1)]


def test_partial_result_knows_what_it_lacks(bucket: Bucket) -> None:
    bucket.put_results("batches", first(0, output=progress(0, unreadable=1)), first(1, "FAILED", **failed()))
    bucket.put(RUN.batch_unreadable_key("b000", 0), unreadable(0))
    answer = plan(6, onIncomplete="report", toleratedFailurePercentage=67)
    assert answer["error"] is None
    assert answer["reduction"]["last"]["last"] == {
        "rows": 20,
        "missing": {"objects": 4, "unreadable": 1, "failed": 3},
    }


@pytest.mark.parametrize(
    ("records", "tolerated", "words"),
    [
        ([first(0), first(1, "FAILED", **failed())], 49, "3 of 6 .* more than the 49 % tolerated"),
        ([first(n, "FAILED", **failed()) for n in (0, 1)], 100, "6 of 6 .* nothing is left"),
    ],
)
def test_partial_result_that_lacks_too_much_is_none(
    bucket: Bucket, records: list[Json], tolerated: int, words: str
) -> None:
    bucket.put_results("batches", *records)
    answer = plan(6, onIncomplete="report", toleratedFailurePercentage=tolerated)
    assert answer["reduction"] is None
    assert answer["error"]["name"] == "IncompleteResultError"
    assert re.search(words, answer["error"]["message"])


@pytest.mark.parametrize(
    ("names", "name"), [(["AccessDeniedError"] * 2, "AccessDeniedError"), (["A", "B"], "BatchesFailedError")]
)
def test_run_fails_by_its_batches_own_error(bucket: Bucket, names: list[str], name: str) -> None:
    ended = [first(number, "FAILED", **failed(each, "told")) for number, each in enumerate(names)]
    bucket.put_results("batches", *ended, first(2, "PENDING"))
    answer = plan(9, error=THRESHOLD)
    assert answer["error"] == {"name": name, "message": f"3 batches of objects failed; the first: {names[0]}: told"}
    assert [each["error"] for each in bucket.lines(RUN.failures_key)] == [
        *names[:1] * 3,
        *names[1:] * 3,
        *["PENDING"] * 3,
    ]


def test_threshold_without_an_error_of_its_own_is_unchanged(bucket: Bucket) -> None:
    bucket.put_results("batches", first(0, "PENDING"))
    assert plan(3, error=THRESHOLD)["error"] == THRESHOLD


def test_child_that_timed_out_is_reported_by_its_status(bucket: Bucket) -> None:
    bucket.put_results("batches", first(0, "TIMED_OUT"))
    assert plan(3, error=THRESHOLD)["error"]["name"] == "TIMED_OUT"


def test_batch_that_was_not_finished_has_failed(bucket: Bucket) -> None:
    bucket.put_results("batches", *(first(n, output=progress(n, done=False)) for n in (0, 1, 2)), first(3))
    cause = json.dumps({"progress": None, "cause": json.dumps({"errorMessage": "told"})})
    bucket.put_results("remainder", finishing(0), finishing(1, "FAILED", Error="A", Cause=cause))
    # Of the third batch no record comes; the Map that would have finished it was not started.
    answer = plan(12, error={"name": "States.Runtime", "message": "ended"}, remainder=True)
    assert answer["collected"]["objects"] == {"read": 12, "written": 6, "skipped": 0, "rejected": 0, "failed": 6}
    errors = [(each["key"][:6], each["error"], each["message"]) for each in bucket.lines(RUN.failures_key)]
    assert sorted(set(errors)) == [("in/001", "A", "told"), ("in/002", "NotFinished", "")]


def test_objects_that_stand_nowhere_do_not_reconcile() -> None:
    outcomes = BatchOutcomes(RUN)
    assert list(outcomes.add_first([first(0)])) == []
    error = failure_reason(Collected.of(outcomes, 4), USUAL["planned"], None)
    assert error is not None
    assert (error.name, error.message) == (
        "CountsDoNotReconcileError",
        "4 objects were listed, 3 are in the result files",
    )


def test_rows_that_do_not_add_up_are_an_error(bucket: Bucket) -> None:
    bucket.put_results("batches", first(0, output=progress(0, rows=RowCounts(read=5, aggregated=4))))
    answer = plan(3)
    assert (answer["reduction"], answer["error"]["name"]) == (None, "CountsDoNotReconcileError")


def test_batch_whose_objects_do_not_add_up_is_an_error(bucket: Bucket) -> None:
    bucket.put_results("batches", first(0, output=progress(0, objects=Counts(read=3, written=1))))
    event = USUAL | {"error": None}
    with pytest.raises(CountsDoNotReconcileError, match="batch b000: 3 rows read, 1 accounted for"):
        import_module("plan_reduction.handler").lambda_handler(event, Context())


def test_rejected_rows_are_left_to_the_summary_and_do_not_stop_the_merge(bucket: Bucket) -> None:
    for batch in (0, 1):
        bucket.put(RUN.batch_reject_key(f"b{batch:03d}", 0), rejected(batch))
    bucket.put_results("batches", *(first(n, output=progress(n, rejected=3)) for n in (0, 1)))
    answer = plan(6, rejectsTolerated={"count": 3})
    assert (answer["error"], answer["collected"]["rejectsTolerated"]) == (None, {"count": 3})
    assert answer["reduction"] is not None


@pytest.mark.parametrize("report", [{}, {"onIncomplete": "report", "toleratedFailurePercentage": 100}])
def test_run_of_which_no_object_can_be_read_says_why(bucket: Bucket, report: Json) -> None:
    bucket.put(RUN.batch_unreadable_key("b000", 0), unreadable(0, 'in/0.csv has no column "x"; its columns are "y"'))
    bucket.put_results("batches", first(0, output=progress(0, unreadable=3)))
    answer = plan(3, **report)
    assert answer["error"]["name"] == "IncompleteResultError"
    why = 'unreadable: SourceMalformedError 1 (in/0.csv has no column "x"; its columns are "y")'
    assert why in answer["error"]["message"]


def test_column_that_no_row_has_is_an_error_that_names_those_that_rows_have(bucket: Bucket) -> None:
    columns = [ColumnsFound(frozenset({"x", "z"}), ("a", "b")), ColumnsFound(), ColumnsFound(frozenset({"x"}), ("z",))]
    bucket.put_results("batches", *(first(n, output=progress(n, columns=each)) for n, each in enumerate(columns)))
    answer = plan(9)
    assert answer["error"] == {
        "name": "ColumnNotFoundError",
        "message": 'none of the 90 rows has the column "x"; their columns are "a", "b", "z"',
    }
    assert answer["reduction"] is None


def test_column_that_some_row_has_may_be_missing_from_all_others(bucket: Bucket) -> None:
    columns = [ColumnsFound(frozenset({"x"}), ("a",)), ColumnsFound(frozenset({"z"}), ("x",))]
    bucket.put_results("batches", *(first(n, output=progress(n, columns=each)) for n, each in enumerate(columns)))
    assert plan(6)["error"] is None


def test_progress_of_an_earlier_version_lacks_no_column(bucket: Bucket) -> None:
    earlier = {name: each for name, each in progress(0).items() if name != "columns"}
    bucket.put_results("batches", first(0, output=earlier))
    assert plan(3)["error"] is None


@pytest.mark.parametrize("path", sorted((EVENTS / "plan_reduction").glob("*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(bucket: Bucket, path: Path) -> None:
    handler = import_module("plan_reduction.handler").lambda_handler
    event, error = fixture("plan_reduction", path.stem), expected_error(path)
    if error is None:
        answer = handler(event, Context())
        assert (answer["reduction"], answer["error"]) == (None, event["error"])
        return
    with pytest.raises(getattr(errors, error)):
        handler(event, Context())
