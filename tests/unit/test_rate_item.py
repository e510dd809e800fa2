"""A run's item in the table of budgets: what is asked of DynamoDB, and what the answers mean."""

from __future__ import annotations

import json
from decimal import Decimal
from math import inf
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from sluice.aws.retry import RetryPolicy
from sluice.errors import AccessDeniedError, InvalidInputError, TableNotFoundError, UnexpectedResponseError
from sluice.fields import Fields
from sluice.run_item.budget import Budget, Kind, limits_in
from sluice.run_item.budget_item import (
    BEAT_RETRIES,
    BEAT_TIMEOUT_SECONDS,
    KEPT_SECONDS,
    BudgetItem,
    create_item,
    heartbeat_wire,
)
from sluice.runs.paths import Run
from tests.unit.fake_dynamodb import wire_to

RUN = Run("table_transform", "july", "arn:aws:states:eu-west-1:111122223333:execution:TableTransform:july")
BUDGET = Budget("run-budgets", "table_transform/july", {Kind.READ: 250.5, Kind.WRITE: None}, 50)
NOW = 1_800_000_000.0
ALL = dict.fromkeys(Kind, inf)
Numbers = dict[str, Decimal]


class OneItem:
    """UpdateItem on one item: SET if_not_exists, then ADD, of numbers."""

    def __init__(self) -> None:
        self.numbers: Numbers = {}
        self.requests: list[dict[str, Any]] = []

    def call(self, operation: str, body: bytes) -> dict[str, Any]:
        assert operation == "UpdateItem"
        request = json.loads(body)
        self.requests.append(request)
        names = request["ExpressionAttributeNames"]
        values = {key: Decimal(value["N"]) for key, value in request["ExpressionAttributeValues"].items()}
        sets, _, adds = request["UpdateExpression"].removeprefix("SET ").partition(" ADD ")
        for clause in sets.split(", #"):
            name, value = clause.removeprefix("#").split(" = ")
            assert value.startswith(f"if_not_exists(#{name}, :")
            self.numbers.setdefault(names[f"#{name}"], values[f":{name}"])
        for clause in adds.split(", "):
            name, value = clause.split()
            self.numbers[names[name]] = self.numbers.get(names[name], Decimal(0)) + values[value]
        return {"Attributes": {"run": request["Key"]["run"]} | {n: {"N": str(v)} for n, v in self.numbers.items()}}


@pytest.fixture
def stored() -> OneItem:
    return OneItem()


@pytest.fixture
def item(stored: OneItem) -> BudgetItem:
    return BudgetItem(stored.call, BUDGET, lambda: NOW)


def test_beats_of_all_workers_add_up(item: BudgetItem) -> None:
    item.heartbeat(ALL, 1.0)
    item.heartbeat(ALL, 1.0)
    tally = item.heartbeat({Kind.READ: 12.345, Kind.WRITE: inf}, -0.125)
    assert (tally.workers, tally.heartbeats) == (1.875, 3)
    assert tally.limits == {Kind.READ: 250.5, Kind.WRITE: None}
    assert tally.under_share == {Kind.READ: 1, Kind.WRITE: 0}
    assert tally.under_share_units == {Kind.READ: pytest.approx(12.345, abs=0.01), Kind.WRITE: 0}


def test_who_leaves_is_counted_no_more(item: BudgetItem) -> None:
    item.heartbeat(ALL, 1.0)
    item.leave()
    assert item.heartbeat(ALL, 1.0).workers == 1


def test_beat_is_one_small_update_of_the_run_s_item(item: BudgetItem, stored: OneItem) -> None:
    item.heartbeat(ALL, 1.0)
    (request,) = stored.requests
    assert (request["TableName"], request["Key"]) == ("run-budgets", {"run": {"S": "table_transform/july"}})
    assert request["ReturnValues"] == "ALL_NEW"
    assert len(json.dumps(request)) < 1200


def test_limits_that_were_edited_stay(item: BudgetItem, stored: OneItem) -> None:
    item.heartbeat(ALL, 1.0)
    stored.numbers |= {"readUnitsPerSecond": Decimal(10), "writeUnitsPerSecond": Decimal(20)}
    assert item.heartbeat(ALL, 0.0).limits == {Kind.READ: 10, Kind.WRITE: 20}


def test_item_that_is_gone_comes_back_with_the_input_s_limits_and_an_end(item: BudgetItem, stored: OneItem) -> None:
    item.heartbeat(ALL, 1.0)
    stored.numbers.clear()
    assert item.heartbeat(ALL, 0.0).limits == {Kind.READ: 250.5, Kind.WRITE: None}
    assert stored.numbers["expiresAt"] == int(NOW) + KEPT_SECONDS


def test_answer_without_the_counters_is_no_answer() -> None:
    item = BudgetItem(lambda _operation, _body: {"Attributes": {"workers": {"N": "1"}}}, BUDGET)
    with pytest.raises(UnexpectedResponseError, match="table_transform/july of run-budgets has no 'beats'"):
        item.heartbeat(ALL, 1.0)


def test_item_is_made_with_the_limits_of_the_input() -> None:
    client = boto3.client("dynamodb")
    with Stubber(client) as stub:
        stub.add_response(
            "update_item",
            {},
            {
                "TableName": "run-budgets",
                "Key": {"run": {"S": "table_transform/july"}},
                "UpdateExpression": "SET #expiresAt = if_not_exists(#expiresAt, :expiresAt), "
                "#readUnitsPerSecond = if_not_exists(#readUnitsPerSecond, :readUnitsPerSecond) ADD #workers :workers",
                "ExpressionAttributeNames": {
                    "#expiresAt": "expiresAt",
                    "#readUnitsPerSecond": "readUnitsPerSecond",
                    "#workers": "workers",
                },
                "ExpressionAttributeValues": {
                    ":expiresAt": {"N": str(int(NOW) + KEPT_SECONDS)},
                    ":readUnitsPerSecond": {"N": "250.5"},
                    ":workers": {"N": "0"},
                },
                "ReturnValues": "ALL_NEW",
            },
        )
        create_item(client, BUDGET, NOW)
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "error"),
    [("ResourceNotFoundException", TableNotFoundError), ("AccessDeniedException", AccessDeniedError)],
)
def test_table_that_cannot_be_used_has_a_name(code: str, error: type[Exception]) -> None:
    client = boto3.client("dynamodb")
    with Stubber(client) as stub:
        stub.add_client_error("update_item", code, http_status_code=400)
        with pytest.raises(error, match="run-budgets"):
            create_item(client, BUDGET, NOW)


def test_beats_go_where_the_wire_goes_and_wait_for_less() -> None:
    wire = wire_to("http://127.0.0.1:9", RetryPolicy())
    heartbeats = heartbeat_wire(wire)
    assert heartbeats.target.signer is wire.target.signer
    assert heartbeats.target.endpoint.url == wire.target.endpoint.url
    assert heartbeats.target.endpoint.read_timeout_seconds == BEAT_TIMEOUT_SECONDS
    assert heartbeats.retries is BEAT_RETRIES


def test_budget_travels_in_state() -> None:
    state = BUDGET.to_state()
    assert state == {
        "table": "run-budgets",
        "key": "table_transform/july",
        "readUnitsPerSecond": 250.5,
        "writeUnitsPerSecond": None,
        "workers": 50,
    }
    assert Budget.from_state(json.loads(json.dumps(state))) == BUDGET


def test_run_has_a_budget_when_it_has_a_limit() -> None:
    assert Budget.for_run("run-budgets", RUN.item_key, BUDGET.limits, 50) == BUDGET
    assert Budget.for_run("run-budgets", RUN.item_key, dict.fromkeys(Kind), 50) is None


@pytest.mark.parametrize(("workers", "seconds"), [(1, 1.0), (640, 1.0), (1000, 1.5625), (10_000, 15.625)])
def test_more_workers_beat_less_often(workers: int, seconds: float) -> None:
    assert Budget("t", "k", BUDGET.limits, workers).period_seconds == seconds


def test_limits_are_read_from_the_input() -> None:
    names = ("maxReadUnitsPerSecond", "maxWriteUnitsPerSecond")
    assert limits_in(Fields({"maxWriteUnitsPerSecond": 500}, names)) == {Kind.READ: None, Kind.WRITE: 500}
    with pytest.raises(InvalidInputError, match=r"^maxReadUnitsPerSecond: must be from 1"):
        limits_in(Fields({"maxReadUnitsPerSecond": 0.5}, names))
