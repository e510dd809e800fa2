"""`sluice rate`, `sluice stop` and `sluice resume` as they are typed, on real runs that a limit slows down.

Every run here would take longer than tests wait for it, unless its limit were raised.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from local_aws import clock
from sluice_cli.exit_code import ExitCode
from tests.local.commands import new_terminal
from tests.local.deployed import RUN_SECONDS, Deployed

# At a unit per second.
ITEMS = 2 * RUN_SECONDS
SEGMENTS = 40
MAPPING = {"mapping": {"state": "seen"}, "mode": "apply"}
# An item with it takes a unit to read.
WIDE_TEXT = "x" * 8180


@pytest.fixture
def table(stack: Deployed) -> str:
    """A table with point-in-time recovery whose items take a unit to change, and half of one to read."""
    name = stack.new_table("id")
    stack.dynamodb.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    stack.put_items(name, [{"id": {"S": f"{number:04}"}} for number in range(ITEMS)])
    return name


@pytest.fixture
def wide_table(stack: Deployed) -> str:
    """A table whose items take a unit to read."""
    name = stack.new_table("id")
    stack.put_items(name, [{"id": {"S": f"{number:04}"}, "text": {"S": WIDE_TEXT}} for number in range(ITEMS)])
    return name


def sluice(stack: Deployed, *arguments: str, expected: int = ExitCode.SUCCEEDED, stdin: Any = None) -> tuple[str, str]:
    """Run a command on the stack; returns what it has printed and said."""
    terminal = new_terminal(stack.surroundings.root, stdin)
    assert terminal.sluice(*arguments, "--local") == expected, terminal.stderr.getvalue()
    return terminal.stdout.getvalue(), terminal.stderr.getvalue()


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + RUN_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def run_item(stack: Deployed, run: str) -> dict[str, float]:
    """The run's item; empty as long as there is none."""
    item = stack.dynamodb.get_item(TableName=stack.outputs["RunTable"], Key={"run": {"S": run}}).get("Item", {})
    return {name: float(value["N"]) for name, value in item.items() if "N" in value}


def start(stack: Deployed, workflow: str, document: dict[str, Any]) -> str:
    """Start a run, and wait until its workers share the limit; returns its name."""
    name = stack.start(workflow, document).rpartition(":")[2]
    until(lambda: run_item(stack, f"{workflow}/{name}").get("heartbeats", 0) > 2)
    return name


def test_transform_continues_at_the_rate_that_it_is_given(stack: Deployed, table: str) -> None:
    document = {"table": table, **MAPPING, "segments": 3, "maxWriteUnitsPerSecond": 1}
    name = start(stack, "table_transform", document)
    shown, _ = sluice(stack, "rate", name)
    assert shown.splitlines() == ["reads    no limit", "writes   1 units per second", "workers  1"]
    shown, said = sluice(stack, "rate", name, "--write-units", "5000")
    assert "writes   5,000 units per second" in shown
    assert f"the workers of table_transform {name} keep to it within seconds" in said
    summary = json.loads(sluice(stack, "watch", name, "--json")[0])
    assert (summary["counts"]["written"], summary["capacity"]["writeUnits"]) == (ITEMS, ITEMS)
    _, said = sluice(stack, "rate", name, "--write-units", "5", expected=ExitCode.BAD_INPUT)
    assert "has ended: SUCCEEDED" in said


@pytest.mark.parametrize("processor", ["none", "measure"])
def test_scan_for_keys_continues_at_the_rate_that_it_is_given(stack: Deployed, wide_table: str, processor: str) -> None:
    document = {"table": wide_table, "segments": 3, "processor": processor, "maxReadUnitsPerSecond": 1}
    name = start(stack, "distinct_keys", document)
    shown, _ = sluice(stack, "rate", name, "--read-units", "20000")
    assert shown.splitlines()[:2] == ["reads    20,000 units per second", "writes   no limit"]
    summary = json.loads(sluice(stack, "watch", name, "--json")[0])
    assert summary["counts"]["read"] == ITEMS
    assert summary["capacity"]["readUnits"] > RUN_SECONDS * (2 if processor == "measure" else 1)


def test_export_is_written_at_the_rate_that_it_is_given(stack: Deployed, table: str) -> None:
    copy = stack.new_table("id")
    clock.advance(stack.aws, 1800)
    exported = stack.run("table_export", {"table": table, "pollSeconds": 1})
    arn = exported.summary["exports"][-1]["exportArn"]
    name = start(stack, "export_process", {"export": arn, "sink": {"table": copy}, "maxWriteUnitsPerSecond": 1})
    sluice(stack, "rate", name, "--write-units", "5000")
    summary = json.loads(sluice(stack, "watch", name, "--json")[0])
    assert (summary["counts"]["written"], summary["capacity"]["writeUnits"]) == (ITEMS, ITEMS)
    assert len(stack.items(copy)) == ITEMS


def put_rows(stack: Deployed) -> dict[str, Any]:
    """A source of csv_load with ITEMS rows."""
    return stack.put("id,v\n" + "".join(f"{number:04},x\n" for number in range(ITEMS)), ".csv")


@pytest.mark.parametrize("settings", [{}, {"onConflict": "keep"}, {"write": "update"}, {"write": "delete"}])
def test_load_continues_at_the_rate_that_it_is_given(stack: Deployed, table: str, settings: dict[str, Any]) -> None:
    target = stack.new_table("id") if "onConflict" in settings else table
    document = {"source": put_rows(stack), "table": target, "keys": ["id"], **settings, "maxWriteUnitsPerSecond": 1}
    name = start(stack, "csv_load", document)
    sluice(stack, "rate", name, "--write-units", "5000")
    summary = json.loads(sluice(stack, "watch", name, "--json")[0])
    assert (summary["counts"]["written"], summary["capacity"]["writeUnits"]) == (ITEMS, ITEMS)
    assert len(stack.items(target)) == (0 if settings.get("write") == "delete" else ITEMS)


def test_resumed_load_makes_the_same_uuids(stack: Deployed) -> None:
    target = stack.new_table("id")
    mapping = {"id": "{$uuid}", "name": "{id}"}
    document = {"source": put_rows(stack), "table": target, "mapping": mapping, "maxWriteUnitsPerSecond": 20}
    name = stack.start("csv_load", document).rpartition(":")[2]
    until(lambda: len(stack.items(target)) > 5)
    sluice(stack, "stop", name, "--now")
    assert 0 < len(stack.items(target)) < ITEMS
    resumed = json.loads(sluice(stack, "resume", name, "--json")[0])
    assert resumed["resumed"]["total"]["counts"]["written"] == ITEMS
    names = [item["name"]["S"] for item in stack.items(target)]
    assert sorted(names) == [f"{number:04}" for number in range(ITEMS)]


def test_stopped_transform_is_resumed_where_it_was(stack: Deployed, table: str) -> None:
    document = {"table": table, **MAPPING, "segments": SEGMENTS, "maxWriteUnitsPerSecond": 20}
    name = stack.start("table_transform", document).rpartition(":")[2]
    cursors = f"table_transform/{name}/cursors/"
    until(lambda: stack.s3.list_objects_v2(Bucket=stack.bucket, Prefix=cursors)["KeyCount"] > 2)
    _, said = sluice(stack, "stop", name, "--now")
    assert f"sluice resume {name} --local" in said
    written = sum("state" in item for item in stack.items(table))
    assert 0 < written < ITEMS
    resumed = json.loads(sluice(stack, "resume", name, "--json")[0])
    assert resumed["counts"]["read"] < ITEMS
    total = resumed["resumed"]["total"]["counts"]
    assert (total["read"], total["written"] + total["skipped"]) == (ITEMS, ITEMS)
    assert all(item["state"] == {"S": "seen"} for item in stack.items(table))
    _, said = sluice(stack, "resume", resumed["execution"], expected=ExitCode.BAD_INPUT)
    assert "is complete; there is nothing to resume" in said
