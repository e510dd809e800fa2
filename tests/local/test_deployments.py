"""Deploying the stack: for the first time, again, after a failure, after a deletion, and while a run is active."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws import faults
from sluice_cli.deploy import local_environment
from sluice_cli.sandbox import empty_sandbox
from tests.local.deployed import Deployed

pytestmark = pytest.mark.long

# As on AWS: CloudFormation chooses the bucket's name.
GENERATED_NAME = "DataBucketName="
EXPORTED_TABLE = "orders"
# What docs/deployment.md says to let `sam deploy --guided` write to; more questions than it has.
OWN_CONFIGURATION, QUESTIONS = "samconfig.user.toml", 60


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Deployed]:
    """A copy of the project on a local AWS of its own, where nothing is deployed yet."""
    with empty_sandbox(tmp_path, fault_injection=True) as empty:
        yield Deployed(empty.surroundings, empty.aws)


def test_second_deployment_changes_what_was_requested(stack: Deployed) -> None:
    assert stack.deploy(GENERATED_NAME) == 0
    assert stack.deploy(GENERATED_NAME) == 0
    assert _log_level(stack) == "INFO"
    assert stack.deploy(GENERATED_NAME, "LogLevel=DEBUG", "RunAlarms=true", "Dashboard=true") == 0
    assert _log_level(stack) == "DEBUG"
    cloudwatch = stack.client("cloudwatch")
    alarms = {
        each["MetricName"] for each in cloudwatch.describe_alarms()["MetricAlarms"] if "RunFailed" in each["AlarmName"]
    }
    assert alarms == {"ExecutionsFailed"}
    assert len(cloudwatch.list_dashboards()["DashboardEntries"]) == 1
    _check_load(stack)


def test_failed_first_deployment_does_not_block_the_next(stack: Deployed) -> None:
    assert stack.deploy(f"ExportTables={EXPORTED_TABLE}", "ExportProcess={") != 0
    assert _status(stack) == "ROLLBACK_COMPLETE"
    assert _left(stack) == []
    _delete(stack)
    assert stack.deploy(f"ExportTables={EXPORTED_TABLE}") == 0
    _check_load(stack)


def test_deleted_stack_can_be_deployed_again(stack: Deployed) -> None:
    assert stack.deploy(GENERATED_NAME) == 0
    _check_load(stack)
    first_bucket, first_ledger = stack.outputs["DataBucket"], stack.outputs["ExportLedgerTable"]
    _delete(stack)
    assert _left(stack) == [f"bucket {first_bucket}", f"table {first_ledger}"]

    again = Deployed(stack.surroundings, stack.aws)
    assert again.deploy(GENERATED_NAME) == 0
    assert again.bucket != first_bucket
    _check_load(again)


def test_run_that_is_running_survives_a_deployment(stack: Deployed) -> None:
    assert stack.deploy() == 0
    items, seconds = 3_000, 60
    table = stack.new_table("id")
    stack.put_items(table, [{"id": {"S": f"item-{number}"}} for number in range(items)])
    run = stack.start(
        "table_transform",
        {
            "table": table,
            "mapping": {"seen": "yes"},
            "mode": "apply",
            "withoutBackup": True,
            "maxWriteUnitsPerSecond": items // seconds,
        },
    )
    with (stack.surroundings.root / "functions" / "sluice" / "__init__.py").open("a") as module:
        module.write("DEPLOYED_DURING_A_RUN = True\n")
    assert stack.deploy("LogLevel=DEBUG") == 0
    assert stack.stepfunctions.describe_execution(executionArn=run)["status"] == "RUNNING"
    ended = stack.wait(run, timeout_seconds=600)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (items, items, 0, 0, 0)), ended
    assert all(item["seen"] == {"S": "yes"} for item in stack.items(table))


def test_worker_that_dies_continues_with_the_new_code(stack: Deployed) -> None:
    """The state machine retries the slice: the attempt after the deployment runs other code than the one before."""
    assert stack.deploy() == 0
    table = stack.new_table("icao")
    faults.kill_worker(stack.aws, stack.outputs["TransformItemsFunctionName"], after_seconds=0.0)
    rows = "".join(f"A{number}\n" for number in range(1_000))
    run = stack.start("csv_load", {"source": stack.put("icao\n" + rows), "table": table, "keys": ["icao"]})
    with (stack.surroundings.root / "functions" / "sluice" / "__init__.py").open("a") as module:
        module.write("DEPLOYED_DURING_A_RUN = True\n")
    assert stack.deploy() == 0
    ended = stack.wait(run, timeout_seconds=600)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (1_000, 1_000, 0, 0, 0)), ended


def test_guided_deployment_leaves_the_tracked_configuration_alone(stack: Deployed) -> None:
    root = stack.surroundings.root
    tracked = (root / "samconfig.toml").read_text()
    (root / OWN_CONFIGURATION).write_text(tracked)
    _sam(stack, "build", "--config-file", OWN_CONFIGURATION)
    answers = ["", "", "orders-*", *[""] * QUESTIONS]
    guided = ["deploy", "--guided", "--config-file", OWN_CONFIGURATION, "--no-confirm-changeset"]
    _sam(stack, *guided, answers="\n".join(answers))
    assert (root / "samconfig.toml").read_text() == tracked
    assert 'TableNamePattern=\\"orders-*\\"' in (root / OWN_CONFIGURATION).read_text()
    assert _status(stack) == "CREATE_COMPLETE"


def _check_load(stack: Deployed) -> None:
    table = stack.new_table("icao")
    ended = stack.run("csv_load", {"source": stack.put("icao\nLSZH\n"), "table": table, "keys": ["icao"]})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (1, 1, 0, 0, 0)), ended


def _delete(stack: Deployed) -> None:
    """`sam delete`, as the documentation says."""
    _sam(stack, "delete", "--stack-name", "sluice", "--no-prompts", "--region", stack.aws.region)


def _sam(stack: Deployed, *arguments: str, answers: str = "") -> None:
    """A command of sam on local AWS, in the copy of the project."""
    environment = local_environment(stack.surroundings.environment, stack.aws)
    command = [str(stack.surroundings.sam), *arguments]
    root = stack.surroundings.root
    subprocess.run(command, cwd=root, env=environment, input=answers, text=True, check=True, timeout=600)


def _status(stack: Deployed) -> str:
    (found,) = stack.client("cloudformation").describe_stacks(StackName="sluice")["Stacks"]
    status: str = found["StackStatus"]
    return status


def _log_level(stack: Deployed) -> str:
    configuration = stack.client("lambda").get_function_configuration(
        FunctionName=stack.outputs["PlanLoadFunctionName"]
    )
    level: str = configuration["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"]
    return level


def _left(stack: Deployed) -> list[str]:
    """Buckets and tables that a stack named sluice has left behind; SAM's own bucket is expected."""
    buckets = [each["Name"] for each in stack.s3.list_buckets()["Buckets"]]
    tables = [name for name in stack.dynamodb.list_tables()["TableNames"] if name.startswith("sluice-")]
    return [f"bucket {name}" for name in buckets if name.startswith("sluice-")] + [f"table {name}" for name in tables]
