"""table_transform on the deployed stack: transforms that are not idempotent, killed workers, stopped runs and undos."""

from __future__ import annotations

import time
from typing import Any

import pytest

from local_aws import faults
from tests.local.deployed import Deployed

pytestmark = pytest.mark.usefixtures("no_faults_left")

ITEMS = 400
Item = dict[str, Any]
PREFIX: Any = {"mapping": {"price": "EUR {price}"}, "mode": "apply", "withoutBackup": True}


@pytest.fixture
def prices(stack: Deployed) -> str:
    """A table of items with a price of 1."""
    name = stack.new_table("id")
    stack.put_items(name, [{"id": {"S": f"p{number:04}"}, "price": {"S": "1"}} for number in range(ITEMS)])
    return name


def prices_in(stack: Deployed, table: str) -> list[str]:
    return sorted(item["price"]["S"] for item in stack.items(table))


def kill_a_worker(stack: Deployed, after_seconds: float) -> None:
    faults.kill_worker(stack.aws, stack.outputs["TransformSegmentFunctionName"], after_seconds=after_seconds)


@pytest.mark.parametrize("after_seconds", [0.4, 0.8])
def test_prefix_is_put_once_when_a_worker_is_killed(stack: Deployed, prices: str, after_seconds: float) -> None:
    kill_a_worker(stack, after_seconds)
    ended = stack.run("table_transform", {"table": prices, **PREFIX, "segments": 1, "maxWriteUnitsPerSecond": 300})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (ITEMS, ITEMS, 0, 0, 0))
    assert set(prices_in(stack, prices)) == {"EUR 1"}


def test_counts_are_the_truth_when_a_worker_is_killed(stack: Deployed) -> None:
    table = stack.new_table("icao")
    position = {"M": {"latitude": {"N": "48.1"}, "longitude": {"N": "11.5"}}}
    items: list[Item] = [
        {"icao": {"S": f"X{number:03}"}} | ({"position": position} if number % 10 else {}) for number in range(ITEMS)
    ]
    stack.put_items(table, items)
    kill_a_worker(stack, 0.35)
    document = {"table": table, "transform": "airports_geohash", "mode": "apply", "withoutBackup": True, "segments": 1}
    changes = stack.run("table_transform", document).summary["changes"]
    assert (changes["changed"], changes["unchanged"], changes["conflicts"]) == (360, 40, 0)


def test_moves_are_counted_once_when_a_worker_is_killed(stack: Deployed, prices: str) -> None:
    target = stack.new_table("id")
    kill_a_worker(stack, 0.35)
    moved = {"mapping": {"id": "{id}", "price": "EUR {price}"}, "target": target, "deleteSource": True}
    ended = stack.run("table_transform", {"table": prices, **PREFIX, **moved, "segments": 1})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (ITEMS, ITEMS, 0, 0, 0))
    assert (prices_in(stack, prices), set(prices_in(stack, target))) == ([], {"EUR 1"})
    assert len(stack.items(target)) == ITEMS


def test_stopped_run_is_resumed_without_changing_anything_twice(stack: Deployed, prices: str) -> None:
    """Workers of the stopped run continue for a while beside those of the one that resumes it."""
    document = {"table": prices, **PREFIX, "segments": 2, "maxWriteUnitsPerSecond": 100}
    arn = stack.start("table_transform", document)
    deadline = time.monotonic() + 60
    while prices_in(stack, prices).count("EUR 1") < 20:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    stack.stepfunctions.stop_execution(executionArn=arn)
    assert stack.wait(arn).status == "ABORTED"
    name = arn.rpartition(":")[2]
    ended = stack.run("table_transform", {**document, "maxWriteUnitsPerSecond": 2000, "resume": {"run": name}})
    assert ended.status == "SUCCEEDED"
    total = ended.summary["resumed"]["total"]["counts"]
    assert (total["read"], total["written"], total["rejected"]) == (ITEMS, ITEMS, 0)
    assert set(prices_in(stack, prices)) == {"EUR 1"}
    # Only one run can continue another.
    again = stack.run("table_transform", {**document, "resume": {"run": name}})
    assert (again.error, ended.name in (again.cause or "")) == ("InvalidInputError", True)
    nothing = stack.run("table_transform", {**document, "resume": {"run": ended.name}})
    assert (nothing.status, nothing.counts) == ("SUCCEEDED", (0, 0, 0, 0, 0))
    assert nothing.summary["resumed"]["total"]["counts"]["written"] == ITEMS


def test_undo_restores_what_nobody_changed_and_can_be_undone(stack: Deployed, prices: str) -> None:
    applied = stack.run("table_transform", {"table": prices, **PREFIX, "segments": 2})
    key = {"id": {"S": "p0007"}}
    stack.dynamodb.put_item(TableName=prices, Item=key | {"price": {"S": "theirs"}})
    shown = stack.run("table_transform", {"undo": {"run": applied.name}})
    assert (shown.summary["mode"], shown.summary["changes"]["changed"]) == ("dryRun", ITEMS - 1)
    assert shown.summary["rejects"]["reasons"] == {"ChangedSince": 1}
    assert prices_in(stack, prices).count("EUR 1") == ITEMS - 1
    kill_a_worker(stack, 0.3)
    undone = stack.run("table_transform", {"undo": {"run": applied.name}, "mode": "apply"})
    # The item that somebody changed since is a reject, and rejects fail a run that does not tolerate them.
    assert (undone.status, undone.counts) == ("FAILED", (ITEMS, ITEMS - 1, 0, 1, 0))
    assert undone.summary["error"]["name"] == "TooManyRejectsError"
    assert prices_in(stack, prices) == ["1"] * (ITEMS - 1) + ["theirs"]


def test_undo_of_an_undo_and_of_a_move(stack: Deployed, prices: str) -> None:
    target = stack.new_table("id")
    moved = {"mapping": {"id": "{id}", "price": "EUR {price}"}, "target": target, "deleteSource": True}
    applied = stack.run("table_transform", {"table": prices, **PREFIX, **moved})
    back = stack.run("table_transform", {"undo": {"run": applied.name}, "mode": "apply"})
    assert back.counts == (ITEMS, ITEMS, 0, 0, 0)
    assert (prices_in(stack, prices), stack.items(target)) == (["1"] * ITEMS, [])
    again = stack.run("table_transform", {"undo": {"run": back.name}, "mode": "apply"})
    assert again.counts == (ITEMS, ITEMS, 0, 0, 0)
    assert (stack.items(prices), prices_in(stack, target)) == ([], ["EUR 1"] * ITEMS)


@pytest.mark.parametrize("mode", ["dryRun", "apply"])
def test_item_too_wide_for_its_condition_is_rejected_and_stays(stack: Deployed, mode: str) -> None:
    table, target = stack.new_table("id"), stack.new_table("id")
    wide = {"id": {"S": "wide"}} | {f"a{number}": {"N": "1"} for number in range(310)}
    stack.put_items(table, [wide, {"id": {"S": "narrow"}}])
    moved = {"mapping": {"id": "{id}"}, "target": target, "deleteSource": True, "mode": mode, "withoutBackup": True}
    ended = stack.run("table_transform", {"table": table, **moved})
    assert ended.summary["changes"]["changed"] == 1
    assert ended.summary["rejects"]["reasons"] == {"ItemTooWide": 1}
    assert [item["id"]["S"] for item in stack.items(target)] == (["narrow"] if mode == "apply" else [])
    assert wide in stack.items(table)


@pytest.mark.parametrize("mode", ["dryRun", "apply"])
def test_value_that_an_index_cannot_take_is_foreseen(stack: Deployed, mode: str) -> None:
    table = stack.new_table("id")
    stack.dynamodb.update_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("id", "city")],
        GlobalSecondaryIndexUpdates=[
            {
                "Create": {
                    "IndexName": "by-city",
                    "KeySchema": [{"AttributeName": "city", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            }
        ],
    )
    stack.put_items(table, [{"id": {"S": "a"}, "n": {"N": "1"}}])
    changed = {"mapping": {"city": {"N": "{n}"}}, "mode": mode, "withoutBackup": True}
    ended = stack.run("table_transform", {"table": table, **changed})
    assert ended.summary["rejects"]["reasons"] == {"KeyTypeMismatch": 1}


@pytest.mark.parametrize("mode", ["dryRun", "apply"])
def test_attribute_that_no_item_has_fails_the_run(stack: Deployed, prices: str, mode: str) -> None:
    mapping = {"cost": {"N": "{prize}", "omitEmpty": True}}
    ended = stack.run("table_transform", {"table": prices, "mapping": mapping, "mode": mode, "withoutBackup": True})
    assert (ended.status, ended.error) == ("FAILED", "ColumnNotFoundError"), ended
    assert f'none of the {ITEMS} items has the column "prize"; their columns are "' in str(ended.cause)
    assert set(prices_in(stack, prices)) == {"1"}
