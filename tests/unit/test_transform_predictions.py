"""A dry run rejects what applying rejects, and what is rejected is written to neither table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sluice.dynamodb.keys import KeySchema
from sluice.mapping.delete import DELETE
from sluice.runs.input import APPLY, DRY_RUN
from sluice.workflows.table_transform.checks import IndexKey, index_keys
from tests.unit.segment_slices import NESTS_TABLE, Item, Segment, bird, birds_and_nests, job, lines

WIDE = bird("wide", **{f"a{number}": 1 for number in range(310)})
INDEX = {"table": {"city": IndexKey("by-city", "S", 10)}, "target": {"city": IndexKey("by-city", "S", 10)}}


def many(item: Item) -> Item:
    return item | {f"new{number}": "x" for number in range(300)}


def large(item: Item) -> Item:
    return item | {"text": "x" * (401 << 10)}


def city(value: Any) -> Callable[[Item], Item]:
    return lambda item: {**item, "id": item["pk"], "city": value}


MOVE: dict[str, Any] = {"target": NESTS_TABLE, "deletes_source": True}
CASES: dict[str, tuple[Callable[[Item], Any], dict[str, Any], str]] = {
    "delete of a wide item": (lambda _item: DELETE, {}, "ItemTooWide"),
    "move of a wide item": (lambda item: {"id": item["pk"]}, MOVE, "ItemTooWide"),
    "change of many attributes": (many, {}, "ItemTooWide"),
    "item that grows too large": (large, {}, "ItemTooLarge"),
    "index key of another type": (city(1), {"indexes": INDEX}, "KeyTypeMismatch"),
    "index key that is empty": (city(""), {"indexes": INDEX}, "KeyEmpty"),
    "index key that is too long": (city("x" * 11), {"indexes": INDEX}, "KeyTooLong"),
    "index key of the target": (city(1), {"indexes": INDEX, "target": NESTS_TABLE}, "KeyTypeMismatch"),
}


@pytest.mark.parametrize("mode", [DRY_RUN, APPLY])
@pytest.mark.parametrize("name", CASES)
def test_what_dynamodb_would_refuse_is_rejected_before_anything_is_written(name: str, mode: str) -> None:
    transform, fields, reason = CASES[name]
    tables = birds_and_nests(WIDE)
    result = Segment(tables, transform, job(mode=mode, **fields)).run()
    assert result.progress.reasons == {reason: 1}
    assert [each["error"] for each in lines(result.rejects)] == [reason]
    assert tables.tables["birds"].all == [WIDE]
    assert tables.tables["nests"].all == []
    assert {operation for operation, _ in tables.log} == {"Scan"}


@pytest.mark.parametrize("mode", [DRY_RUN, APPLY])
def test_index_key_that_the_index_takes_is_written(mode: str) -> None:
    tables = birds_and_nests(bird("a"))
    progress = Segment(tables, city("x" * 10), job(mode=mode, indexes=INDEX)).run().progress
    assert (progress.done.changes.changed, progress.counts.rejected) == (1, 0)


def test_index_keys_are_those_that_are_no_keys_of_the_table() -> None:
    described = {
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "city", "day")],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by-city",
                "KeySchema": [
                    {"AttributeName": "city", "KeyType": "HASH"},
                    {"AttributeName": "pk", "KeyType": "RANGE"},
                ],
            }
        ],
        "LocalSecondaryIndexes": [
            {
                "IndexName": "by-day",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "day", "KeyType": "RANGE"}],
            }
        ],
    }
    assert index_keys(described) == {"city": IndexKey("by-city", "S", 2048), "day": IndexKey("by-day", "S", 1024)}
    assert KeySchema.from_describe_table(described).partition.name == "pk"


def test_dry_run_counts_the_journal_that_applying_writes() -> None:
    tables = birds_and_nests(*(bird(f"b{number}", n=number) for number in range(10)), page_items=4)

    def odd(item: Item) -> Any:
        return item | {"odd": 1} if item["n"] % 2 else None

    dry = Segment(tables, odd, job(mode=DRY_RUN))
    planned = dry.run().progress.done.planned_puts
    applied = Segment(tables, odd, job())
    applied.run()
    # The cursor is an object, too.
    assert planned == len(applied.s3.objects) + 1
    assert len(dry.s3.objects) == 2
