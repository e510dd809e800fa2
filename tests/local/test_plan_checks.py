"""What Plan steps check for every workflow: the account, the rate, the stack's own tables, and formats."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.local.deployed import Deployed


def half_of_the_account(stack: Deployed) -> str:
    """What the note says of 10,000 children."""
    limits = stack.client("lambda").get_account_settings()["AccountLimit"]
    unreserved = limits["UnreservedConcurrentExecutions"]
    used = f"used {unreserved // 2:,}, because the account's unreserved Lambda concurrency is {unreserved:,}"
    return f"requested 10,000, {used}"


@pytest.fixture
def table(stack: Deployed) -> str:
    name = stack.new_table("id")
    stack.dynamodb.put_item(TableName=name, Item={"id": {"S": "1"}})
    return name


def documents(stack: Deployed, table: str) -> dict[str, dict[str, Any]]:
    """An input of each workflow that names a table by `table`."""
    source = stack.put("id,text\n1,a\n", ".csv")
    return {
        "csv_load": {"source": source, "table": table, "keys": ["id"]},
        "distinct_keys": {"table": table},
        "table_transform": {"table": table, "mapping": {"state": "seen"}},
        "table_export": {"table": table, "prefix": "exports/x"},
    }


@pytest.mark.parametrize("workflow", ["csv_load", "distinct_keys", "table_transform"])
def test_run_takes_half_of_the_account_and_says_so(stack: Deployed, table: str, workflow: str) -> None:
    document = documents(stack, table)[workflow]
    # No note means, too, that the functions' roles may ask for the account's concurrency.
    assert stack.run(workflow, document).summary["notes"] == []
    (note,) = stack.run(workflow, document | {"maxConcurrency": 10_000}).summary["notes"]
    assert half_of_the_account(stack) in note


def test_objects_are_aggregated_by_half_of_the_account(stack: Deployed) -> None:
    source = stack.put("id,text\n1,a\n", ".csv")
    document = {"prefix": source["key"], "groupBy": ["id"]}
    assert stack.run("object_aggregate", document).summary["notes"] == []
    (note,) = stack.run("object_aggregate", document | {"maxConcurrency": 10_000}).summary["notes"]
    assert half_of_the_account(stack) in note


def test_low_rate_takes_few_workers_and_says_so(stack: Deployed, table: str) -> None:
    limited = {"maxReadUnitsPerSecond": 30, "segments": 4}
    (note,) = stack.run("distinct_keys", documents(stack, table)["distinct_keys"] | limited).summary["notes"]
    assert "requested 50, used 2, because more would idle at 30 read units per second" in note


@pytest.mark.parametrize("own", ["RunTable", "ExportLedgerTable"])
@pytest.mark.parametrize("workflow", ["csv_load", "distinct_keys", "table_transform", "table_export"])
def test_stack_own_tables_are_refused(stack: Deployed, own: str, workflow: str) -> None:
    name = stack.outputs[own]
    ended = stack.run(workflow, documents(stack, name)[workflow])
    assert (ended.status, ended.error) == ("FAILED", "InvalidInputError")
    assert f"table: {name} is one of the stack's own tables; name one of yours" in str(ended.cause)


def test_run_of_another_format_is_refused_by_name(stack: Deployed, table: str) -> None:
    document = documents(stack, table)["table_transform"]
    earlier = stack.run("table_transform", document)
    key = f"table_transform/{earlier.name}/plan.json"
    plan = json.loads(stack.object(key)) | {"formatVersion": 9}
    stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=json.dumps(plan).encode())
    ended = stack.run("table_transform", document | {"resume": {"run": earlier.name}})
    assert (ended.status, ended.error) == ("FAILED", "FormatVersionError")
    assert str(ended.cause).startswith(
        f"the plan of {earlier.name} is in format 9, this deployment reads formats 1 to 3"
    )
