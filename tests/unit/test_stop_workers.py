"""StopWorkers: EventBridge's event about an execution that has ended sets the stop flag of its run."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice.run_item.item import NO_LIMITS, RunItem
from sluice.run_item.item_requests import PlanFacts, create_item
from sluice.runs.paths import run_of_execution
from tests.fixtures import fixture
from tests.statemachine.definitions import NAMES
from tests.statemachine.test_template import of_type
from tests.unit.lambda_context import Context
from tests.unit.run_items import TABLE, create_run_table

USUAL = fixture("stop_workers", "usual")


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        create_run_table()
        yield boto3.client("dynamodb")


def handle(event: Any) -> Any:
    return import_module("stop_workers.handler").lambda_handler(event, Context())


def test_fixture_stops_every_shard_of_its_run(dynamodb: Any) -> None:
    create_item(dynamodb, TABLE, RunItem("csv_load/stopped-fixture", NO_LIMITS, 600), PlanFacts("csv_load"), 1e9)
    assert handle(USUAL) == {"stopped": True}
    items = dynamodb.scan(TableName=TABLE)["Items"]
    assert {each["run"]["S"]: each["stoppedBy"]["S"] for each in items} == {
        "csv_load/stopped-fixture": "ABORTED",
        "csv_load/stopped-fixture#1": "ABORTED",
    }


def test_run_without_an_item_has_no_workers(dynamodb: Any) -> None:
    assert handle(USUAL) == {"stopped": False}
    assert dynamodb.scan(TableName=TABLE)["Count"] == 0


def test_run_is_known_by_its_execution_whatever_the_stack_is_called() -> None:
    arn = "arn:aws:states:us-east-1:000000000000:execution:a-b-table_transform-1a2b3c4d:july-1"
    run = run_of_execution(arn)
    assert (run.workflow, run.name, run.item_key) == ("table_transform", "july-1", "table_transform/july-1")


def test_rule_is_about_the_machines_with_workers_and_not_about_their_children() -> None:
    (rule,) = of_type("AWS::Events::Rule").values()
    machines = {each["Ref"] for each in rule["EventPattern"]["detail"]["stateMachineArn"]}
    named = {"".join(part.capitalize() for part in name.split("_")) + "StateMachine" for name in NAMES}
    assert machines == named - {"TableExportStateMachine"}
    assert set(rule["EventPattern"]["detail"]["status"]) == {"ABORTED", "FAILED", "TIMED_OUT"}
