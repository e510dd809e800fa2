"""Items put into another table, and moved there."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.dynamodb.writers import OnConflict
from sluice.errors import ThrottledError, WireError
from sluice.mapping.delete import DELETE
from sluice.runs.counts import Counts
from tests.unit.fake_tables import FakeTables, denied
from tests.unit.segment_slices import (
    Item,
    bird,
    birds_and_nests,
    into_nests,
    lines,
    named,
    names,
    nest,
)


@pytest.mark.parametrize(
    ("on_conflict", "counts", "name"),
    [
        (OnConflict.REPLACE, Counts(read=4, written=3, skipped=1), "owl"),
        (OnConflict.KEEP, Counts(read=4, written=2, skipped=2), "eagle"),
        (OnConflict.REJECT, Counts(read=4, written=2, skipped=1, rejected=1), "eagle"),
    ],
)
def test_items_that_the_target_has_are_treated_as_in_a_load(on_conflict: OnConflict, counts: Counts, name: str) -> None:
    tables = named("owl", "none", "tit", "jay")
    tables.tables["nests"].put({"id": {"S": "b0"}, "name": {"S": "eagle"}})
    progress = into_nests(
        tables, lambda item: None if item["name"] == "none" else nest(item), on_conflict=on_conflict
    ).run()
    assert progress.progress.counts == counts
    assert [item["name"]["S"] for item in tables.tables["nests"].all] == [name, "tit", "jay"]
    assert len(tables.tables["birds"].items) == 4


def test_item_whose_puts_are_refused_in_part_is_rejected() -> None:
    tables = named("owl", "jay")

    def transform(item: Item) -> list[Item]:
        return [nest(item), {"id": f"{item['pk']}x", **({"refuse": 1} if item["name"] == "jay" else {})}]

    result = into_nests(tables, transform, deletes_source=True).run()
    assert result.progress.counts == Counts(read=2, written=1, rejected=1)
    assert names(tables) == ["jay"]
    assert lines(result.rejects)[0]["error"] == "WriteRejected"


def test_item_that_was_kept_in_part_is_not_moved() -> None:
    tables = named("owl")
    tables.tables["nests"].put({"id": {"S": "b0"}, "name": {"S": "eagle"}})
    segment = into_nests(
        tables, lambda item: [nest(item), {"id": "other"}], on_conflict=OnConflict.KEEP, deletes_source=True
    )
    assert segment.run().progress.counts == Counts(read=1, skipped=1)
    assert names(tables) == ["owl"]
    copied = into_nests(tables, lambda item: [nest(item), {"id": "third"}], on_conflict=OnConflict.KEEP)
    assert copied.run().progress.counts == Counts(read=1, written=1)


def test_move_whose_source_cannot_be_deleted_is_rejected() -> None:
    tables = named("owl")

    def refuse(_number: int, operation: str) -> None:
        if operation == "DeleteItem":
            raise WireError("ValidationException", "The expression contains too many operators", 400)

    tables.before = refuse
    progress = into_nests(tables, nest, deletes_source=True).run().progress
    assert progress.reasons == {"WriteRejected": 1}
    assert names(tables) == ["owl"]


def test_put_that_is_taken_back_keeps_what_others_have_made_of_it() -> None:
    tables = named("owl", "jay")
    tables.tables["birds"].page_items = 10

    def write(_number: int, operation: str) -> None:
        if operation == "DeleteItem" and len(tables.operations("DeleteItem")) == 1:
            for item in tables.tables["nests"].all:
                tables.tables["nests"].put(
                    item | ({"more": {"S": "x"}} if item["id"]["S"] == "b0" else {"name": {"S": "z"}})
                )
            tables.tables["birds"].put(bird("b0", name="owl2"), bird("b1", name="jay2"))

    tables.before = write
    result = into_nests(tables, nest, deletes_source=True, on_conflict=OnConflict.KEEP).run()
    assert [(item["name"]["S"], "more" in item) for item in tables.tables["nests"].all] == [("owl", True), ("z", False)]
    assert names(tables) == ["owl2", "jay2"]
    assert result.progress.counts == Counts(read=2, skipped=2)


def test_what_has_arrived_is_deleted_also_when_the_time_is_up() -> None:
    tables = named("owl", "jay", "tit")
    segment = into_nests(tables, nest, deletes_source=True)
    progress = segment.run(None, lambda: bool(tables.operations("BatchWriteItem"))).progress
    assert progress.counts == Counts(read=3, written=3)
    assert not tables.tables["birds"].items


def added_to_as_it_is_deleted(tables: FakeTables) -> None:
    """Another writer adds to the item before the first DeleteItem."""

    def write(_number: int, operation: str) -> None:
        if operation == "DeleteItem" and len(tables.operations("DeleteItem")) == 1:
            tables.tables["birds"].put(bird("b0", name="owl", more="x"))

    tables.before = write


def test_item_that_was_added_to_as_it_was_moved_is_moved_with_that() -> None:
    tables = named("owl")
    added_to_as_it_is_deleted(tables)
    progress = into_nests(tables, lambda item: nest(item) | item, deletes_source=True).run().progress
    assert (progress.counts, progress.done.changes.conflicts) == (Counts(read=1, written=1), 1)
    assert tables.tables["nests"].all == [bird("b0", name="owl", more="x") | {"id": {"S": "b0"}}]
    assert not tables.tables["birds"].items


@pytest.mark.parametrize("transform", [nest, lambda _item: DELETE])
def test_item_that_becomes_the_same_with_what_was_added_is_moved(transform: Any) -> None:
    tables = named("owl")
    added_to_as_it_is_deleted(tables)
    progress = into_nests(tables, transform, deletes_source=True).run().progress
    assert (progress.counts, progress.done.changes.conflicts) == (Counts(read=1, written=1), 0)
    assert not tables.tables["birds"].items
    assert not tables.operations("UpdateItem")


def test_item_that_others_change_all_the_time_is_not_moved() -> None:
    tables = named("owl")

    def write(number: int, operation: str) -> None:
        if operation == "DeleteItem" and tables.log[-1][1]["TableName"] == "birds":
            tables.tables["birds"].put(bird("b0", name=f"owl{number}"))

    tables.before = write
    progress = into_nests(tables, nest, deletes_source=True).run().progress
    assert progress.reasons == {"WriteConflict": 1}
    assert (len(tables.tables["birds"].items), len(tables.tables["nests"].items)) == (1, 0)


def test_item_that_must_not_be_moved_with_what_was_added_stays() -> None:
    tables = named("owl")
    added_to_as_it_is_deleted(tables)

    def transform(item: Item) -> Item:
        if "more" in item:
            raise ValueError("bad egg")
        return nest(item)

    progress = into_nests(tables, transform, deletes_source=True).run().progress
    assert progress.reasons == {"TransformFailed": 1}
    assert tables.tables["birds"].all == [bird("b0", name="owl", more="x")]
    assert not tables.tables["nests"].items


def test_moved_item_that_cannot_go_back_is_in_the_rejects() -> None:
    tables = named("owl")
    added_to_as_it_is_deleted(tables)
    adds = tables.before

    def before(number: int, operation: str) -> None:
        adds(number, operation)
        if operation == "UpdateItem":
            denied(number, operation)

    tables.before = before
    result = into_nests(tables, lambda item: nest(item) | item, deletes_source=True).run()
    (reject,) = lines(result.rejects)
    assert (reject["error"], reject["record"]) == ("WriteConflict", bird("b0", name="owl", more="x"))


def test_poison_bound_for_a_target_is_rejected() -> None:
    tables = named("owl", "jay")
    progress = into_nests(tables, lambda item: nest(item) if item["name"] == "owl" else item["x"]).run().progress
    assert progress.counts == Counts(read=2, written=1, rejected=1)


@pytest.mark.parametrize("page_items", [50, 150])
def test_throttle_of_a_put_ends_the_slice_before_its_page(page_items: int) -> None:
    tables = birds_and_nests(*(bird(f"b{number:03}", name="x") for number in range(300)), page_items=page_items)

    def throttle(_number: int, operation: str) -> None:
        if operation == "PutItem" and len(tables.operations("PutItem")) > page_items + 10:
            raise ThrottledError("told to")

    tables.before = throttle
    segment = into_nests(tables, nest, on_conflict=OnConflict.REJECT)
    first = segment.run().progress
    assert (first.counts.read, bool(first.unsettled)) == (page_items, True)
    tables.before = lambda _number, _operation: None
    whole = segment.run(first).progress
    assert whole.counts == Counts(read=300, written=300)


def test_throttle_of_a_deletion_ends_the_slice_before_its_item() -> None:
    tables = named("owl", "jay", "tit", "wren", "nuthatch")

    def throttle(_number: int, operation: str) -> None:
        if operation == "DeleteItem" and len(tables.operations("DeleteItem")) == 5:
            raise ThrottledError("told to")

    tables.before = throttle
    segment = into_nests(tables, nest, deletes_source=True)
    first = segment.run().progress
    assert (first.counts.read, bool(first.unsettled)) == (4, True)
    assert segment.run(first).progress.counts == Counts(read=5, written=5)
    assert (len(tables.tables["birds"].items), len(tables.tables["nests"].items)) == (0, 5)
