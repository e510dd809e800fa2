"""How csv_load writes rows: put, update and delete, dry runs, limits, keys that rows share, columns that none has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_aws import faults
from tests.local.deployed import Deployed, Ended
from tests.local.test_csv_load import by_id, load

ROWS = 400
BEFORE = [{"id": {"S": str(number)}, "w": {"S": "kept"}, "v": {"S": "old"}} for number in range(0, ROWS, 2)]
TEXT = "id,v\n" + "".join(f"{number},{number % 7 or ''}\n" for number in range(ROWS))


def cell(number: int) -> str:
    return str(number % 7 or "")


def updated(number: int, *, omits: bool) -> dict[str, Any]:
    """An item after the update."""
    before: dict[str, Any] = {} if number % 2 else dict(BEFORE[number // 2])
    change = {"v": {"S": cell(number)}} if cell(number) or not omits else {}
    return {"id": {"S": str(number)}} | before | change


def prepared(stack: Deployed, text: str = TEXT, **settings: Any) -> tuple[str, dict[str, Any]]:
    """A table that holds BEFORE, and an input."""
    table, document = load(stack, text, **settings)
    stack.put_items(table, BEFORE)
    return table, document


@pytest.mark.parametrize("omits", [False, True])
def test_update_merges_rows_into_items(stack: Deployed, omits: bool) -> None:
    table, document = prepared(stack, write="update", omitEmpty=omits, rangeSize=1024)
    ended = stack.run("csv_load", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (ROWS, ROWS, 0, 0, 0)), ended
    assert by_id(stack.items(table)) == by_id([updated(number, omits=omits) for number in range(ROWS)])


def test_update_of_items_that_must_exist_rejects_other_rows(stack: Deployed) -> None:
    table, document = prepared(stack, write="update", mustExist=True, rejectsTolerated="any")
    ended = stack.run("csv_load", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (ROWS, ROWS // 2, 0, ROWS // 2, 0)), ended
    assert {each["error"] for each in stack.rejects(ended)} == {"ItemMissing"}
    expected = [updated(number, omits=False) for number in range(0, ROWS, 2)]
    assert by_id(stack.items(table)) == by_id(expected)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"keys": None, "mapping": {"id": "{id}", "v": {"N": "{v}"}}},
        {"types": {"v": "N"}},
    ],
    ids=["keys", "mapping", "types"],
)
def test_delete_takes_the_key_of_each_row(stack: Deployed, settings: dict[str, Any]) -> None:
    text = "id,v\n" + "".join(f"{number},x\n" for number in range(0, ROWS, 4))
    table, document = prepared(stack, text, write="delete", **settings)
    ended = stack.run("csv_load", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (ROWS // 4, ROWS // 4, 0, 0, 0)), ended
    assert by_id(stack.items(table)) == by_id([each for each in BEFORE if int(each["id"]["S"]) % 4])


def test_json_records_are_updated_and_deleted(stack: Deployed) -> None:
    table, document = load(stack, '{"id":1,"v":2}\n{"id":"2","v":null}\n', ".jsonl", write="update")
    stack.put_items(table, BEFORE[:2])
    assert stack.run("csv_load", document).status == "SUCCEEDED"
    assert by_id(stack.items(table)) == [
        BEFORE[0],
        {"id": {"S": "1"}, "v": {"N": "2"}},
        {"id": {"S": "2"}, "v": {"NULL": True}, "w": {"S": "kept"}},
    ]
    assert stack.run("csv_load", document | {"write": "delete"}).status == "SUCCEEDED"
    assert stack.items(table) == BEFORE[:1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"write": "merge"}, "write: must be one of put, update, delete"),
        ({"write": "delete", "onConflict": "keep"}, 'onConflict: belongs to "write": "put"'),
        ({"write": "update", "onConflict": "replace"}, 'onConflict: belongs to "write": "put"'),
        ({"mustExist": True}, 'mustExist: belongs to "write": "update"'),
        ({"write": "update", "keys": None, "mapping": {"id": "{id}"}}, "mapping: has only the key"),
        ({"mode": "dry"}, "mode: must be one of apply, dryRun"),
        ({"maxWriteUnitsPerSecond": 0}, "maxWriteUnitsPerSecond: must be from 1"),
        ({"maxReadUnitsPerSecond": 5}, "maxReadUnitsPerSecond: unknown field"),
        ({"keys": None, "mapping": {"id": "{id}"}, "types": {"v": "N"}}, "types: belongs to keys"),
        ({"keys": None, "transform": "airports_by_country", "omitEmpty": True}, "omitEmpty: belongs to keys"),
        ({"types": {"prize": "N"}}, 'types.prize: the source has no column "prize"; it has id, v'),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    stack: Deployed, settings: dict[str, Any], message: str
) -> None:
    table, document = load(stack, TEXT, **settings)
    ended = stack.run("csv_load", document)
    assert (ended.status, ended.error) == ("FAILED", "InvalidInputError"), ended
    assert message in str(ended.cause)
    assert stack.items(table) == []


def test_update_of_the_key_alone_is_refused(stack: Deployed) -> None:
    _, document = load(stack, "id\n1\n", write="update")
    ended = stack.run("csv_load", document)
    assert ended.error == "InvalidInputError"
    assert "keys: has only the key" in str(ended.cause)


@pytest.mark.usefixtures("no_faults_left")
@pytest.mark.parametrize("write", ["update", "delete"])
def test_killed_worker_changes_nothing(stack: Deployed, write: str) -> None:
    text = "id,v\n" + "".join(f"{number},{number}\n" for number in range(3000))
    table, document = load(stack, text, write=write)
    stack.put_items(table, BEFORE)
    faults.kill_worker(stack.aws, stack.outputs["TransformItemsFunctionName"], after_seconds=0.3)
    ended = stack.run("csv_load", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (3000, 3000, 0, 0, 0))
    items = stack.items(table)
    assert len(items) == (3000 if write == "update" else 0)
    assert sum("w" in each for each in items) == (len(BEFORE) if write == "update" else 0)


def dry_run(stack: Deployed, document: dict[str, Any]) -> Ended:
    return stack.run("csv_load", document | {"mode": "dryRun"})


def sample(stack: Deployed, ended: Ended) -> list[dict[str, Any]]:
    """The sample that a dry run left."""
    body = stack.s3.get_object(Bucket=stack.bucket, Key=ended.summary["sample"]["key"])["Body"].read()
    return [json.loads(line) for line in body.splitlines()]


@pytest.mark.parametrize("write", ["put", "update", "delete"])
def test_dry_run_writes_nothing_and_foresees_everything(stack: Deployed, write: str) -> None:
    table, document = prepared(stack, write=write, types={"v": "N"}, rejectsTolerated="any", rangeSize=1024)
    ended = dry_run(stack, document)
    rejected = 0 if write == "delete" else sum(not cell(number) for number in range(ROWS))
    assert ended.status == "SUCCEEDED", ended
    assert ended.counts == (ROWS, ROWS - rejected, 0, rejected, 0)
    assert (ended.summary["mode"], ended.summary["capacity"]["writeUnits"]) == ("dryRun", 0)
    assert ended.summary["estimate"]["writeUnits"] == ROWS - rejected
    assert ended.summary["estimate"]["usd"] == pytest.approx((ROWS - rejected) * 0.625e-6, abs=1e-6)
    assert (len(stack.rejects(ended)) if rejected else 0) == rejected
    assert by_id(stack.items(table)) == by_id(BEFORE)
    lines = sample(stack, ended)
    assert 50 <= len(lines) <= 100
    first = lines[0]
    expected = {"id": {"S": str(first["row"] - 1)}} | (
        {} if write == "delete" else {"v": {"N": cell(first["row"] - 1)}}
    )
    assert first["item"] == expected
    applied = stack.run("csv_load", document)
    assert applied.counts == ended.counts
    assert applied.summary["sample"] is None


def test_rows_with_one_key_are_counted_in_their_range(stack: Deployed) -> None:
    text = "id,v\n" + "".join(f"{number % 100},{number}\n" for number in range(1000))
    table, document = load(stack, text)
    ended = stack.run("csv_load", document)
    assert ended.counts == (1000, 1000, 0, 0, 0)
    assert ended.summary["superseded"] == 900
    assert ended.notes == ["900 rows were superseded by later rows with the same key"]
    assert {each["v"]["S"] for each in stack.items(table)} == {str(number) for number in range(900, 1000)}
    ended = stack.run("csv_load", document | {"rangeSize": 1024})
    assert 0 < ended.summary["superseded"] < 900
    assert "in the same range; keys of different ranges are not compared" in ended.notes[0]
    assert stack.run("csv_load", document | {"onConflict": "keep"}).summary["superseded"] == 0


def test_a_column_that_no_row_has_fails_the_run_by_name(stack: Deployed) -> None:
    mapping = {"id": "{id}", "x": {"N": "{a.prize}", "omitEmpty": True}, "y": {"S": "{b}", "omitEmpty": True}}
    body = '{"id":"1","a":{"price":5}}\n{"id":"2","b":"z"}\n'
    table, document = load(stack, body, ".jsonl", mapping=mapping)
    ended = stack.run("csv_load", document)
    assert (ended.status, ended.error) == ("FAILED", "ColumnNotFoundError"), ended
    assert 'no row of the source has the column "a.prize"' in str(ended.cause)
    assert len(stack.items(table)) == 2
    mapping["x"] = {"N": "{a.price}", "omitEmpty": True}
    assert stack.run("csv_load", document | {"mapping": mapping}).status == "SUCCEEDED"


def test_a_typed_column_that_no_json_row_has_fails_the_run(stack: Deployed) -> None:
    _, document = load(stack, '{"id":"1"}\n', ".jsonl", types={"price": "N"})
    ended = stack.run("csv_load", document)
    assert (ended.error, '"price"' in str(ended.cause)) == ("ColumnNotFoundError", True), ended
