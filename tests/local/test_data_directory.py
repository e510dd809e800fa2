"""A deployed stack that outlives its local AWS: what it loaded, its runs and its functions are there afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws import is_running
from sluice_cli import local
from sluice_cli.sandbox import sandbox
from tests.local.deployed import Deployed
from tests.saved_snapshots import kill, wait_until_saved

ROWS = "id,text\n" + "".join(f"{number},row {number}\n" for number in range(500))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data") / "kept"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Iterator[Deployed]:
    with sandbox(tmp_path_factory.mktemp("project"), data=data) as empty:
        yield Deployed(empty.surroundings, empty.aws)


@pytest.fixture
def source_table(first: Deployed) -> str:
    """A table that csv_load has filled on the first local AWS, and that the stack may read."""
    table = first.new_table()
    ended = first.run("csv_load", {"source": first.put(ROWS), "table": table, "keys": ["id"]})
    assert ended.counts == (500, 500, 0, 0, 0)
    return table


def restarted(first: Deployed, data: Path) -> Deployed:
    aws, is_new = local.up(first.surroundings.root, outlive_caller=False, data=data)
    assert is_new
    return Deployed(first.surroundings, aws)


def check_what_was_kept(again: Deployed, table: str, execution_arn: str) -> None:
    assert again.stepfunctions.describe_execution(executionArn=execution_arn)["status"] == "SUCCEEDED"
    history = again.stepfunctions.get_execution_history(executionArn=execution_arn)["events"]
    assert history[-1]["type"] == "ExecutionSucceeded"
    source = again.put("id,text\n7,changed\n1000,new\n")
    ended = again.run("csv_load", {"source": source, "table": table, "keys": ["id"]})
    assert ended.counts == (2, 2, 0, 0, 0)
    distinct = again.run("distinct_keys", {"table": table})
    assert distinct.counts[0] == 501


def test_workflows_run_on_what_was_kept(first: Deployed, data: Path, source_table: str) -> None:
    (execution,) = first.stepfunctions.list_executions(stateMachineArn=first.machine_arn("csv_load"))["executions"]
    local.end(first.surroundings.root, first.aws)
    again = restarted(first, data)
    try:
        assert len(again.items(source_table)) == 500
        check_what_was_kept(again, source_table, execution["executionArn"])
        # The same local AWS, killed once what it did was saved.
        wait_until_saved(data)
        kill(again.aws)
        again = restarted(first, data)
        assert len(again.items(source_table)) == 501
        check_what_was_kept(again, source_table, execution["executionArn"])
    finally:
        local.end(first.surroundings.root, again.aws)
    assert not is_running(again.aws)
