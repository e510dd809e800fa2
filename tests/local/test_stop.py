"""Runs that are stopped while they write: nothing is written later, the counts are those of the table, and a run that
continues them ends as one that was never stopped.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from local_aws import clock
from sluice_cli.exit_code import ExitCode
from tests.local.deployed import RUN_SECONDS, Deployed, Ended
from tests.local.test_csv_load import as_items, by_id, load, rows_of
from tests.local.test_rates import MAPPING, run_item, sluice, until

ITEMS = 3 * RUN_SECONDS
# Longer than a worker takes to see the flag, and to send what it has begun.
LATE_SECONDS = 5
SLOW = {"maxWriteUnitsPerSecond": 20, "segments": 8, "maxConcurrency": 4}


@pytest.fixture
def table(stack: Deployed) -> str:
    """A table with point-in-time recovery whose items take a unit to change."""
    name = stack.new_table("id")
    stack.dynamodb.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    stack.put_items(name, [{"id": {"S": f"{number:04}"}} for number in range(ITEMS)])
    return name


def begin(stack: Deployed, workflow: str, document: dict[str, Any]) -> tuple[str, str]:
    """Start a run, and wait until it has written something; returns its execution's ARN and its name."""
    arn = stack.start(workflow, document)
    name = arn.rpartition(":")[2]
    until(lambda: run_item(stack, f"{workflow}/{name}").get("rowsWritten", 0) > 0)
    return arn, name


def seen(stack: Deployed, table: str) -> int:
    return sum("state" in item for item in stack.items(table))


def written_after_stop(count: Callable[[], int]) -> int:
    """How many more there are after a while."""
    before = count()
    time.sleep(LATE_SECONDS)
    return count() - before


def check_stopped(ended: Ended) -> None:
    assert (ended.status, ended.error, ended.summary["status"]) == ("FAILED", "StoppedError", "STOPPED"), ended
    assert ended.counts[3:] == (0, 0)


def test_stopped_transform_counts_what_it_wrote_and_is_resumed_to_the_whole(stack: Deployed, table: str) -> None:
    arn, name = begin(stack, "table_transform", {"table": table, **MAPPING, **SLOW})
    _, said = sluice(stack, "stop", name)
    assert f"sluice resume {name} --local" in said
    ended = stack.wait(arn)
    check_stopped(ended)
    assert written_after_stop(lambda: seen(stack, table)) == 0
    assert ended.counts[1] == seen(stack, table)
    assert 0 < ended.counts[1] < ITEMS
    item = run_item(stack, f"table_transform/{name}")
    assert (item["rowsWritten"], item["workers"]) == (ended.counts[1], 0)
    shown, _ = sluice(stack, "watch", name, "--json", expected=ExitCode.FAILED)
    assert json.loads(shown)["status"] == "STOPPED"
    resumed = json.loads(sluice(stack, "resume", name, "--json")[0])
    total = resumed["resumed"]["total"]["counts"]
    assert (total["read"], total["written"], seen(stack, table)) == (ITEMS, ITEMS, ITEMS)


def test_workers_of_an_execution_that_is_stopped_in_the_console_end(stack: Deployed, table: str) -> None:
    arn, name = begin(stack, "table_transform", {"table": table, **MAPPING, **SLOW})
    stack.stepfunctions.stop_execution(executionArn=arn)
    assert stack.wait(arn).status == "ABORTED"
    until(lambda: run_item(stack, f"table_transform/{name}").get("workers") == 0)
    assert written_after_stop(lambda: seen(stack, table)) == 0
    assert 0 < seen(stack, table) < ITEMS
    key = {"run": {"S": f"table_transform/{name}"}}
    item = stack.dynamodb.get_item(TableName=stack.outputs["RunTable"], Key=key)["Item"]
    assert item["stoppedBy"] == {"S": "ABORTED"}


@contextmanager
def time_limit(stack: Deployed, workflow: str, seconds: int) -> Iterator[None]:
    """Executions that are started within have so long."""
    arn = stack.machine_arn(workflow)
    before = stack.stepfunctions.describe_state_machine(stateMachineArn=arn)["definition"]
    limited = json.dumps({**json.loads(before), "TimeoutSeconds": seconds})
    stack.stepfunctions.update_state_machine(stateMachineArn=arn, definition=limited)
    try:
        yield
    finally:
        stack.stepfunctions.update_state_machine(stateMachineArn=arn, definition=before)


def test_workers_of_an_execution_that_times_out_end(stack: Deployed, table: str) -> None:
    with time_limit(stack, "table_transform", 10):
        arn = stack.start("table_transform", {"table": table, **MAPPING, **SLOW})
    name = arn.rpartition(":")[2]
    assert stack.wait(arn).status == "TIMED_OUT"
    until(lambda: run_item(stack, f"table_transform/{name}").get("workers") == 0)
    assert written_after_stop(lambda: seen(stack, table)) == 0
    assert 0 < seen(stack, table) < ITEMS


def test_stopped_export_process_is_resumed_to_the_whole(stack: Deployed, table: str) -> None:
    copy = stack.new_table("id")
    clock.advance(stack.aws, 1800)
    export = stack.run("table_export", {"table": table, "pollSeconds": 1}).summary["exports"][-1]["exportArn"]
    document = {"export": export, "sink": {"table": copy}, "maxWriteUnitsPerSecond": 20}
    arn, name = begin(stack, "export_process", document)
    sluice(stack, "stop", name)
    ended = stack.wait(arn)
    check_stopped(ended)
    assert written_after_stop(lambda: len(stack.items(copy))) == 0
    assert 0 < ended.counts[1] == len(stack.items(copy)) < ITEMS
    resumed = json.loads(sluice(stack, "resume", name, "--json")[0])
    assert resumed["counts"]["written"] == ITEMS - ended.counts[1]
    assert resumed["resumed"]["total"]["counts"]["written"] == ITEMS == len(stack.items(copy))


def test_run_that_is_stopped_in_the_middle_of_its_mirror_is_resumed_to_the_whole(stack: Deployed, table: str) -> None:
    """The copy has items that the source lacks; the run is stopped after it has deleted some of them."""
    copy, kept = stack.new_table("id"), 10
    clock.advance(stack.aws, 1800)
    sink = {"table": copy, "guard": "newerOnly"}
    export = stack.run("table_export", {"table": table, "pollSeconds": 1}).summary["exports"][-1]["exportArn"]
    assert stack.run("export_process", {"export": export, "sink": sink}).status == "SUCCEEDED"
    for number in range(kept, ITEMS):
        stack.dynamodb.delete_item(TableName=table, Key={"id": {"S": f"{number:04}"}})
    clock.advance(stack.aws, 40 * 24 * 3600)
    export = stack.run("table_export", {"table": table, "pollSeconds": 1}).summary["exports"][-1]["exportArn"]

    def deleted() -> int:
        return sum("TombstoneExpiresAt" in item for item in stack.items(copy))

    arn = stack.start("export_process", {"export": export, "sink": sink, "mirror": True, "maxWriteUnitsPerSecond": 20})
    name = arn.rpartition(":")[2]
    until(lambda: deleted() > 0)
    sluice(stack, "stop", name)
    ended = stack.wait(arn)
    check_stopped(ended)
    assert written_after_stop(deleted) == 0
    assert ended.counts[:2] == (kept, kept)
    assert ended.summary["mirror"]["deleted"] <= deleted() < ITEMS - kept, "only pages that are done are counted"
    resumed = json.loads(sluice(stack, "resume", name, "--json")[0])
    mirror = resumed["mirror"]
    assert (mirror["status"], mirror["live"], mirror["deleted"]) == ("COMPLETE", kept, ITEMS - kept)
    assert sorted(item["id"]["S"] for item in stack.items(copy) if "TombstoneExpiresAt" not in item) == [
        f"{number:04}" for number in range(kept)
    ]


ROWS = 60_000
TEXT = "id,text\n" + "".join(f'{i},"row {i}, quoted"\n' for i in range(ROWS))


def test_stopped_load_is_resumed_to_the_whole(stack: Deployed) -> None:
    table, document = load(stack, TEXT, rangeSize=256_000, maxConcurrency=1, onConflict="reject")
    arn, name = begin(stack, "csv_load", document)
    sluice(stack, "stop", name)
    ended = stack.wait(arn)
    check_stopped(ended)
    assert 0 < ended.counts[1] == len(stack.items(table)) < ROWS
    resumed = json.loads(sluice(stack, "resume", name, "--json")[0])
    assert resumed["counts"]["rejected"] == 0
    assert resumed["resumed"]["total"]["counts"]["written"] == ROWS
    assert by_id(stack.items(table)) == by_id(as_items(rows_of(TEXT)))
    again = json.loads(sluice(stack, "resume", name, "--json")[0])
    assert (again["status"], again["counts"]["rejected"]) == ("COMPLETE", 0)


def test_stopped_load_of_many_objects_is_resumed_to_the_whole(stack: Deployed) -> None:
    table, prefix = stack.new_table(), f"input/{uuid4().hex}/"
    for number in range(20):
        text = "id,text\n" + "".join(f"{number}-{row},row\n" for row in range(ROWS // 20))
        stack.s3.put_object(Bucket=stack.bucket, Key=f"{prefix}{number:02}.csv", Body=text.encode())
    source = {"bucket": stack.bucket, "prefix": prefix}
    document = {"source": source, "table": table, "keys": ["id"], "rangeSize": 100_000, "maxConcurrency": 1}
    arn, name = begin(stack, "csv_load", document | {"onConflict": "reject"})
    sluice(stack, "stop", name)
    ended = stack.wait(arn)
    check_stopped(ended)
    assert 0 < ended.counts[1] == len(stack.items(table)) < ROWS
    resumed = json.loads(sluice(stack, "resume", name, "--json")[0])
    assert resumed["counts"]["rejected"] == 0
    assert resumed["resumed"]["total"]["counts"]["written"] == ROWS == len(stack.items(table))
    lines = [json.loads(line) for run in (name, resumed["execution"]) for line in files_of(stack, run)]
    written = Counter[str]()
    for line in lines:
        written[line["key"]] += line["written"]
    assert written == {f"{prefix}{number:02}.csv": ROWS // 20 for number in range(20)}


def files_of(stack: Deployed, run: str) -> list[bytes]:
    """The lines of a run's list of objects."""
    return stack.object(f"csv_load/{run}/files.jsonl").splitlines()


def test_aborted_load_is_continued_after_what_its_slices_have_reported(stack: Deployed) -> None:
    table, document = load(stack, TEXT, rangeSize=256_000, maxConcurrency=2, onConflict="keep")
    arn, name = begin(stack, "csv_load", document)
    sluice(stack, "stop", name, "--now")
    assert stack.wait(arn).status == "ABORTED"
    resumed = json.loads(sluice(stack, "resume", name, "--json")[0])
    total = resumed["resumed"]["total"]["counts"]
    assert (total["read"], total["written"], total["skipped"]) == (ROWS, ROWS, 0)
    assert by_id(stack.items(table)) == by_id(as_items(rows_of(TEXT)))


def test_source_that_has_changed_is_not_continued(stack: Deployed) -> None:
    _, document = load(stack, TEXT, rangeSize=256_000, maxConcurrency=1)
    arn, name = begin(stack, "csv_load", document)
    sluice(stack, "stop", name)
    check_stopped(stack.wait(arn))
    stack.s3.put_object(Bucket=stack.bucket, Key=document["source"]["key"], Body=TEXT.encode() + b"x,y\n")
    ended = stack.run("csv_load", {**document, "resume": {"run": name}})
    assert (ended.status, ended.error) == ("FAILED", "SourceChangedError")
    assert f"has changed since {name} planned its ranges" in (ended.cause or "")
