"""csv_load_direct as its users run it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.local.deployed import Deployed

TEXT = "id,n,note\n" + "".join(f"{i},{i}.5,{'x' if i % 2 else ''}\n" for i in range(250))


def load(stack: Deployed, text: str, **settings: Any) -> tuple[str, dict[str, Any]]:
    """A new table, and an input that loads the text into it."""
    table = stack.new_table()
    return table, {"source": stack.put(text), "table": table, "types": {"n": "N"}, **settings}


def test_rows_become_items(stack: Deployed) -> None:
    table, document = load(stack, TEXT, batchSize=40)
    ended = stack.run("csv_load_direct", document)
    assert (ended.status, ended.summary["status"], ended.counts) == (
        "SUCCEEDED",
        "COMPLETE",
        (250, 250, 0, 0, 0),
    )
    items = {item["id"]["S"]: item for item in stack.items(table)}
    assert len(items) == 250
    assert items["4"] == {"id": {"S": "4"}, "n": {"N": "4.5"}}
    assert items["5"] == {"id": {"S": "5"}, "n": {"N": "5.5"}, "note": {"S": "x"}}
    manifest = json.loads(stack.object(ended.summary["results"]["manifest"]))
    assert manifest["ResultFiles"]["SUCCEEDED"]
    assert not manifest["ResultFiles"]["FAILED"]


def test_failed_batch_reaches_the_run(stack: Deployed) -> None:
    _table, document = load(stack, TEXT + "250,abc,\n", batchSize=50)
    ended = stack.run("csv_load_direct", document)
    assert (ended.status, ended.error) == ("FAILED", "States.ExceedToleratedFailureThreshold")
    assert "rows are in batches that failed" in (ended.cause or "")


def test_tolerated_batch_is_counted_and_listed(stack: Deployed) -> None:
    table, document = load(stack, TEXT + "250,abc,\n", batchSize=50, toleratedFailurePercentage=10)
    ended = stack.run("csv_load_direct", document)
    assert (ended.status, ended.summary["status"], ended.counts) == (
        "SUCCEEDED",
        "PARTIAL",
        (251, 250, 0, 0, 1),
    )
    manifest = json.loads(stack.object(ended.summary["results"]["manifest"]))
    (failed,) = manifest["ResultFiles"]["FAILED"]
    (record,) = [json.loads(line) for line in stack.object(failed["Key"]).splitlines()]
    assert json.loads(record["Input"])["Items"] == [{"Item": {"id": {"S": "250"}, "n": {"N": "abc"}}}]
    assert len(stack.items(table)) == 250


def test_header_alone_is_a_run_of_no_rows(stack: Deployed) -> None:
    _, document = load(stack, "id,n\n")
    ended = stack.run("csv_load_direct", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (0, 0, 0, 0, 0))


def test_missing_object_fails_the_run(stack: Deployed) -> None:
    _, document = load(stack, TEXT)
    ended = stack.run("csv_load_direct", {**document, "source": {"bucket": stack.bucket, "key": "none.csv"}})
    assert (ended.status, ended.error) == ("FAILED", "States.ItemReaderFailed")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source": {"key": "a"}}, "source.bucket"),
        ({"source": {"bucket": "b"}}, "source.key"),
        ({"table": ""}, "table"),
        ({"types": {"n": "X"}}, "types"),
        ({"batchSize": 0}, "batchSize"),
        ({"maxConcurrency": 1.5}, "maxConcurrency"),
        ({"toleratedFailurePercentage": 101}, "toleratedFailurePercentage"),
        ({"maping": {}}, "maping"),
    ],
)
def test_bad_input_is_refused_by_name(stack: Deployed, change: dict[str, Any], field: str) -> None:
    table, document = load(stack, TEXT)
    ended = stack.run("csv_load_direct", {**document, **change})
    assert (ended.status, ended.error) == ("FAILED", "InvalidInputError")
    assert (ended.cause or "").startswith(f"{field}:")
    assert stack.items(table) == []
