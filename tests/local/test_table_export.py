"""table_export on the deployed stack: full, then incremental, and nothing lost when a run dies, overlaps or fails."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest

from local_aws import clock, faults
from sluice_cli.main import main
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
    """Wait until the ledger has the running export."""
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


def export_status(stack: Deployed, table: str) -> dict[str, Any]:
    """What `sluice export status` tells of the table."""
    stdout = StringIO()
    arguments = ["export", "status", "--table", table, "--json", "--local"]
    assert main(arguments, replace(stack.surroundings, stdout=stdout)) == 0
    summary: dict[str, Any] = json.loads(stdout.getvalue())
    return summary


def create_copy(stack: Deployed, name: str) -> None:
    stack.dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def copied(stack: Deployed, name: str) -> dict[str, str]:
    """The copy without the guard's tombstones and attributes."""
    items = [each for each in stack.items(name) if "TombstoneExpiresAt" not in each]
    return {each["id"]["S"]: each["text"]["S"] for each in items}


def test_processing_that_fails_is_seen_and_made_good_in_order(stack: Deployed, table: str) -> None:
    """The copy's table is missing for two windows; the exports continue, and nothing is missing in the end."""
    copy = f"{table}-copy"
    document = {"process": {"sink": {"table": "{table}-copy", "guard": "newerOnly"}}}
    first = export(stack, table, **document)
    assert (first.status, first.error) == ("FAILED", "ExportProcessFailedError")
    assert "TableNotFoundError" in (first.cause or "")
    put(stack, table, "new")
    stack.dynamodb.delete_item(TableName=table, Key={"id": {"S": "old-0"}})
    clock.advance(stack.aws, HOUR)
    second = export(stack, table, **document)
    assert (second.status, second.error) == ("FAILED", "ExportProcessFailedError")
    assert len(windows(stack, table)) == 2

    seen = export_status(stack, table)
    assert (seen["status"], seen["processing"]["status"]) == ("COMPLETED", "FAILED")
    assert (seen["processing"]["waiting"], seen["processing"]["copiedTo"]) == (2, None)
    failed = seen["processing"]["next"]
    assert (failed["type"], failed["error"], failed["attempt"]) == ("FULL_EXPORT", "TableNotFoundError", 1)
    assert "Fix the cause: the next run processes the window again, and then the 1 after it" in seen["next"][0]

    create_copy(stack, copy)
    put(stack, table, "old-1", "changed")
    clock.advance(stack.aws, HOUR)
    mended = export(stack, table, **document)
    assert (mended.status, mended.summary["processing"]["waiting"]) == ("SUCCEEDED", 0)
    assert copied(stack, copy) == {each["id"]["S"]: each["text"]["S"] for each in stack.items(table)}

    seen = export_status(stack, table)
    assert seen["processing"].items() >= {"status": "SUCCEEDED", "copiedTo": seen["watermark"], "waiting": 0}.items()
    processed = [run["processing"] for run in seen["runs"]]
    assert [each["status"] for each in processed] == ["SUCCEEDED"] * 3
    assert [each["counts"]["written"] for each in processed] == [1, 2, 3]
    assert [each["attempt"] for each in processed] == [0, 0, 2]


def test_execution_that_somebody_stops_is_made_again(stack: Deployed, table: str) -> None:
    """The run that started it has died as well: only AWS knows how the processing ended."""
    copy = f"{table}-copy"
    create_copy(stack, copy)
    for number in range(40):
        put(stack, table, f"more-{number}")
    clock.advance(stack.aws, HOUR / 2)
    process: dict[str, Any] = {"sink": {"table": copy, "guard": "newerOnly"}}
    slow = {**process, "maxWriteUnitsPerSecond": 1}
    arn = stack.start("table_export", {"table": table, "pollSeconds": 1, "process": slow})
    started = processing_arn(stack, table)
    stack.stepfunctions.stop_execution(executionArn=arn)
    stack.stepfunctions.stop_execution(executionArn=started, error="Stopped", cause="by hand")
    assert stack.wait(arn).status == "ABORTED"
    assert stack.wait(started).status == "ABORTED"
    assert export_status(stack, table)["processing"]["executionStatus"] == "ABORTED"
    again = export(stack, table, process=process)
    assert again.summary["processing"]["waiting"] == 0
    (window,) = (run["processing"] for run in export_status(stack, table)["runs"])
    assert (window["status"], window["attempt"]) == ("SUCCEEDED", 1)
    assert len(copied(stack, copy)) == 43


def processing_arn(stack: Deployed, table: str) -> str:
    """Wait until the ledger has the processing of the first window."""
    key = {"table": {"S": table}, "entry": {"S": "PROCESS#000000000001"}}
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        item = stack.dynamodb.get_item(TableName=stack.outputs["ExportLedgerTable"], Key=key).get("Item", {})
        if "executionArn" in item:
            return str(item["executionArn"]["S"])
        time.sleep(0.05)
    raise AssertionError(f"no export of {table} was processed")


def test_tables_of_the_stack_itself_are_refused(stack: Deployed, table: str) -> None:
    ledger, budgets = stack.outputs["ExportLedgerTable"], stack.outputs["RunTable"]
    for own in (ledger, budgets):
        refused = stack.run("table_export", {"table": own})
        assert refused.error == "InvalidInputError"
        assert "is one of the stack's own tables; name one of yours" in (refused.cause or "")
    refused = export(stack, table, process={"sink": {"table": ledger, "guard": "newerOnly"}})
    assert (refused.cause or "").startswith("process.sink.table: ")
