"""A run's item in the table of runs, as the functions write it to DynamoDB."""

from collections.abc import Callable
from math import inf
from typing import Any

import botocore.session
import pytest

from local_aws import LocalAws
from sluice.aws.wire import Attempts, Wire
from sluice.errors import StoppedError
from sluice.run_item.item import RunItem
from sluice.run_item.item_requests import PlanFacts, Shard, create_item, heartbeat_wire, stop_run
from sluice.run_item.progress import WorkDone
from sluice.run_item.shares import UnitKind

Client = Callable[[str], Any]
ALL = dict.fromkeys(UnitKind, inf)
NOW = 1_800_000_000.0


FACTS = PlanFacts("table_transform", rows=12, parts=3)
ITEM = RunItem("table_transform/july", {UnitKind.READ: 250.5, UnitKind.WRITE: None}, 1200)


@pytest.fixture
def table(client: Client, name: str) -> str:
    client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "run", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "run", "KeyType": "HASH"}],
    )
    return name


@pytest.fixture
def shard(local_aws: LocalAws, table: str) -> Shard:
    session = botocore.session.get_session()
    credentials = local_aws.credentials
    session.set_credentials(credentials.access_key_id, credentials.secret_access_key)
    wire = Wire.from_session(session, local_aws.region, local_aws.endpoint_url)
    return Shard(heartbeat_wire(wire).call, table, ITEM, 2)


def items(client: Client, table: str) -> dict[str, Any]:
    return {each["run"]["S"]: each for each in client("dynamodb").scan(TableName=table)["Items"]}


def test_workers_come_work_and_leave(client: Client, table: str, shard: Shard) -> None:
    for _ in range(2):
        create_item(client("dynamodb"), table, ITEM, FACTS, NOW)
    shard.heartbeat(ALL, 1.0, WorkDone(read=10, written=9, rejected=1, write_units=9.5), Attempts())
    shard.heartbeat(ALL, 1.0, WorkDone(), Attempts())
    shard.leave(-1.0, WorkDone(read=-10))
    tally = shard.heartbeat({UnitKind.READ: 12.5, UnitKind.WRITE: inf}, -0.125, WorkDone(bytes=7), Attempts())
    assert (tally.workers, tally.heartbeats, tally.limits) == (0.875, 3, {UnitKind.READ: 250.5, UnitKind.WRITE: None})
    assert tally.under_share == {UnitKind.READ: 1, UnitKind.WRITE: 0}
    assert tally.under_share_units == {UnitKind.READ: 12.5, UnitKind.WRITE: 0}
    found = items(client, table)["table_transform/july#2"]
    counters = {name: float(found[name]["N"]) for name in ("rowsRead", "rowsWritten", "writeUnits", "bytes")}
    assert counters == {"rowsRead": 0, "rowsWritten": 9, "writeUnits": 9.5, "bytes": 7}


def test_shards_have_the_limits_and_the_first_one_the_plan(client: Client, table: str) -> None:
    create_item(client("dynamodb"), table, ITEM, FACTS, NOW)
    found = items(client, table)
    assert sorted(found) == ["table_transform/july", "table_transform/july#1", "table_transform/july#2"]
    assert {each["readUnitsPerSecond"]["N"] for each in found.values()} == {"250.5"}
    planned = {name: each for name, each in found["table_transform/july"].items() if name.startswith("planned")}
    assert planned == {"plannedRows": {"N": "12"}, "plannedParts": {"N": "3"}}


def test_stop_reaches_every_shard(client: Client, table: str, shard: Shard) -> None:
    create_item(client("dynamodb"), table, ITEM, FACTS, NOW)
    assert not shard.heartbeat({}, 1.0, WorkDone(), Attempts()).is_stopped
    assert stop_run(client("dynamodb"), table, ITEM.key, "the test", NOW)
    assert shard.heartbeat({}, 0.0, WorkDone(), Attempts()).is_stopped
    assert {each["stoppedBy"]["S"] for each in items(client, table).values()} == {"the test"}


def test_run_without_an_item_is_not_stopped(client: Client, table: str) -> None:
    assert not stop_run(client("dynamodb"), table, ITEM.key, "the test", NOW)
    assert items(client, table) == {}


def test_plan_of_a_stopped_run_stops_its_other_shards_and_ends(client: Client, table: str) -> None:
    create_item(client("dynamodb"), table, RunItem(ITEM.key, ITEM.limits, 1), FACTS, NOW)
    stop_run(client("dynamodb"), table, ITEM.key, "the test", NOW)
    with pytest.raises(StoppedError):
        create_item(client("dynamodb"), table, ITEM, FACTS, NOW)
    assert [("stoppedAt" in each) for each in items(client, table).values()] == [True] * 3


def test_item_that_no_longer_exists_is_created_again(client: Client, table: str, shard: Shard) -> None:
    tally = shard.heartbeat(ALL, 1.0, WorkDone(), Attempts())
    assert tally.limits == {UnitKind.READ: 250.5, UnitKind.WRITE: None}
    (found,) = items(client, table).values()
    assert int(found["expiresAt"]["N"]) > NOW / 2
