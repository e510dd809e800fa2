"""Slices: where they stop and continue, what dry runs foresee, and what a rate admits."""

from __future__ import annotations

import json
import tracemalloc
from itertools import count
from typing import Any

import pytest

from sluice.aws.wire import Attempts
from sluice.dynamodb.keys import KeySchema
from sluice.errors import ThrottledError, UnexpectedResponseError, WireError
from sluice.limits import REJECTS_MAX_BYTES
from sluice.mapping.delete import DELETE
from sluice.run_item.shares import UnitKind
from sluice.runs.counts import Counts
from sluice.workflows.table_transform.input import Table
from sluice.workflows.table_transform.progress import Changes, TransformProgress
from sluice.workflows.table_transform.scan import ItemScan
from sluice.workflows.table_transform.slice import ITEMS_PER_CHECK
from sluice.workflows.table_transform.slice_log import SAMPLE_MAX_BYTES, Sample
from tests.unit.fake_tables import FakeTable, FakeTables, Json
from tests.unit.segment_slices import (
    BIRDS_TABLE,
    NESTS_TABLE,
    Item,
    Segment,
    always,
    bird,
    birds_and_nests,
    dry_run,
    in_place,
    into_nests,
    job,
    lines,
    louder,
    named,
    names,
    nest,
)


def test_slices_continue_where_the_one_before_stopped() -> None:
    tables = birds_and_nests(*(bird(f"b{number}", name="owl") for number in range(300)), page_items=1_000)
    # What is not to be changed takes nothing to be waited for.
    progress = dry_run(tables, louder).run_to_the_end()
    assert (progress.slices, progress.counts.read) == (-(-300 // ITEMS_PER_CHECK), 300)
    progress = in_place(tables, louder).run(None, always).progress
    assert progress.counts.read == 1
    assert progress.start_key is not None
    whole = in_place(tables, louder).run_to_the_end()
    assert whole.counts == Counts(read=300, written=299, skipped=1)
    assert (whole.done.scanned, whole.start_key) == (300, None)
    assert set(names(tables)) == {"OWL"}


def test_hot_collection_is_worked_through_by_the_same_slices() -> None:
    schema = KeySchema.from_state([{"name": "pk", "type": "S"}, {"name": "at", "type": "N"}])
    tables = FakeTables(birds=FakeTable(schema, page_items=50))
    items = [bird("hot", at=number, name="owl") for number in range(400)]
    items += [bird(f"cold {number}", at=0, name="owl") for number in range(20)]
    tables.tables["birds"].put(*items)
    segment = in_place(tables, louder, table=Table("birds", schema))
    progress, keys = TransformProgress(), set()
    while not progress.is_done:
        progress = segment.run(progress, Countdown(120)).progress
        keys.add((progress.start_key or {}).get("pk", {}).get("S"))
    assert (progress.counts, set(names(tables))) == (Counts(read=420, written=420), {"OWL"})
    # Several slices end in the middle of the one collection.
    assert progress.slices > len(keys)
    assert "hot" in keys


class Countdown:
    """The time is up after so many checks."""

    def __init__(self, request: int) -> None:
        self._left = request

    def __call__(self) -> bool:
        self._left -= 1
        return self._left < 0


def test_progress_survives_the_state() -> None:
    tables = named("owl", "poison", "jay")
    result = in_place(tables, louder).run(None, always)
    state = json.loads(json.dumps(result.progress.to_state()))
    assert TransformProgress.from_state(state) == result.progress


def test_many_rejects_end_a_slice() -> None:
    birds = [bird(f"b{number:03}", name="x" * 300_000) for number in range(130)]
    tables = birds_and_nests(*birds, page_items=4)

    def poison(_item: Item) -> Any:
        raise ValueError

    result = dry_run(tables, poison).run()
    assert REJECTS_MAX_BYTES < len(result.rejects) < REJECTS_MAX_BYTES + 5 * 310_000
    assert not result.progress.is_done
    whole = dry_run(tables, poison).run_to_the_end()
    assert whole.counts == Counts(read=130, rejected=130)


def test_throttle_before_anything_was_done_is_reported() -> None:
    tables = named("owl")

    def throttle(_number: int, operation: str) -> None:
        if operation == "UpdateItem":
            raise ThrottledError("told to")

    tables.before = throttle
    with pytest.raises(ThrottledError):
        in_place(tables, louder).run()
    assert names(tables) == ["owl"]


def test_page_that_lacks_what_every_page_has_is_refused() -> None:
    with pytest.raises(UnexpectedResponseError, match="a page of birds has no 'ScannedCount'"):
        ItemScan(BIRDS_TABLE, 0, 1, None).page({"Items": []})


def test_sample_is_of_a_bounded_size() -> None:
    sample = Sample(3, "seed")
    for number in range(1_000):
        if (slot := sample.slot()) is not None:
            sample.put(slot, b"%d" % number)
    assert len(sample.lines) == 3
    assert max(map(int, sample.lines)) > 100
    large = Sample(100, "seed")
    for _ in range(50):
        if (slot := large.slot()) is not None:
            large.put(slot, b"x" * (1 << 20))
    assert sum(map(len, large.lines)) == SAMPLE_MAX_BYTES


class LongTable(FakeTables):
    """A table of so many items, each made as it is read."""

    def __init__(self, items: int) -> None:
        super().__init__()
        self._items = items

    def call(self, operation: str, body: bytes, attempts: Attempts | None = None) -> Json:
        """Scan and UpdateItem."""
        capacity = {"CapacityUnits": 1.0}
        if operation == "UpdateItem":
            return {"ConsumedCapacity": capacity}
        start = json.loads(body).get("ExclusiveStartKey", bird("-1"))
        first = int(start["pk"]["S"]) + 1
        items = [bird(str(number), name="owl" * 20) for number in range(first, min(first + 1_000, self._items))]
        answer: Json = {"Items": items, "ScannedCount": len(items), "ConsumedCapacity": capacity}
        return answer | ({"LastEvaluatedKey": bird(items[-1]["pk"]["S"])} if first + 1_000 < self._items else {})


def peak_bytes(items: int) -> int:
    """The most memory that a slice of so many items takes."""
    segment = in_place(LongTable(items), louder)
    tracemalloc.start()
    try:
        assert segment.run().progress.counts == Counts(read=items, written=items)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_many_items_take_no_more_memory_than_few() -> None:
    assert peak_bytes(25_000) < 1.1 * peak_bytes(5_000)


def test_dry_run_writes_nothing_and_says_what_that_would_take() -> None:
    tables = birds_and_nests(
        bird("small", name="owl"),
        bird("same", name="OWL"),
        bird("large", name="x" * 2_000),
        bird("dead", name="y" * 1_500),
    )

    def transform(item: Item) -> Any:
        if item["pk"] == "dead":
            return DELETE
        return {"pk": "large", "name": "z"} if item["pk"] == "large" else louder(item)

    result = dry_run(tables, transform).run()
    assert {operation for operation, _ in tables.log} == {"Scan"}
    assert result.progress.counts == Counts(read=4, skipped=4)
    assert result.progress.done.changes == Changes(changed=2, unchanged=1, deleted=1)
    # One unit for the small item, two for what the large one was, two for the dead one.
    assert (result.progress.done.planned_write_units, result.progress.done.write_units) == (5.0, 0.0)
    sample = {each["key"]["pk"]["S"]: each for each in lines(result.sample)}
    assert sample["small"]["after"] == bird("small", name="OWL")
    assert sample["dead"]["after"] is None
    applied = in_place(tables, transform).run().progress
    assert (applied.done.write_units, applied.done.changes) == (5.0, result.progress.done.changes)


@pytest.mark.parametrize("deletes_source", [False, True])
def test_dry_run_into_a_target_counts_puts_and_deletions(deletes_source: bool) -> None:
    tables = named("owl", "wren", "dead", "none")

    def transform(item: Item) -> Any:
        if item["name"] == "none":
            return None
        if item["name"] == "dead" and deletes_source:
            return DELETE
        return [{"id": item["pk"]}, {"id": item["name"], "more": "x" * 1_024}]

    progress = dry_run(tables, transform, target=NESTS_TABLE, deletes_source=deletes_source).run().progress
    assert {operation for operation, _ in tables.log} == {"Scan"}
    # Three units for each that is put, one for each that is deleted.
    assert progress.done.planned_write_units == (2 * 3 + 3 if deletes_source else 3 * 3)
    assert progress.done.changes.deleted == deletes_source


def test_pages_and_writes_keep_to_the_rate() -> None:
    tables = birds_and_nests(*(bird(f"b{number:03}", name="x") for number in range(120)))
    limits = {UnitKind.READ: 60.0, UnitKind.WRITE: 2_000.0}
    progress = Segment(tables, louder, job(), limits=limits).run().progress
    assert progress.counts.written == 120
    pages = tables.operations("Scan")
    assert pages[0]["Limit"] == 30
    assert len(pages) > 1


def test_page_that_the_rate_does_not_admit_in_time_is_left_to_the_next_slice() -> None:
    tables = birds_and_nests(*(bird(f"b{number:03}", name="x") for number in range(120)))
    limits = {UnitKind.READ: 60.0, UnitKind.WRITE: None}
    segment = Segment(tables, lambda _item: None, job(), limits=limits)
    progress = segment.run(None, lambda: len(tables.log) > 1).progress
    assert (progress.counts.read, progress.is_done, bool(progress.unsettled)) == (progress.done.scanned, False, False)
    assert segment.run(progress).progress.counts.read == 120


def test_withdrawal_that_is_not_allowed_ends_the_slice() -> None:
    tables = named("owl")

    def write(number: int, operation: str) -> None:
        if operation == "DeleteItem":
            tables.tables["birds"].put(bird("b0", name="owl2"))
            if tables.log[-1][1]["TableName"] == "nests":
                raise WireError("LimitExceededException", "too much", 400)

    tables.before = write
    with pytest.raises(WireError, match="LimitExceededException"):
        into_nests(tables, nest, deletes_source=True).run()


def test_put_that_the_rate_does_not_admit_in_time_is_left_to_the_next_slice() -> None:
    tables = birds_and_nests(*(bird(f"b{number:03}", name="x") for number in range(20)))
    limits = {UnitKind.READ: None, UnitKind.WRITE: 10.0}
    segment = Segment(tables, nest, job(target=NESTS_TABLE), limits=limits)
    # Looked at before and after every wait: the first item is through by then, the last one is not.
    looks = count(1)
    progress = segment.run(None, lambda: next(looks) > 4).progress
    assert 0 < progress.counts.read < 20
    assert progress.counts.read == progress.counts.written == len(tables.tables["nests"].items)
