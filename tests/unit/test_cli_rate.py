"""`sluice rate`: what it leaves in the run's item, and what the run's workers read there."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from sluice.run_item.item import RunItem
from sluice.run_item.item_requests import PlanFacts, create_item
from sluice.run_item.shares import UnitKind
from sluice.runs.paths import Run
from sluice_cli.exit_code import ExitCode
from sluice_cli.rate import limit_lines
from sluice_cli.run_item import RunItem as ShownItem
from tests.statemachine.definitions import resources
from tests.unit.cli_aws import EXECUTION, OUTPUTS, StubbedAws, Terminal, stubbed_aws

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = 1_800_000_000.0
# Of the run that the stubs know.
RUN = Run("csv_load", "july", EXECUTION)


def run_table() -> dict[str, Any]:
    """CreateTable's parameters, as the template has them."""
    properties = resources()["RunTable"]["Properties"]
    names = ("AttributeDefinitions", "KeySchema", "BillingMode")
    return {"TableName": "runs", **{name: properties[name] for name in names}}


@dataclass
class Rated:
    """A deployed stack whose runs' items are in moto."""

    root: Path
    stubbed: StubbedAws
    dynamodb: "DynamoDBClient"

    def start(self, reads: float | None = None, writes: float | None = 100, workers: int = 12) -> None:
        """What planning the run leaves."""
        item = RunItem(RUN.item_key, {UnitKind.READ: reads, UnitKind.WRITE: writes}, workers)
        create_item(self.dynamodb, "runs", item, PlanFacts("csv_load"), NOW)

    def sluice(self, *arguments: str, executions: tuple[str, ...] = ("RUNNING",)) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        self.stubbed.expect_stack(OUTPUTS | {"RunTable": "runs"})
        for status in executions:
            self.stubbed.expect_execution(status)
        aws = replace(self.stubbed.aws, dynamodb=self.dynamodb)
        terminal = Terminal(self.root, lambda _target: aws)
        return terminal.sluice("rate", "july", *arguments), terminal.stdout.getvalue(), terminal.stderr.getvalue()

    def items(self) -> list[dict[str, Any]]:
        return list(self.dynamodb.scan(TableName="runs")["Items"])


@pytest.fixture
def rated(tmp_path: Path) -> Iterator[Rated]:
    with mock_aws(), stubbed_aws() as stubbed:
        dynamodb = boto3.Session(region_name="eu-west-1").client("dynamodb")
        dynamodb.create_table(**run_table())
        yield Rated(tmp_path, stubbed, dynamodb)


def test_limit_is_changed_and_the_run_s_limits_are_printed(rated: Rated) -> None:
    rated.start()
    code, out, err = rated.sluice("--write-units", "500", executions=("RUNNING", "RUNNING"))
    assert code == ExitCode.SUCCEEDED
    assert out.splitlines() == ["reads    no limit", "writes   500 units per second", "workers  0"]
    assert err.splitlines() == ["the workers of csv_load july keep to it within seconds"]
    (item,) = rated.items()
    assert item["writeUnitsPerSecond"] == {"N": "500"}
    assert "readUnitsPerSecond" not in item


def test_both_limits_are_changed_also_one_that_the_input_did_not_have(rated: Rated) -> None:
    rated.start()
    arguments = ("--read-units", "20000", "--write-units", "1")
    _code, out, _err = rated.sluice(*arguments, executions=("RUNNING", "RUNNING"))
    assert out.splitlines()[:2] == ["reads    20,000 units per second", "writes   1 units per second"]


def test_without_new_limits_those_that_hold_are_printed_also_after_the_end(rated: Rated) -> None:
    rated.start(reads=1500.5)
    code, out, err = rated.sluice(executions=("SUCCEEDED",))
    assert (code, err) == (ExitCode.SUCCEEDED, "")
    assert out.splitlines() == ["reads    1,500.5 units per second", "writes   100 units per second", "workers  0"]


@pytest.mark.parametrize("arguments", [(), ("--write-units", "500")])
def test_run_without_limits_gets_none(rated: Rated, arguments: tuple[str, ...]) -> None:
    code, out, err = rated.sluice(*arguments, executions=("RUNNING",) * (1 + bool(arguments)))
    assert (code, out) == (ExitCode.BAD_INPUT, "")
    assert "csv_load july has no limits: it was started without maxReadUnitsPerSecond" in err
    assert rated.items() == []


def test_run_that_has_ended_keeps_its_limits(rated: Rated) -> None:
    rated.start()
    code, _out, err = rated.sluice("--write-units", "500", executions=("FAILED", "FAILED"))
    assert (code, err) == (ExitCode.BAD_INPUT, "sluice: csv_load july has ended: FAILED\n")
    assert rated.items()[0]["writeUnitsPerSecond"] == {"N": "100"}


def test_other_refusals_of_dynamodb_are_reported(rated: Rated) -> None:
    rated.dynamodb.delete_table(TableName="runs")
    code, _out, err = rated.sluice("--write-units", "500", executions=("RUNNING", "RUNNING"))
    assert code == ExitCode.FAILED
    assert "ResourceNotFoundException" in err


def test_stack_without_limits_is_too_old(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack()
        terminal = Terminal(tmp_path, lambda _target: stubbed.aws)
        assert terminal.sluice("rate", "july") == ExitCode.NOT_DEPLOYED
    assert "has no output RunTable: what is deployed is older than this command" in terminal.stderr.getvalue()


@pytest.mark.parametrize("units", ["0", "-1", "1.5", "many", "1000000001", ""])
def test_units_that_are_no_limit_are_bad_input(tmp_path: Path, units: str) -> None:
    with stubbed_aws() as stubbed, pytest.raises(SystemExit) as ended:
        Terminal(tmp_path, lambda _target: stubbed.aws).sluice("rate", "july", "--read-units", units)
    assert ended.value.code == ExitCode.BAD_INPUT


@pytest.mark.parametrize(("workers", "shown"), [("11.6", "12"), ("1234", "1,234"), ("-1", "0")])
def test_workers_are_whole(workers: str, shown: str) -> None:
    assert limit_lines(ShownItem("csv_load", {"workers": float(workers)}))[-1] == f"workers  {shown}"
