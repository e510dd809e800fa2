"""A run's item in the table of runs: the requests to DynamoDB, and what the responses mean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from sluice.aws.retry import RetryPolicy
from sluice.aws.wire import Attempts
from sluice.dynamodb.items import item_size
from sluice.errors import (
    AccessDeniedError,
    InvalidInputError,
    StoppedError,
    TableNotFoundError,
    UnexpectedResponseError,
)
from sluice.fields import Fields
from sluice.run_item.item import NO_LIMITS, RunItem
from sluice.run_item.item_requests import (
    HEARTBEAT_TIMEOUT_SECONDS,
    KEPT_SECONDS,
    PlanFacts,
    Shard,
    close_item,
    create_item,
    heartbeat_wire,
    stop_run,
)
from sluice.run_item.progress import WorkDone
from sluice.run_item.shares import Demand, UnitKind, WorkerTally, limits_in
from tests.unit.fake_dynamodb import wire_to
from tests.unit.run_items import TABLE, FakeRunTable, create_run_table

ITEM = RunItem("table_transform/july", {UnitKind.READ: 250.5, UnitKind.WRITE: None}, 50)
FACTS = PlanFacts("table_transform", rows=10**9, bytes=10**13, parts=10_000)
NOW = 1_800_000_000.0
ALL = dict.fromkeys(UnitKind, inf)


@pytest.fixture
def table() -> FakeRunTable:
    return FakeRunTable()


@pytest.fixture
def shard(table: FakeRunTable) -> Shard:
    return Shard(table.call, TABLE, ITEM, now=lambda: NOW)


def heartbeat(shard: Shard, demand: Demand = ALL, to_workers: float = 1.0, **done: Any) -> WorkerTally:
    return shard.heartbeat(demand, to_workers, WorkDone(**done), Attempts())


def test_heartbeats_of_all_workers_add_up(shard: Shard, table: FakeRunTable) -> None:
    heartbeat(shard, read=10, written=8, rejected=2, write_units=8.5)
    heartbeat(shard, read=5, written=5, read_units=0.5, bytes=99)
    tally = heartbeat(shard, {UnitKind.READ: 12.345, UnitKind.WRITE: inf}, -0.125)
    assert (tally.workers, tally.heartbeats) == (1.875, 3)
    assert tally.limits == {UnitKind.READ: 250.5, UnitKind.WRITE: None}
    assert tally.under_share == {UnitKind.READ: 1, UnitKind.WRITE: 0}
    assert tally.under_share_units == {UnitKind.READ: pytest.approx(12.345, abs=0.01), UnitKind.WRITE: 0}
    numbers = table.numbers(ITEM.key)
    assert [numbers[name] for name in ("rowsRead", "rowsWritten", "rowsRejected", "bytes")] == [15, 13, 2, 99]
    assert (float(numbers["readUnits"]), float(numbers["writeUnits"])) == (0.5, 8.5)


def test_who_leaves_is_counted_no_more(shard: Shard) -> None:
    heartbeat(shard)
    shard.leave(-1.0, WorkDone())
    assert heartbeat(shard).workers == 1


def test_heartbeat_is_one_small_update_of_the_run_s_item(shard: Shard, table: FakeRunTable) -> None:
    heartbeat(shard, read=1)
    (request,) = table.requests
    assert request["Key"] == {"run": {"S": "table_transform/july"}}
    assert request["ReturnValues"] == "ALL_NEW"
    assert len(json.dumps(request)) < 1400


def test_heartbeat_without_limits_and_work_adds_to_two_counters(table: FakeRunTable) -> None:
    heartbeat(Shard(table.call, TABLE, RunItem("k", NO_LIMITS, 1)), {})
    assert table.requests[0]["UpdateExpression"].endswith(" ADD #workers :workers, #heartbeats :heartbeats")


def test_limits_that_were_edited_stay(shard: Shard, table: FakeRunTable) -> None:
    heartbeat(shard)
    table.items[ITEM.key] |= {"readUnitsPerSecond": {"N": "10"}, "writeUnitsPerSecond": {"N": "20"}}
    assert heartbeat(shard, to_workers=0.0).limits == {UnitKind.READ: 10, UnitKind.WRITE: 20}


def test_missing_item_is_created_again_with_the_limits_of_the_input_and_an_end(
    shard: Shard, table: FakeRunTable
) -> None:
    heartbeat(shard)
    table.items.clear()
    assert heartbeat(shard, to_workers=0.0).limits == {UnitKind.READ: 250.5, UnitKind.WRITE: None}
    assert table.numbers(ITEM.key)["expiresAt"] == int(NOW) + KEPT_SECONDS


def test_stop_flag_is_in_the_answer(shard: Shard, table: FakeRunTable) -> None:
    assert not heartbeat(shard).is_stopped
    table.stop(ITEM.key)
    assert heartbeat(shard).is_stopped


def test_response_without_the_counters_is_unexpected() -> None:
    shard = Shard(lambda *_: {"Attributes": {"workers": {"N": "1"}}}, TABLE, ITEM)
    with pytest.raises(UnexpectedResponseError, match="table_transform/july of runs-table has no 'heartbeats'"):
        heartbeat(shard)


@pytest.fixture
def client() -> Iterator[Any]:
    with mock_aws():
        made = boto3.client("dynamodb")
        create_run_table()
        yield made


def stored(client: Any) -> dict[str, Any]:
    return {each["run"]["S"]: each for each in client.scan(TableName=TABLE)["Items"]}


def test_item_is_created_with_the_limits_of_the_input_and_the_plan(client: Any) -> None:
    create_item(client, TABLE, ITEM, FACTS, NOW)
    assert stored(client)[ITEM.key] == {
        "run": {"S": ITEM.key},
        "workflow": {"S": "table_transform"},
        "startedAt": {"N": "1800000000.000"},
        "expiresAt": {"N": str(int(NOW) + KEPT_SECONDS)},
        "shards": {"N": "1"},
        "readUnitsPerSecond": {"N": "250.5"},
        "workers": {"N": "0"},
        "plannedRows": {"N": "1000000000"},
        "plannedBytes": {"N": "10000000000000"},
        "plannedParts": {"N": "10000"},
    }


def test_item_that_is_there_keeps_its_limits_and_counters(client: Any) -> None:
    create_item(client, TABLE, ITEM, FACTS, NOW)
    create_item(client, TABLE, RunItem(ITEM.key, dict.fromkeys(UnitKind, 1.0), 50), PlanFacts("other"), NOW + 60)
    item = stored(client)[ITEM.key]
    assert (item["readUnitsPerSecond"], item["startedAt"]) == ({"N": "250.5"}, {"N": "1800000000.000"})


LARGEST = RunItem("object_aggregate/" + "n" * 80, {UnitKind.READ: 999_999_999.5, UnitKind.WRITE: 999_999_999.5}, 10_000)
LONG = 10**15 - 1


def test_no_shard_is_larger_than_one_kilobyte(client: Any) -> None:
    """The item of a run with everything in it that an item can have, each as long as it can be."""
    create_item(client, TABLE, LARGEST, replace(FACTS, workflow="object_aggregate"), NOW + 0.123)
    stop_run(client, TABLE, LARGEST.key, "EventBridge: TIMED_OUT", NOW + 0.123)
    counts = dict.fromkeys(("read", "written", "skipped", "rejected", "failed"), LONG)
    close_item(client, TABLE, LARGEST.key, status="COMPLETE", counts=counts, now=NOW + 0.123)
    done = WorkDone(LONG, LONG, LONG, LONG, LONG, LONG + 0.25, LONG + 0.25, LONG)
    calls = lambda _, body, __: client.update_item(**json.loads(body))  # noqa: E731
    Shard(calls, TABLE, LARGEST).heartbeat(dict.fromkeys(UnitKind, LONG + 0.25), 0.333333, done, Attempts())
    items = stored(client)
    assert len(items) == LARGEST.shards == 20
    assert max(map(item_size, items.values())) < 1024


def test_run_that_was_stopped_before_its_plan_ends(client: Any) -> None:
    create_item(client, TABLE, ITEM, FACTS, NOW)
    assert stop_run(client, TABLE, ITEM.key, "sluice stop", NOW)
    with pytest.raises(StoppedError):
        create_item(client, TABLE, ITEM, FACTS, NOW)


def test_first_to_stop_a_run_stays_named(client: Any) -> None:
    create_item(client, TABLE, LARGEST, FACTS, NOW)
    assert stop_run(client, TABLE, LARGEST.key, "sluice stop", NOW)
    assert stop_run(client, TABLE, LARGEST.key, "ABORTED", NOW + 9)
    items = stored(client).values()
    assert {(each["stoppedBy"]["S"], each["stoppedAt"]["N"]) for each in items} == {("sluice stop", "1800000000.000")}


def test_run_without_an_item_is_not_stopped_nor_closed(client: Any) -> None:
    assert not stop_run(client, TABLE, "nobody/s", "sluice stop", NOW)
    with pytest.raises(UnexpectedResponseError, match="nobody/s of table runs-table"):
        close_item(client, TABLE, "nobody/s", status="COMPLETE", counts={}, now=NOW)
    assert stored(client) == {}


@pytest.mark.parametrize(
    ("code", "error"),
    [("ResourceNotFoundException", TableNotFoundError), ("AccessDeniedException", AccessDeniedError)],
)
def test_table_that_cannot_be_used_has_a_name(code: str, error: type[Exception]) -> None:
    client = boto3.client("dynamodb")
    with Stubber(client) as stub:
        stub.add_client_error("update_item", code, http_status_code=400)
        with pytest.raises(error, match="runs-table"):
            create_item(client, TABLE, ITEM, FACTS, NOW)


def test_heartbeats_go_where_the_wire_goes_are_sent_once_and_wait_for_less() -> None:
    wire = wire_to("http://127.0.0.1:9", RetryPolicy())
    heartbeats = heartbeat_wire(wire)
    assert heartbeats.target.signer is wire.target.signer
    assert heartbeats.target.endpoint.url == wire.target.endpoint.url
    assert heartbeats.target.endpoint.read_timeout_seconds == HEARTBEAT_TIMEOUT_SECONDS
    assert heartbeats.retries.attempts == 1


def test_item_travels_in_state() -> None:
    state = ITEM.to_state()
    assert state == {"readUnitsPerSecond": 250.5, "writeUnitsPerSecond": None, "workers": 50}
    assert RunItem.from_plan(ITEM.key, {"runItem": json.loads(json.dumps(state))}) == ITEM


def test_plan_of_an_earlier_version_has_limits_where_the_run_has_some() -> None:
    budget = {"table": "old", "key": ITEM.key, **ITEM.to_state()}
    assert RunItem.from_plan(ITEM.key, {"budget": budget}) == ITEM
    assert RunItem.from_plan(ITEM.key, {"budget": None}) == RunItem(ITEM.key, NO_LIMITS, 1)
    assert RunItem.from_plan(ITEM.key, {}) == RunItem(ITEM.key, NO_LIMITS, 1)


@pytest.mark.parametrize(("workers", "shards"), [(1, 1), (500, 1), (501, 2), (1000, 2), (10_000, 20)])
def test_shard_has_no_more_workers_than_it_takes_heartbeats(workers: int, shards: int) -> None:
    item = RunItem("k", NO_LIMITS, workers)
    assert item.shards == shards
    assert [item.shard_key(number) for number in (0, 1)] == ["k", "k#1"]


@pytest.mark.parametrize(("workers", "seconds"), [(1, 1.0), (640, 1.0), (1000, 1.5625), (10_000, 15.625)])
def test_more_workers_share_a_limit_less_often(workers: int, seconds: float) -> None:
    assert RunItem("k", ITEM.limits, workers).period_seconds == seconds
    assert RunItem("k", NO_LIMITS, workers).period_seconds == 2.0


def test_limits_are_read_from_the_input() -> None:
    names = ("maxReadUnitsPerSecond", "maxWriteUnitsPerSecond")
    assert limits_in(Fields({"maxWriteUnitsPerSecond": 500}, names)) == {UnitKind.READ: None, UnitKind.WRITE: 500}
    with pytest.raises(InvalidInputError, match=r"^maxReadUnitsPerSecond: must be from 1"):
        limits_in(Fields({"maxReadUnitsPerSecond": 0.5}, names))
