"""Writers that change items between any two requests of a run: none of their writes is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.dynamodb.plain import plain_item
from sluice.dynamodb.values import encode_attributes
from sluice.dynamodb.writers import OnConflict
from sluice.mapping.delete import DELETE
from sluice.workflows.table_transform.progress import TransformProgress
from tests.unit.fake_tables import FakeTable, FakeTables, Json
from tests.unit.segment_slices import (
    NESTS,
    Segment,
    always,
    bird,
    birds_and_nests,
    in_place,
    into_nests,
    never,
    typed,
    where,
)

NAMES = "abcdefgh"
Item = dict[str, Any]


def tidied(item: Item) -> Item:
    """Even numbers, labels with a mark, nothing old: applied again it changes nothing."""
    if "n" in item:
        item["n"] -= item["n"] % 2
    if not item.setdefault("label", "").endswith("|t"):
        item["label"] += "|t"
    item.pop("old", None)
    return item


def tidied_or_deleted(item: Item) -> Any:
    """What is added to an item may save it."""
    return DELETE if "dead" in item and "stays" not in item else tidied(item)


def nest(item: Item) -> Any:
    """The target's key depends on what writers change."""
    if item.get("dead"):
        return DELETE
    if item.get("stays"):
        return None
    return {**tidied(item), "id": f"{item['pk']}-{item.get('n', 0) % 3}"}


@dataclass(frozen=True)
class Write:
    """What another writer does to one item. A delete or a put is of an item that is there."""

    kind: Literal["set", "remove", "delete", "put"]
    name: str
    attribute: str
    value: Any


@dataclass
class Writers:
    """Their writes, as they come before each request; `alone` is how the table were with theirs alone."""

    tables: FakeTables
    schedule: dict[int, list[Write]]
    alone: dict[str, Json] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.alone = {item["pk"]["S"]: dict(item) for item in self.tables.tables["birds"].all}
        self.tables.before = lambda number, _operation: self.write(number)

    def write(self, number: int) -> None:
        for each in self.schedule.get(number, ()):
            self._write(each)

    def _write(self, write: Write) -> None:
        table, key = self.tables.tables["birds"], bird(write.name)
        there = table.get(key)
        if there is None and write.kind != "set":
            return
        if write.kind == "delete":
            del table.items[table.key(key)]
            self.alone.pop(write.name, None)
            self.deleted.add(write.name)
            return
        both = [dict(there or key), dict(self.alone.get(write.name, key))]
        if write.kind == "put":
            both = [dict(key), dict(key)]
        for item in both:
            item.pop(write.attribute, None)
            if write.kind != "remove":
                item[write.attribute] = typed(write.value)
        table.put(both[0])
        self.alone[write.name] = both[1]


VALUES = {
    "n": st.integers(0, 99),
    "label": st.sampled_from(["x", "y", "z|t"]),
    "old": st.sampled_from(["x", "y"]),
    "note": st.integers(0, 99),
    "dead": st.just(1),
    "stays": st.just(1),
}


def writes(*attributes: str) -> st.SearchStrategy[Write]:
    return st.sampled_from(attributes).flatmap(
        lambda attribute: st.builds(
            Write,
            st.sampled_from(["set", "set", "set", "remove", "delete", "put"]),
            st.sampled_from(NAMES),
            st.just(attribute),
            VALUES[attribute],
        )
    )


def schedules(*attributes: str) -> st.SearchStrategy[dict[int, list[Write]]]:
    """Many writes, early ones too: a table of eight items takes some twenty requests."""
    timed = st.lists(st.tuples(st.integers(0, 25), writes(*attributes)), min_size=0, max_size=60)
    return timed.map(
        lambda pairs: {number: [write for at, write in pairs if at == number] for number in {at for at, _ in pairs}}
    )


def birds(*attributes: str, **always: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Json]]:
    """Each may have the attributes, and has those of `always`."""
    one = st.fixed_dictionaries(always, optional={name: VALUES[name] for name in attributes})
    return st.lists(one, min_size=len(NAMES), max_size=len(NAMES)).map(
        lambda made: [bird(name, **each) for name, each in zip(NAMES, made, strict=True)]
    )


def run(segment: Segment, times_up: Sequence[bool]) -> TransformProgress:
    """Slice after slice; some of them end as soon as they may."""
    ends, progress = iter(times_up), TransformProgress()
    while not progress.is_done:
        is_short = next(ends, False)
        progress = segment.run(progress, always if is_short else never).progress
    progress.counts.check("segment")
    return progress


def applied(transform: Callable[[Item], Any], items: dict[str, Json]) -> dict[str, Json]:
    """What the transform makes of each item."""
    made = {name: transform(plain_item(item)) for name, item in items.items()}
    return {name: stored(item) for name, item in made.items() if item is not DELETE}


def stored(item: Item) -> Json:
    return {name: json.loads(value) for name, value in encode_attributes(item).items()}


def by_name(tables: FakeTables) -> dict[str, Json]:
    return {item["pk"]["S"]: item for item in tables.tables["birds"].all}


IN_PLACE = ("n", "label", "old", "note")


@settings(max_examples=150)
@given(birds(*IN_PLACE), schedules(*IN_PLACE), st.lists(st.booleans(), max_size=4), st.integers(1, 9))
def test_changes_in_place_keep_every_write(
    items: list[Json], schedule: dict[int, list[Write]], times_up: list[bool], page_items: int
) -> None:
    tables = birds_and_nests(*items, page_items=page_items)
    writers = Writers(tables, schedule)
    run(in_place(tables, tidied), times_up)
    for name, item in by_name(tables).items():
        alone = writers.alone[name]
        tidy = applied(tidied, {name: alone})[name]
        assert item.keys() - alone.keys() <= {"label"}
        assert alone.keys() - item.keys() <= {"old"}
        assert all(item[each] in (alone.get(each), tidy.get(each)) for each in item)
    assert by_name(tables).keys() == writers.alone.keys()
    tables.before = lambda _number, _operation: None
    run(in_place(tables, tidied), [])
    assert by_name(tables) == applied(tidied, writers.alone)


DELETED = (*IN_PLACE, "dead", "stays")


@settings(max_examples=150)
@given(birds(*DELETED), schedules(*DELETED), st.lists(st.booleans(), max_size=4), st.integers(1, 9))
def test_deletions_keep_every_write(
    items: list[Json], schedule: dict[int, list[Write]], times_up: list[bool], page_items: int
) -> None:
    tables = birds_and_nests(*items, page_items=page_items)
    writers = Writers(tables, schedule)

    saved: dict[str, Json] = {}

    def changed(_table: str, old: Json | None, new: Json | None) -> None:
        item = old or new
        assert item is not None
        name = item["pk"]["S"]
        if old and new is None:
            before = writers.alone.pop(name)
            if "stays" in old:
                saved[name] = before
        elif new and name in saved:
            # What was written in between has come on top of what is put back.
            writers.alone[name] = saved.pop(name) | writers.alone.get(name, {})

    tables.on_change = changed
    run(in_place(tables, tidied_or_deleted), times_up)
    assert not saved
    tables.before = lambda _number, _operation: None
    run(in_place(tables, tidied_or_deleted), [])
    assert by_name(tables) == applied(tidied_or_deleted, writers.alone)


@settings(max_examples=150)
@given(
    birds("n", "old", note=st.integers(0, 49)),
    schedules("note", "note", "note", "n"),
    st.lists(st.booleans(), max_size=4),
    st.integers(1, 9),
)
def test_items_that_the_filter_leaves_out_by_then_are_left_alone(
    items: list[Json], schedule: dict[int, list[Write]], times_up: list[bool], page_items: int
) -> None:
    tables = birds_and_nests(*items, page_items=page_items)
    Writers(tables, schedule)

    def changed(_table: str, old: Json | None, _new: Json | None) -> None:
        assert old is not None
        assert int(old["note"]["N"]) < 50

    tables.on_change = changed
    few = where("#note < :fifty", {"#note": "note"}, fifty=50)
    progress = run(in_place(tables, tidied, where=few), times_up)
    assert set(progress.reasons) <= {"WriteConflict"}


MOVED = (*IN_PLACE, "dead", "stays")


@settings(max_examples=200)
@given(
    birds(*MOVED),
    schedules(*MOVED),
    st.lists(st.booleans(), max_size=4),
    st.integers(1, 9),
    st.sampled_from(OnConflict),
)
def test_moves_take_every_write_along(
    items: list[Json],
    schedule: dict[int, list[Write]],
    times_up: list[bool],
    page_items: int,
    on_conflict: OnConflict,
) -> None:
    tables = birds_and_nests(*items, page_items=page_items)
    writers = Writers(tables, schedule)
    moved: list[Json] = []

    def changed(table: str, old: Json | None, new: Json | None) -> None:
        if table == "birds" and old and new is None:
            # Whatever was written up to now is moved along.
            assert writers.alone.pop(old["pk"]["S"]) == old
            moved.append(old)
        elif table == "birds" and new:
            back = next(each for each in reversed(moved) if each["pk"] == new["pk"])
            moved.remove(back)
            writers.alone[new["pk"]["S"]] = back | writers.alone.get(new["pk"]["S"], {})

    tables.on_change = changed
    progress = run(into_nests(tables, nest, deletes_source=True, on_conflict=on_conflict), times_up)
    assert progress.reasons.keys() <= {"WriteConflict", "ItemExists"}
    assert by_name(tables) == writers.alone
    expected = FakeTable(NESTS)
    for each in moved:
        item = nest(plain_item(each))
        if item is not DELETE:
            expected.put(stored(item))
    # What is deleted between its put and its deletion may have been moved by another attempt: it stays in the target.
    found = [each for each in tables.tables["nests"].all if each["pk"]["S"] not in writers.deleted]
    assert found == [each for each in expected.all if each["pk"]["S"] not in writers.deleted]
    assert all(each in tables.tables["nests"].all for each in expected.all)
