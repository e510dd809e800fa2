"""Slices of MeasureCollection, cut, lost and repeated; and what they may take of memory and state."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.dynamodb.items import item_size
from sluice.errors import ThrottledError
from sluice.workflows.distinct_keys.measure import LARGEST, LARGEST_MAX_BYTES, Largest
from sluice.workflows.distinct_keys.measure_slice import MeasureProgress, MeasureRequest, MeasureSliceResult
from tests.unit.queried_table import (
    Json,
    MemoryTable,
    after,
    following,
    ids,
    item,
    measured,
    never,
    reported,
    request_for,
    scan_of,
    simple_table,
)


def test_slice_reads_a_page_however_little_time_there_is() -> None:
    table = simple_table([item("a", at, 20) for at in range(3)], page_bytes=1)
    progress = measured(request_for(ids("a", "b")), table.query, lambda: True).progress
    assert not progress.done
    assert progress.to_state() | {"measure": None} == {
        "formatVersion": 3,
        "done": False,
        "position": 0,
        "slices": 1,
        "startKey": {"id": {"S": "a"}, "at": {"N": "0"}},
        "measure": None,
        "counts": {"keys": 0, "items": 0},
        "bytes": 0,
        "readUnits": 0.5,
        "requests": 1,
        "parts": [],
        "largest": [],
        "largestLeftOut": -1,
        "failedKeys": [],
    }


def test_progress_that_is_done_stays_so() -> None:
    table = simple_table([item("a", 1)])
    request = request_for(ids("a"))
    progress = measured(request, table.query, never).progress
    again = measured(following(request, progress), table.query, never)
    assert again == MeasureSliceResult(replace(progress, slices=2), [])


def test_parts_are_named_by_the_batch_and_the_slice() -> None:
    table = simple_table([])
    request = request_for(ids("a", "b"))
    first = measured(request, table.query, lambda: True).progress
    second = measured(following(request, first), table.query, lambda: True).progress
    digest = sha256(b'{"id": {"S": "a"}}').hexdigest()
    assert second.parts == tuple(f"distinct_keys/fixture/report/{digest}-{number:04}.jsonl" for number in (0, 1))
    assert request_for(ids("b", "a")).part_key != request.part_key


class Batch:
    """A batch with its slices, as the state machine and S3 see it."""

    def __init__(self, request: MeasureRequest, query: Callable[[bytes], Json]) -> None:
        self.request = request
        self.objects: dict[str, list[Json]] = {}
        self._query = query

    def slice(self, is_time_up: Callable[[], bool]) -> MeasureProgress:
        """One attempt: what it returns is lost unless it is passed to `accept`."""
        result = measured(self.request, self._query, is_time_up)
        if result.lines:
            self.objects[self.request.part_key] = reported(result)
        return result.progress

    def accept(self, progress: MeasureProgress) -> None:
        """The attempt's answer has come through."""
        assert progress.slices == self.request.progress.slices + 1
        self.request = following(self.request, progress)

    def report(self) -> list[Json]:
        """What the run's report takes from this batch."""
        return [line for part in self.request.progress.parts for line in self.objects[part]]


sort_values = {
    "N": st.integers(-(10**37), 10**37).map(str),
    "S": st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4),
    "B": st.binary(min_size=1, max_size=4).map(lambda value: base64.b64encode(value).decode()),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[MemoryTable, Json, list[Json]]:
    """A table with pages of any size, its scan, and its keys, of which some have no items."""
    kind = draw(st.sampled_from(["N", "S", "B", None]))
    names = draw(st.lists(st.text("aé😀\U0010ffff", min_size=1, max_size=3), min_size=1, max_size=14, unique=True))
    items: list[Json] = []
    for name in names:
        padding: Json = {"text": {"S": "x" * draw(st.integers(0, 300))}}
        if kind is None:
            items += [{"id": {"S": name}, **padding}] * draw(st.integers(0, 1))
            continue
        for value in draw(st.lists(sort_values[kind], max_size=12, unique=True)):
            items.append({"id": {"S": name}, "at": {kind: value}, **padding})
    page_bytes = draw(st.integers(1, 2000))
    return simple_table(draw(st.permutations(items)), kind, page_bytes), scan_of(kind), ids(*names)


@settings(max_examples=150)
@given(tables(), st.data())
def test_slices_cut_lost_and_repeated_add_up_to_the_whole(
    drawn: tuple[MemoryTable, Json, list[Json]], data: st.DataObject
) -> None:
    table, scan, keys = drawn
    whole = measured(request_for(keys, scan), table.query, never).progress
    batch = Batch(request_for(keys, scan), table.query)
    while not batch.request.progress.done:
        # Attempts whose answer is lost have left their part behind, or been killed before they could.
        for _ in range(data.draw(st.integers(0, 2))):
            batch.slice(after(data.draw(st.integers(0, 12))))
        batch.accept(batch.slice(after(data.draw(st.integers(0, 12)))))
    progress = batch.request.progress
    assert batch.report() == table.lines(keys)
    assert list(progress.largest.lines) == sorted(table.lines(keys), key=lambda line: -line["bytes"])[:10]
    assert replace(progress, slices=1, parts=whole.parts) == whole
    assert progress.items == len(table.items)
    assert progress.bytes == sum(map(item_size, table.items))


def test_error_in_the_middle_ends_the_slice_and_one_at_its_begin_leaves_it_to_be_begun_again() -> None:
    table = simple_table([item(name, at) for name in "abc" for at in range(20)], page_bytes=50)
    failing = iter([*[False] * 11, True, True, *[False] * 1000])

    def query(body: bytes) -> Json:
        if next(failing):
            raise ThrottledError("as told")
        return table.query(body)

    batch = Batch(request_for(ids("a", "b", "c")), query)
    batch.accept(batch.slice(after(4)))
    batch.accept(batch.slice(never))
    with pytest.raises(ThrottledError):
        batch.slice(never)
    batch.accept(batch.slice(never))
    progress = batch.request.progress
    assert batch.report() == table.lines(ids("a", "b", "c"))
    assert (progress.requests, progress.read_units) == (len(table.request), len(table.request) / 2)


def test_stale_part_of_a_longer_attempt_is_outside_the_report() -> None:
    table = simple_table([item(name, at) for name in "ab" for at in range(9)], page_bytes=30)
    batch = Batch(request_for(ids("a", "b")), table.query)
    batch.slice(never)
    batch.accept(batch.slice(after(0)))
    batch.accept(batch.slice(never))
    assert batch.report() == table.lines(ids("a", "b"))
    assert len(batch.request.progress.parts) == 1
    assert len(batch.objects) == 2


# Bounds.


def pages_of(items: int, pages: int) -> Callable[[bytes], Json]:
    """One huge collection, of which no more than a page exists at a time."""

    def query(body: bytes) -> Json:
        page = int(json.loads(body).get("ExclusiveStartKey", item("a", 0))["at"]["N"]) + 1
        answer: Json = {"Items": [item("a", page, 50)] * items, "ConsumedCapacity": {"CapacityUnits": 0.5}}
        return answer | ({"LastEvaluatedKey": {"id": {"S": "a"}, "at": {"N": str(page)}}} if page < pages else {})

    return query


def test_huge_collection_takes_the_memory_of_a_page_and_little_state() -> None:
    request = request_for(ids("a"))
    query = pages_of(items=100, pages=1000)
    tracemalloc.start()
    try:
        while not request.progress.done:
            request = following(request, measured(request, query, after(249)).progress)
            assert len(json.dumps(request.progress.to_state())) < 1000
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert request.progress.slices == 4
    assert (request.progress.items, request.progress.requests) == (100_000, 1000)
    assert request.progress.largest.lines[0]["newest"] == {"N": "1000"}
    assert peak_bytes < 1 << 20


def test_progress_stays_small_with_the_longest_keys() -> None:
    names = [f"{number:04}" + "k" * 2044 for number in range(30)]
    items = [{"id": {"S": name}, "at": {"S": f"{at}" + "s" * 1023}} for name in names for at in range(3)]
    table = simple_table(items, "S", page_bytes=1)
    batch = Batch(request_for(ids(*names), scan_of("S")), table.query)
    while not batch.request.progress.done:
        batch.accept(batch.slice(after(8)))
        assert len(json.dumps(batch.request.progress.to_state())) < 20_000
    assert batch.report() == table.lines(ids(*names))


def largest_of(*lines: Json) -> Largest:
    """The largest when the collections come in this order."""
    largest = Largest()
    for line in lines:
        largest = largest.plus(line)
    return largest


def sized(size: int, length: int) -> Json:
    """A line about a collection of that size, itself of about that length."""
    return {"key": "k" * length, "bytes": size}


def test_largest_are_fewer_where_keys_are_long_but_always_the_largest() -> None:
    long = LARGEST_MAX_BYTES // 2 - 100
    assert [each["bytes"] for each in largest_of(sized(1, long), sized(3, long), sized(2, long)).lines] == [3, 2]
    assert [each["bytes"] for each in largest_of(sized(1, 1), sized(2, LARGEST_MAX_BYTES)).lines] == [2]


def test_small_collection_does_not_displace_a_larger_one_that_is_left_out() -> None:
    largest = largest_of(sized(3, 5000), sized(2, 5000), sized(1, 1))
    assert [each["bytes"] for each in largest.lines] == [3]
    assert largest.left_out == 2


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 4000)), max_size=25, unique_by=lambda each: each[0]),
    st.randoms(use_true_random=False),
)
def test_largest_are_the_same_in_whatever_order_collections_come(lines: list[tuple[int, int]], random: Any) -> None:
    one = [sized(*each) for each in lines]
    other = random.sample(one, len(one))
    assert largest_of(*one) == largest_of(*other)
    ranked = sorted(one, key=lambda line: -line["bytes"])
    kept = largest_of(*one).lines
    assert list(kept) == ranked[: len(kept)]
    assert len(kept) <= LARGEST
