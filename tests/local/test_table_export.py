"""table_export on the deployed stack: full, then incremental, and nothing lost when a run dies, overlaps or fails."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from local_aws import clock, faults
from tests.local.deployed import Deployed, Ended

pytestmark = pytest.mark.usefixtures("no_faults_left")

HOUR = 3600
DAY = 24 * HOUR
WAIT_SECONDS = 60


@pytest.fixture
def table(stack: Deployed) -> str:
    """A table with three items, half an hour after point-in-time recovery was turned on."""
    name = stack.new_table()
    stack.dynamodb.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    for number in range(3):
        put(stack, name, f"old-{number}")
    clock.advance(stack.aws, HOUR / 2)
    return name


def put(stack: Deployed, table: str, key: str, text: str = "x") -> None:
    stack.dynamodb.put_item(TableName=table, Item={"id": {"S": key}, "text": {"S": text}})


def export(stack: Deployed, table: str, **fields: Any) -> Ended:
    return stack.run("table_export", {"table": table, "pollSeconds": 1, **fields})


def state_item(stack: Deployed, table: str) -> dict[str, Any]:
    key = {"table": {"S": table}, "entry": {"S": "STATE"}}
    return stack.dynamodb.get_item(TableName=stack.outputs["ExportLedgerTable"], Key=key).get("Item", {})


def runs(stack: Deployed, table: str) -> list[dict[str, Any]]:
    """The ledger's items of the table's exports, oldest first, without their types."""
    found = stack.dynamodb.query(
        TableName=stack.outputs["ExportLedgerTable"],
        KeyConditionExpression="#table = :table AND begins_with(entry, :run)",
        ExpressionAttributeNames={"#table": "table"},
        ExpressionAttributeValues={":table": {"S": table}, ":run": {"S": "RUN#"}},
    )
    return [{name: next(iter(value.values())) for name, value in item.items()} for item in found["Items"]]


def windows(stack: Deployed, table: str) -> list[tuple[str, str | None, str]]:
    return [(run["type"], run.get("from"), run["to"]) for run in runs(stack, table) if run["status"] == "COMPLETED"]


def current_arn(stack: Deployed, table: str) -> str:
    """Wait until the ledger has the export that is under way."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        current = state_item(stack, table).get("current", {"M": {}})["M"]
        if "exportArn" in current:
            return str(current["exportArn"]["S"])
        time.sleep(0.05)
    raise AssertionError(f"no export of {table} was started")


def test_full_export_then_windows_that_join(stack: Deployed, table: str) -> None:
    first = export(stack, table)
    assert (first.status, first.summary["status"]) == ("SUCCEEDED", "COMPLETE")
    put(stack, table, "new")
    stack.dynamodb.delete_item(TableName=table, Key={"id": {"S": "old-0"}})
    clock.advance(stack.aws, HOUR)
    second = export(stack, table)
    (full, incremental) = windows(stack, table)
    assert (full[0], incremental[0]) == ("FULL_EXPORT", "INCREMENTAL_EXPORT")
    assert incremental[1] == full[2]
    assert state_item(stack, table)["watermark"]["S"] == incremental[2] == second.summary["exports"][0]["to"]
    assert (first.counts[0], second.counts[0]) == (3, 2)
    assert "leaseOwner" not in state_item(stack, table)
    manifest = json.loads(stack.object(second.summary["exports"][0]["manifest"]))
    assert manifest["exportType"] == "INCREMENTAL_EXPORT"


def test_nothing_is_due_before_the_window_is_15_minutes_long(stack: Deployed, table: str) -> None:
    export(stack, table)
    ended = export(stack, table)
    assert ended.summary["exports"] == []
    assert "15 minutes" in ended.summary["reason"]


def test_three_days_are_caught_up_in_windows_of_a_day(stack: Deployed, table: str) -> None:
    export(stack, table)
    clock.advance(stack.aws, 3 * DAY)
    ended = export(stack, table)
    assert len(ended.summary["exports"]) == 3
    found = windows(stack, table)
    assert [each[1] for each in found[1:]] == [each[2] for each in found[:-1]]


def test_changes_out_of_reach_are_a_gap_and_a_full_export(stack: Deployed, table: str) -> None:
    export(stack, table)
    clock.advance(stack.aws, 40 * DAY)
    assert export(stack, table).status == "SUCCEEDED"
    assert [run["status"] for run in runs(stack, table)] == ["COMPLETED", "PITR_GAP", "COMPLETED"]
    assert [each[0] for each in windows(stack, table)] == ["FULL_EXPORT", "FULL_EXPORT"]


def test_failed_export_is_named_and_its_window_is_taken_again(stack: Deployed, table: str) -> None:
    export(stack, table)
    watermark = state_item(stack, table)["watermark"]
    clock.advance(stack.aws, HOUR)
    faults.fail_exports(stack.aws, table_name=table, code="S3AccessDenied", message="no")
    failed = export(stack, table)
    assert (failed.status, failed.error) == ("FAILED", "ExportFailedError")
    assert "S3AccessDenied" in (failed.cause or "")
    assert state_item(stack, table)["watermark"] == watermark
    clock.advance(stack.aws, HOUR)
    assert export(stack, table).status == "SUCCEEDED"
    (lost,) = (run for run in runs(stack, table) if run["status"] == "FAILED")
    assert ("INCREMENTAL_EXPORT", lost["from"], lost["to"]) in windows(stack, table)


def test_second_run_is_skipped_while_the_first_is_live(stack: Deployed, table: str) -> None:
    faults.let_exports_take(stack.aws, 4)
    arn = stack.start("table_export", {"table": table, "pollSeconds": 1})
    current_arn(stack, table)
    second = export(stack, table)
    assert (second.status, second.summary["status"], second.summary["owner"]) == ("SUCCEEDED", "SKIPPED", arn)
    assert stack.wait(arn).status == "SUCCEEDED"


def test_export_of_a_run_that_died_is_picked_up(stack: Deployed, table: str) -> None:
    faults.let_exports_take(stack.aws, 2)
    arn = stack.start("table_export", {"table": table, "pollSeconds": 1})
    started = current_arn(stack, table)
    stack.stepfunctions.stop_execution(executionArn=arn)
    assert stack.wait(arn).status == "ABORTED"
    ended = export(stack, table)
    assert [each["exportArn"] for each in ended.summary["exports"]] == [started]


def test_export_whose_start_was_lost_long_ago_is_found(stack: Deployed, table: str) -> None:
    """The ledger of an execution that died before it could note the export that it had started."""
    (made,) = export(stack, table).summary["exports"]
    token = stack.dynamodb.describe_export(ExportArn=made["exportArn"])["ExportDescription"]["ClientToken"]
    current = {"type": "FULL_EXPORT", "to": made["to"], "startedAt": made["to"], "bucket": stack.bucket}
    lost = {name: {"S": value} for name, value in current.items()} | {
        "prefix": {"S": f"exports/{table}"},
        "viewType": {"S": "NEW_AND_OLD_IMAGES"},
        "attempt": {"N": "0"},
        "clientToken": {"S": token},
    }
    stack.dynamodb.update_item(
        TableName=stack.outputs["ExportLedgerTable"],
        Key={"table": {"S": table}, "entry": {"S": "STATE"}},
        UpdateExpression="SET #current = :lost REMOVE watermark",
        ExpressionAttributeNames={"#current": "current"},
        ExpressionAttributeValues={":lost": {"M": lost}},
    )
    clock.advance(stack.aws, 9 * HOUR)
    found, *_ = export(stack, table).summary["exports"]
    assert found["exportArn"] == made["exportArn"]


@pytest.mark.parametrize(
    ("document", "error", "named"),
    [
        ({}, "InvalidInputError", "table"),
        ({"table": "there-is-none"}, "TableNotFoundError", "there-is-none"),
        ({"table": "TABLE", "viewType": "OLD"}, "InvalidInputError", "viewType"),
        ({"table": "TABLE", "prefix": "elsewhere"}, "InvalidInputError", "prefix"),
        ({"table": "TABLE", "tables": []}, "InvalidInputError", "tables"),
        ({"table": "TABLE", "process": {"sink": {"table": "t"}}}, "InvalidInputError", "process.sink.guard"),
    ],
)
def test_bad_input_is_named_before_anything_is_written(
    stack: Deployed, table: str, document: dict[str, Any], error: str, named: str
) -> None:
    given = {name: table if value == "TABLE" else value for name, value in document.items()}
    ended = stack.run("table_export", given)
    assert (ended.status, ended.error) == ("FAILED", error)
    assert named in (ended.cause or "")
    assert state_item(stack, table) == {}


def test_table_without_point_in_time_recovery_is_refused(stack: Deployed) -> None:
    ended = stack.run("table_export", {"table": stack.new_table()})
    assert (ended.status, ended.error) == ("FAILED", "PointInTimeRecoveryError")
