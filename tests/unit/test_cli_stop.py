"""`sluice stop` from the command line to the exit code: the run's item is in moto, all else is stubbed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice.run_item.item import NO_LIMITS, RunItem
from sluice.run_item.item_requests import PlanFacts, create_item
from sluice_cli.exit_code import ExitCode
from tests.unit.cli_aws import STARTED, STATES, StubbedAws, Terminal, stubbed_aws
from tests.unit.run_items import TABLE, create_run_table

STACK = {
    "DataBucket": "data",
    "RunTable": TABLE,
    "DistinctKeysStateMachineArn": f"{STATES}:stateMachine:DistinctKeys",
    "CsvLoadStateMachineArn": f"{STATES}:stateMachine:CsvLoad",
    "ObjectAggregateStateMachineArn": f"{STATES}:stateMachine:ObjectAggregate",
    "TableExportStateMachineArn": f"{STATES}:stateMachine:TableExport",
}
ABORT = {"error": "StoppedError", "cause": "sluice stop"}


@dataclass
class Stack:
    root: Path
    stubbed: StubbedAws
    dynamodb: Any

    def stop(
        self, workflow: str, *options: str, status: str = "RUNNING", document: str = "{}", aborts: bool = False
    ) -> list[str]:
        """What the command says of the run july of the workflow."""
        arn = f"{STATES}:execution:{workflow}:july"
        self.stubbed.expect_stack(STACK)
        for _ in range(2):
            self.stubbed.expect_execution(status, arn, input=document)
        if aborts:
            self.stubbed.stepfunctions.add_response(
                "stop_execution", {"stopDate": STARTED}, {"executionArn": arn, **ABORT}
            )
        terminal = Terminal(self.root, lambda _target: replace(self.stubbed.aws, dynamodb=self.dynamodb))
        assert terminal.sluice("stop", arn, *options) == ExitCode.SUCCEEDED
        return terminal.stderr.getvalue().splitlines()

    def items(self) -> dict[str, dict[str, Any]]:
        return {each["run"]["S"]: each for each in self.dynamodb.scan(TableName=TABLE)["Items"]}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with mock_aws(), stubbed_aws() as stubbed:
        create_run_table()
        yield Stack(tmp_path, stubbed, boto3.client("dynamodb"))


def plan(stack: Stack, workflow: str, workers: int) -> None:
    create_item(stack.dynamodb, TABLE, RunItem(f"{workflow}/july", NO_LIMITS, workers), PlanFacts(workflow), 1e9)


def test_stop_sets_the_flag_in_every_shard_and_leaves_the_execution_to_end(stack: Stack) -> None:
    plan(stack, "csv_load", 1_200)
    assert stack.stop("CsvLoad") == [
        "csv_load july is stopping: its workers finish what they have begun within seconds; what it has written stays",
        "to see it end: sluice watch july",
        "to continue it later: sluice resume july",
    ]
    items = stack.items()
    assert sorted(items) == ["csv_load/july", "csv_load/july#1", "csv_load/july#2"]
    assert {each["stoppedBy"]["S"] for each in items.values()} == {"sluice stop"}


def test_stop_now_stops_the_execution_as_well(stack: Stack) -> None:
    plan(stack, "object_aggregate", 1)
    assert stack.stop("ObjectAggregate", "--now", aborts=True) == [
        "object_aggregate july stopped; what it has written stays"
    ]
    assert "stoppedAt" in stack.items()["object_aggregate/july"]


def test_run_that_is_still_planned_gets_an_item_with_the_flag_and_an_end(stack: Stack) -> None:
    stack.stop("CsvLoad")
    (item,) = stack.items().values()
    assert item.keys() == {"run", "stoppedAt", "stoppedBy", "expiresAt"}


def test_run_without_workers_is_stopped_at_once(stack: Stack) -> None:
    assert stack.stop("TableExport", aborts=True) == ["table_export july stopped; what it has written stays"]
    assert stack.items() == {}


@pytest.mark.parametrize(("processor", "aborts"), [('"measure"', False), ('{"function": "mine"}', True)])
def test_run_that_calls_functions_of_others_is_stopped_at_once(stack: Stack, processor: str, aborts: bool) -> None:
    said = stack.stop("DistinctKeys", document=f'{{"processor": {processor}}}', aborts=aborts)
    assert ("is stopping" in said[0]) != aborts
    assert "stoppedAt" in stack.items()["distinct_keys/july"]


def test_run_that_has_ended_is_left_alone(stack: Stack) -> None:
    assert stack.stop("CsvLoad", status="SUCCEEDED") == ["csv_load july had ended already"]
    assert stack.items() == {}
