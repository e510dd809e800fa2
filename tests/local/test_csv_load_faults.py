"""csv_load when things go wrong midway: nothing is lost, nothing is counted wrong."""

from __future__ import annotations

import json
import time

import pytest

from local_aws import faults
from tests.local.deployed import Deployed
from tests.local.test_csv_load import as_items, by_id, load, rows_of

pytestmark = pytest.mark.usefixtures("no_faults_left")

ROWS = 3000
TEXT = "id,text\n" + "".join(f'{i},"row {i}, quoted"\n' for i in range(ROWS))
WHOLE = by_id(as_items(rows_of(TEXT)))


@pytest.mark.parametrize("error", ["ThrottlingException", "InternalServerError"])
def test_failing_requests_are_sent_again(stack: Deployed, error: str) -> None:
    table, document = load(stack, TEXT)
    faults.fail_requests(stack.aws, "BatchWriteItem", times=12, error=error)
    assert stack.run("csv_load", document).counts == (ROWS, ROWS, 0, 0, 0)
    assert by_id(stack.items(table)) == WHOLE


def test_unprocessed_items_are_sent_again(stack: Deployed) -> None:
    table, document = load(stack, TEXT)
    faults.leave_unprocessed(stack.aws, times=40, items=20)
    assert stack.run("csv_load", document).counts == (ROWS, ROWS, 0, 0, 0)
    assert by_id(stack.items(table)) == WHOLE


@pytest.mark.parametrize("on_conflict", ["replace", "keep", "reject"])
def test_killed_worker_changes_nothing(stack: Deployed, on_conflict: str) -> None:
    table, document = load(stack, TEXT, onConflict=on_conflict)
    faults.kill_worker(stack.aws, stack.outputs["TransformItemsFunctionName"], after_seconds=0.3)
    ended = stack.run("csv_load", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (ROWS, ROWS, 0, 0, 0))
    assert by_id(stack.items(table)) == WHOLE


def test_run_stopped_midway_and_started_again_ends_the_same(stack: Deployed) -> None:
    table, document = load(stack, TEXT, rangeSize=4096, maxConcurrency=1)
    arn = stack.start("csv_load", document)
    while not stack.dynamodb.scan(TableName=table, Limit=1)["Items"]:
        time.sleep(0.02)
    stack.stepfunctions.stop_execution(executionArn=arn)
    assert stack.wait(arn).status == "ABORTED"
    assert 0 < len(stack.items(table)) < ROWS
    assert stack.run("csv_load", document).counts == (ROWS, ROWS, 0, 0, 0)
    assert by_id(stack.items(table)) == WHOLE


def test_source_that_changes_during_the_run_fails_it_by_name(stack: Deployed) -> None:
    _, document = load(stack, TEXT, rangeSize=1024, maxConcurrency=1)
    arn = stack.start("csv_load", document)
    plan = f"csv_load/{arn.rpartition(':')[2]}/plan.jsonl"
    while not stack.s3.list_objects_v2(Bucket=stack.bucket, Prefix=plan).get("Contents"):
        time.sleep(0.01)
    stack.s3.put_object(
        Bucket=stack.bucket, Key=document["source"]["key"], Body=TEXT.replace("quoted", "QUOTED").encode()
    )
    ended = stack.wait(arn)
    assert (ended.status, ended.error) == ("FAILED", "SourceChangedError")
    assert document["source"]["key"] in (ended.cause or "")
    read, written, skipped, rejected, failed = ended.counts
    assert (read, skipped, rejected) == (ROWS, 0, 0)
    assert written + failed == ROWS
    assert failed > 0


def test_failed_range_is_named_and_its_rows_are_counted(stack: Deployed) -> None:
    table, document = load(stack, TEXT, rangeSize=8192, maxConcurrency=1, toleratedFailureCount=1)
    faults.fail_requests(stack.aws, "BatchWriteItem", times=1, error="AccessDeniedException")
    ended = stack.run("csv_load", document)
    read, written, _, _, failed = ended.counts
    assert (ended.status, ended.summary["status"], read) == ("SUCCEEDED", "PARTIAL", ROWS)
    assert written + failed == ROWS
    (failure,) = [json.loads(line) for line in stack.object(ended.summary["failures"]["key"]).splitlines()]
    assert (failure["error"], failure["status"], failure["range"]["rows"]) == (
        "AccessDeniedError",
        "FAILED",
        failed,
    )
    assert len(stack.items(table)) >= written


def test_failed_range_fails_the_run_that_tolerates_none(stack: Deployed) -> None:
    _, document = load(stack, TEXT, rangeSize=8192, maxConcurrency=1)
    faults.fail_requests(stack.aws, "BatchWriteItem", times=1, error="AccessDeniedException")
    ended = stack.run("csv_load", document)
    assert (ended.status, ended.error, ended.summary["status"]) == ("FAILED", "AccessDeniedError", "FAILED")
    assert sum(ended.counts[1:]) == ended.counts[0] == ROWS
    assert ended.summary["failures"]["batches"] >= 1


def test_slices_add_up_when_time_is_short(stack: Deployed) -> None:
    """A function whose time is almost the reserve does a little per call, and continues where it was."""
    functions = stack.client("lambda")
    name = stack.outputs["TransformItemsFunctionName"]
    text = TEXT + "".join(f"{i},\n,x\n" for i in range(ROWS, 2 * ROWS))
    table, document = load(stack, text)
    functions.update_function_configuration(FunctionName=name, Timeout=60)
    try:
        ended = stack.run("csv_load", document)
    finally:
        functions.update_function_configuration(FunctionName=name, Timeout=900)
    assert ended.counts == (3 * ROWS, 2 * ROWS, 0, ROWS, 0)
    assert [each["row"] for each in stack.rejects(ended)] == list(range(ROWS + 2, 3 * ROWS + 1, 2))
    assert len(stack.items(table)) == 2 * ROWS
