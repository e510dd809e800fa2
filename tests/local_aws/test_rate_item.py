"""A run's item in the table of budgets, as the functions write it to DynamoDB."""

from collections.abc import Callable
from math import inf
from typing import Any

import botocore.session
import pytest

from local_aws import LocalAws
from sluice.aws.wire import Wire
from sluice.run_item.budget import Budget, Kind
from sluice.run_item.budget_item import BudgetItem, create_item, heartbeat_wire

Client = Callable[[str], Any]
ALL = dict.fromkeys(Kind, inf)
NOW = 1_800_000_000.0


@pytest.fixture
def budget(client: Client, name: str) -> Budget:
    client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "run", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "run", "KeyType": "HASH"}],
    )
    return Budget(name, "table_transform/july", {Kind.READ: 250.5, Kind.WRITE: None}, 50)


@pytest.fixture
def item(local_aws: LocalAws, budget: Budget) -> BudgetItem:
    session = botocore.session.get_session()
    credentials = local_aws.credentials
    session.set_credentials(credentials.access_key_id, credentials.secret_access_key)
    wire = Wire.from_session(session, local_aws.region, local_aws.endpoint_url)
    return BudgetItem(heartbeat_wire(wire).call, budget)


def test_workers_come_beat_and_leave(client: Client, budget: Budget, item: BudgetItem) -> None:
    for _ in range(2):
        create_item(client("dynamodb"), budget, NOW)
    item.heartbeat(ALL, 1.0)
    item.heartbeat(ALL, 1.0)
    item.leave()
    tally = item.heartbeat({Kind.READ: 12.5, Kind.WRITE: inf}, -0.125)
    assert (tally.workers, tally.heartbeats, tally.limits) == (0.875, 3, {Kind.READ: 250.5, Kind.WRITE: None})
    assert tally.under_share == {Kind.READ: 1, Kind.WRITE: 0}
    assert tally.under_share_units == {Kind.READ: 12.5, Kind.WRITE: 0}


def test_item_that_is_gone_is_made_anew(client: Client, budget: Budget, item: BudgetItem) -> None:
    create_item(client("dynamodb"), budget, NOW)
    client("dynamodb").delete_item(TableName=budget.table, Key={"run": {"S": budget.key}})
    assert item.heartbeat(ALL, 1.0).limits == {Kind.READ: 250.5, Kind.WRITE: None}
    (found,) = client("dynamodb").scan(TableName=budget.table)["Items"]
    assert int(found["expiresAt"]["N"]) > NOW / 2
