"""The table that scans are measured on, and those who scan it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.distinct_cpu import best_cpu_seconds, contestants
from bench.distinct_parallel import TABLE, scan, workers
from bench.even_table import KEYS, PARTITION, SORT, EvenTable
from bench.null_endpoint import NullServices, in_thread
from bench.plain_scans import full_scan, skips, whole_table
from sluice.dynamodb.keys import KeySchema
from sluice.workflows.distinct_keys.segment_scan import LARGEST_SORT_KEYS

SCAN = whole_table("t", KeySchema.from_state(KEYS))
tables = st.builds(EvenTable, st.integers(1, 30), st.integers(1, 40), st.sampled_from([60, 4096, 300_000]))


def pages(table: EvenTable, segment: int, segments: int, **parameters: Any) -> list[dict[str, Any]]:
    """All pages of a segment, each from where the one before has ended."""
    request: dict[str, Any] = {"Segment": segment, "TotalSegments": segments, **parameters}
    found = [json.loads(table.scan(request))]
    while "LastEvaluatedKey" in found[-1]:
        found.append(json.loads(table.scan(request | {"ExclusiveStartKey": found[-1]["LastEvaluatedKey"]})))
    return found


def names(page: dict[str, Any]) -> list[str]:
    return [item[PARTITION]["S"] for item in page["Items"]]


@given(tables, st.integers(1, 8), st.sampled_from([{}, {"Limit": 1}, {"Limit": 7}]))
def test_segments_share_all_items_of_the_table(table: EvenTable, segments: int, limit: dict[str, int]) -> None:
    found = [
        name for segment in range(segments) for page in pages(table, segment, segments, **limit) for name in names(page)
    ]
    assert found == sorted(found)
    assert len(found) == table.keys * table.items_per_key
    assert len(set(found)) == table.keys


@pytest.mark.parametrize(
    ("item_bytes", "limit", "counts", "units"),
    [
        (1000, {}, [1049, 951], [128.5, 116.5]),
        (1000, {"Limit": 1049}, [1049, 951], [128.5, 116.5]),
        (1000, {"Limit": 1000}, [1000, 1000, 0], [122.5, 122.5, 0.5]),
        (100, {"Limit": 3000}, [2000], [24.5]),
    ],
)
def test_page_ends_at_its_limit_or_with_the_item_that_reaches_the_mebibyte(
    item_bytes: int, limit: dict[str, int], counts: list[int], units: list[float]
) -> None:
    found = pages(EvenTable(2, 1000, item_bytes), 0, 1, **limit)
    assert [page["Count"] for page in found] == [len(page["Items"]) for page in found] == counts
    assert [page["ConsumedCapacity"]["CapacityUnits"] for page in found] == units


def test_scan_starts_behind_the_start_key_or_behind_its_collection() -> None:
    table, request = EvenTable(2, 3, 100), {"Segment": 0, "TotalSegments": 1}
    (first,) = pages(table, 0, 1)
    wren, rook = names(first)[0], names(first)[3]
    behind_item = {PARTITION: {"S": wren}, SORT: {"N": "0"}}
    behind_collection = {PARTITION: {"S": wren}, SORT: {"N": LARGEST_SORT_KEYS["N"]}}
    assert names(json.loads(table.scan(request | {"ExclusiveStartKey": behind_item}))) == [wren, wren, rook, rook, rook]
    assert names(json.loads(table.scan(request | {"ExclusiveStartKey": behind_collection}))) == [rook, rook, rook]


@given(tables)
def test_plain_scans_find_the_same_keys(table: EvenTable) -> None:
    def call(_operation: str, body: bytes) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(table.scan(json.loads(body)))
        return answer

    assert len(full_scan(SCAN, call).keys) == table.keys
    assert full_scan(SCAN, call).keys == skips(SCAN, call).keys
    assert skips(SCAN, call).cost.requests == table.keys + 1


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_every_contestant_finds_every_key(limit: int) -> None:
    table = EvenTable(48, items_per_key=1, item_bytes=250)
    with in_thread(NullServices(KEYS, table=table)) as url, contestants(url, limit) as those:
        assert {name: contestant() for name, contestant in those.items()} == dict.fromkeys(those, 48)


def test_contestants_take_turns_and_the_first_does_not_count() -> None:
    turns: list[str] = []

    def contestant(name: str) -> int:
        turns.append(name)
        return 3

    best = best_cpu_seconds({"one": lambda: contestant("one"), "other": lambda: contestant("other")}, 3, rounds=2)
    assert turns == ["one", "other"] * 3
    assert all(0 <= seconds < float("inf") for seconds in best.values())


def test_contestant_that_misses_a_key_is_named() -> None:
    with pytest.raises(AssertionError, match="other found 2 keys of 3"):
        best_cpu_seconds({"one": lambda: 3, "other": lambda: 2}, 3, rounds=1)


def test_workers_share_the_table() -> None:
    with in_thread(NullServices(KEYS, table=TABLE)) as url, workers(url, 2) as those:
        assert scan(those).counts.keys == scan(those[:1]).counts.keys == TABLE.keys
