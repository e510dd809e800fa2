"""table_transform on the deployed stack: what would change is what changes, once, and nobody's write is lost."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from local_aws import faults
from tests.local.deployed import Deployed
from tests.local.step_events import invoke, step_event

pytestmark = pytest.mark.usefixtures("no_faults_left")

ITEMS = 400
Item = dict[str, Any]


@pytest.fixture
def table(stack: Deployed) -> str:
    """A table of items that airports_geohash changes, but for one in ten that have no position."""
    name = stack.new_table("icao")
    stack.dynamodb.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    stack.put_items(name, [airport(number) for number in range(ITEMS)])
    return name


def airport(number: int) -> Item:
    item: Item = {"icao": {"S": f"X{number:03}"}, "name": {"S": f"Airport {number} é"}, "runways": {"NS": ["1", "2"]}}
    if number % 10:
        position = {"latitude": {"N": str(number / 10)}, "longitude": {"N": str(-number / 5)}}
        item["position"] = {"M": position}
    return item


CHANGED = sum(1 for number in range(ITEMS) if number % 10)


def document(table: str, **fields: Any) -> dict[str, Any]:
    return {"table": table, "transform": "airports_geohash", "segments": 4, **fields}


def by_key(stack: Deployed, table: str) -> dict[str, Item]:
    return {item["icao"]["S"]: item for item in stack.items(table)}


def test_dry_run_says_what_would_change_and_changes_nothing(stack: Deployed, table: str) -> None:
    before = by_key(stack, table)
    ended = stack.run("table_transform", document(table))
    assert (ended.status, ended.counts) == ("SUCCEEDED", (ITEMS, 0, ITEMS, 0, 0))
    changes = ended.summary["changes"]
    assert (changes["changed"], changes["unchanged"], changes["deleted"]) == (CHANGED, ITEMS - CHANGED, 0)
    assert ended.summary["plannedWriteUnits"] == CHANGED
    assert by_key(stack, table) == before
    sample = [json.loads(line) for line in stack.object(ended.summary["sample"]["key"]).splitlines()]
    assert sample
    assert all("geohash" in each["after"] and "geohash" not in each["before"] for each in sample)


def test_apply_changes_what_the_dry_run_said_and_the_second_time_nothing(stack: Deployed, table: str) -> None:
    before = by_key(stack, table)
    first = stack.run("table_transform", document(table, mode="apply", verify={"sample": 50}))
    assert (first.status, first.counts) == ("SUCCEEDED", (ITEMS, CHANGED, ITEMS - CHANGED, 0, 0))
    verified = first.summary["verified"]
    assert (verified["sampled"], verified["differences"]) == (50, 0)
    after = by_key(stack, table)
    assert {key: {name: item[name] for name in before[key]} for key, item in after.items()} == before
    assert sum("geohash" in item for item in after.values()) == CHANGED
    second = stack.run("table_transform", document(table, mode="apply"))
    assert (second.counts, second.summary["changes"]["changed"]) == ((ITEMS, 0, ITEMS, 0, 0), 0)


def test_filter_lets_through_what_it_says(stack: Deployed, table: str) -> None:
    where = {"expression": "icao < :key", "values": {":key": {"S": "X100"}}}
    ended = stack.run("table_transform", document(table, mode="apply", where=where))
    assert ended.counts == (100, 90, 10, 0, 0)
    assert sum("geohash" in item for item in stack.items(table)) == 90


def test_items_go_into_another_table(stack: Deployed, table: str) -> None:
    target = stack.new_table("icao")
    ended = stack.run("table_transform", document(table, mode="apply", target=target))
    assert ended.counts == (ITEMS, CHANGED, ITEMS - CHANGED, 0, 0)
    assert len(stack.items(target)) == CHANGED
    assert not any("geohash" in item for item in stack.items(table))


def test_items_of_the_target_are_kept(stack: Deployed, table: str) -> None:
    target = stack.new_table("icao")
    kept: Item = {"icao": {"S": "X001"}, "name": {"S": "kept"}}
    stack.dynamodb.put_item(TableName=target, Item=kept)
    ended = stack.run("table_transform", document(table, mode="apply", target=target, onConflict="keep"))
    assert ended.counts == (ITEMS, CHANGED - 1, ITEMS - CHANGED + 1, 0, 0)
    assert by_key(stack, target)["X001"] == kept


def test_items_that_differ_from_the_transform_are_reported(stack: Deployed, table: str) -> None:
    """The run's own step, called again after somebody has changed an item."""
    arn = stack.start(
        "table_transform", document(table, mode="apply", verify={"sample": ITEMS}, maxReadUnitsPerSecond=10_000)
    )
    assert stack.wait(arn).summary["verified"]["differences"] == 0
    wrong = by_key(stack, table)["X001"] | {"geohash": {"S": "wrong"}}
    stack.dynamodb.put_item(TableName=table, Item=wrong)
    verified = invoke(stack, "VerifySample", step_event(stack, "VerifySample", arn))
    assert verified["differences"] == 1, verified


def test_failed_segment_is_named(stack: Deployed, table: str) -> None:
    faults.fail_requests(stack.aws, "UpdateItem", times=1, error="AccessDeniedException")
    ended = stack.run("table_transform", document(table, mode="apply"))
    assert (ended.status, ended.error, ended.summary["status"]) == ("FAILED", "AccessDeniedError", "FAILED"), ended


def test_failed_segment_is_tolerated_by_count(stack: Deployed, table: str) -> None:
    faults.fail_requests(stack.aws, "Scan", times=1, error="AccessDeniedException")
    ended = stack.run("table_transform", document(table, mode="apply", maxConcurrency=1, toleratedFailureCount=1))
    assert (ended.status, ended.summary["status"]) == ("SUCCEEDED", "PARTIAL"), ended
    assert ended.summary["failures"]["batches"] == 1


def test_moved_items_are_in_one_table_only(stack: Deployed, table: str) -> None:
    target = stack.new_table("icao")
    ended = stack.run("table_transform", document(table, mode="apply", target=target, deleteSource=True))
    assert ended.counts == (ITEMS, CHANGED, ITEMS - CHANGED, 0, 0)
    left, moved = by_key(stack, table), by_key(stack, target)
    assert (len(left), len(moved)) == (ITEMS - CHANGED, CHANGED)
    assert not set(left) & set(moved)


def test_killed_workers_and_throttles_change_nothing(stack: Deployed, table: str) -> None:
    faults.kill_worker(stack.aws, stack.outputs["TransformSegmentFunctionName"], after_seconds=0.2)
    faults.fail_requests(stack.aws, "UpdateItem", times=20)
    faults.fail_requests(stack.aws, "Scan", times=3)
    ended = stack.run("table_transform", document(table, mode="apply"))
    assert (ended.status, ended.cause) == ("SUCCEEDED", None)
    assert ended.counts[0] == ITEMS
    assert sum("geohash" in item for item in stack.items(table)) == CHANGED


def test_stopped_run_is_resumed_and_the_counts_are_those_of_the_table(stack: Deployed, table: str) -> None:
    given = document(table, mode="apply", segments=40, maxConcurrency=1)
    arn = stack.start("table_transform", given)
    cursors = f"table_transform/{arn.rpartition(':')[2]}/cursors/"
    deadline = time.monotonic() + 60
    while stack.s3.list_objects_v2(Bucket=stack.bucket, Prefix=cursors)["KeyCount"] < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    stack.stepfunctions.stop_execution(executionArn=arn)
    assert stack.wait(arn).status == "ABORTED"
    ended = stack.run("table_transform", {**given, "resume": {"run": arn.rpartition(":")[2]}})
    assert ended.status == "SUCCEEDED"
    assert ended.counts[0] < ITEMS
    total = ended.summary["resumed"]["total"]["counts"]
    assert (total["read"], total["written"] + total["skipped"]) == (ITEMS, ITEMS)
    assert sum("geohash" in item for item in stack.items(table)) == CHANGED


def test_limits_are_kept_for_the_run(stack: Deployed, table: str) -> None:
    ended = stack.run("table_transform", document(table, mode="apply", maxWriteUnitsPerSecond=200))
    assert ended.counts == (ITEMS, CHANGED, ITEMS - CHANGED, 0, 0)
    key = {"run": {"S": f"table_transform/{ended.name}"}}
    item = stack.dynamodb.get_item(TableName=stack.outputs["RunTable"], Key=key)["Item"]
    assert item["writeUnitsPerSecond"] == {"N": "200"}
    counted = {name: float(item[name]["N"]) for name in ("rowsRead", "rowsWritten", "rowsSkipped", "writeUnits")}
    units = ended.summary["capacity"]["writeUnits"]
    assert counted == {
        "rowsRead": ITEMS,
        "rowsWritten": CHANGED,
        "rowsSkipped": ITEMS - CHANGED,
        "writeUnits": units,
    }
    assert (item["status"], float(item["workers"]["N"])) == ({"S": "COMPLETE"}, 0)


@pytest.mark.parametrize(
    ("fields", "error", "named"),
    [
        ({"transform": None}, "InvalidInputError", "transform"),
        ({"transform": "no_such"}, "InvalidInputError", "transform"),
        ({"table": "there-is-none"}, "TableNotFoundError", "there-is-none"),
        ({"mode": "go"}, "InvalidInputError", "mode"),
        ({"where": {"expression": "icao ="}}, "InvalidInputError", "where"),
        ({"deleteSource": True}, "InvalidInputError", "deleteSource"),
        ({"resume": {"run": "no-such-run"}}, "InvalidInputError", "resume"),
        ({"modes": 1}, "InvalidInputError", "modes"),
    ],
)
def test_bad_input_is_named(stack: Deployed, table: str, fields: dict[str, Any], error: str, named: str) -> None:
    given = {name: value for name, value in {**document(table), **fields}.items() if value is not None}
    ended = stack.run("table_transform", given)
    assert (ended.status, ended.error) == ("FAILED", error)
    assert named in (ended.cause or "")


def test_table_without_backup_is_not_changed_unless_that_is_said(stack: Deployed) -> None:
    table = stack.new_table("icao")
    stack.dynamodb.put_item(TableName=table, Item=airport(1))
    refused = stack.run("table_transform", document(table, mode="apply"))
    assert (refused.status, refused.error) == ("FAILED", "PointInTimeRecoveryError")
    assert "withoutBackup" in (refused.cause or "")
    ended = stack.run("table_transform", document(table, mode="apply", withoutBackup=True))
    assert ended.counts == (1, 1, 0, 0, 0)
