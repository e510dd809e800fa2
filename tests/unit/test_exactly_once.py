"""Each item is transformed once, whatever dies whenever; foreign writes are kept, and counts are the truth."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluice.dynamodb.writers import OnConflict
from sluice.mapping.delete import DELETE
from tests.unit.attempts_world import DISTURBANCES, GO, STOP, WRITE, World, rejected_keys
from tests.unit.fake_tables import Json
from tests.unit.segment_slices import NESTS_TABLE, bird, birds_and_nests, job

Item = dict[str, Any]
ITEMS = 9


def counter(item: Item) -> Item:
    item["n"] += 1
    return item


def prefix(item: Item) -> Item:
    item["name"] = f"EUR {item['name']}"
    return item


def chance(item: Item) -> Item:
    item["mark"] = str(random.random())
    return item


def toggle(item: Item) -> Item:
    item["on"] = 1 - item["on"]
    return item


def several(item: Item) -> Item:
    item["n"] += 1
    item["on"] = 1 - item["on"]
    item["new"] = item["n"]
    item.pop("old", None)
    return item


def delete(_item: Item) -> Any:
    return DELETE


def some(item: Item) -> Any:
    """Of three items one is counted, one deleted and one left."""
    match int(item["pk"][1:]) % 3:
        case 0:
            return counter(item)
        case 1:
            return DELETE
    return None


def move(item: Item) -> Item:
    return counter(item) | {"id": item["pk"]}


def move_anywhere(item: Item) -> Item:
    return counter(item) | {"id": str(random.random())}


IN_PLACE: dict[str, Callable[[Item], Any]] = {
    each.__name__: each for each in (counter, prefix, chance, toggle, several, delete, some)
}
MOVES: dict[str, Callable[[Item], Any]] = {each.__name__: each for each in (move, move_anywhere)}

decisions = st.lists(
    st.one_of(st.just(GO), st.just(GO), st.just(GO), st.just(GO), st.just(GO), st.sampled_from(DISTURBANCES)),
    max_size=120,
)


class Watched:
    """What the run changed, and what others wrote."""

    def __init__(self, items: int, page_items: int) -> None:
        self.tables = birds_and_nests(
            *(bird(f"b{number}", n=0, name="1", on=0, old="x") for number in range(items)), page_items=page_items
        )
        self.before = {item["pk"]["S"]: dict(item) for item in self.tables.tables["birds"].all}
        self.changes: list[tuple[str, Json | None, Json | None]] = []
        self.tables.on_change = lambda *change: self.changes.append(change)

    def changed(self, table: str) -> Counter[str]:
        """How often the run changed items of the table, by their keys in the source."""
        return Counter((old or new or {})["pk"]["S"] for name, old, new in self.changes if name == table and old != new)

    def by_name(self, table: str = "birds") -> dict[str, Json]:
        return {item["pk"]["S"]: item for item in self.tables.tables[table].all}


def nothing() -> None:
    """Nobody else writes."""


@pytest.mark.parametrize("name", IN_PLACE)
@settings(max_examples=150)
@given(decisions=decisions, page_items=st.integers(1, 10))
def test_in_place_each_item_is_changed_once(name: str, decisions: list[str], page_items: int) -> None:
    check_in_place(name, decisions, page_items)


def check_in_place(name: str, decisions: list[str], page_items: int) -> None:
    """Each item is changed once, and the counts are the truth, whatever these decisions do to the runs."""
    watched = Watched(ITEMS, page_items)
    world = World(watched.tables, IN_PLACE[name], job(), decisions, nothing)
    world.run()
    expected = 6 if name == "some" else ITEMS
    assert not world.rejected
    assert set(watched.changed("birds").values()) == {1}
    assert len(watched.changed("birds")) == expected
    counts = world.done.counts
    assert (counts.read, counts.written, counts.skipped) == (ITEMS, expected, ITEMS - expected)


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("on_conflict", OnConflict)
@settings(max_examples=60)
@given(decisions=decisions, page_items=st.integers(1, 10))
def test_each_item_is_moved_once(name: str, on_conflict: OnConflict, decisions: list[str], page_items: int) -> None:
    watched = Watched(ITEMS, page_items)
    moving = job(target=NESTS_TABLE, deletes_source=True, on_conflict=on_conflict)
    world = World(watched.tables, MOVES[name], moving, decisions, nothing)
    world.run()
    assert not world.rejected
    assert not watched.by_name()
    assert len(watched.tables.tables["nests"].all) == ITEMS
    assert {item["n"]["N"] for item in watched.tables.tables["nests"].all} == {"1"}
    counts = world.done.counts
    assert (counts.read, counts.written) == (ITEMS, ITEMS)


@pytest.mark.parametrize("on_conflict", OnConflict)
@settings(max_examples=60)
@given(decisions=decisions, page_items=st.integers(1, 10))
def test_each_item_is_copied_once(on_conflict: OnConflict, decisions: list[str], page_items: int) -> None:
    watched = Watched(ITEMS, page_items)
    other = {"id": {"S": "b0"}, "pk": {"S": "b0"}, "n": {"N": "7"}}
    watched.tables.tables["nests"].put(other)
    anywhere = {"n": 0}

    def copy(item: Item) -> Any:
        anywhere["n"] += 1
        return [move(dict(item)), {"id": f"{item['pk']}-{anywhere['n']}", "pk": item["pk"], "n": 1}]

    world = World(watched.tables, copy, job(target=NESTS_TABLE, on_conflict=on_conflict), decisions, nothing)
    world.run()
    rejected = list(rejected_keys(world))
    assert rejected == (["b0"] if on_conflict is OnConflict.REJECT else [])
    assert watched.by_name().keys() == watched.before.keys()
    assert len(watched.tables.tables["nests"].all) == 2 * ITEMS
    assert world.done.counts.written == ITEMS - len(rejected)


VALUES = st.lists(st.tuples(st.integers(0, ITEMS - 1), st.sampled_from(["set", "delete", "put"])), max_size=40)


@pytest.mark.parametrize("name", ["counter", "prefix", "several"])
@settings(max_examples=200)
@given(
    decisions=st.lists(
        st.one_of(st.just(GO), st.just(WRITE), st.just(WRITE), st.sampled_from(DISTURBANCES)), max_size=120
    ),
    page_items=st.integers(1, 10),
    values=VALUES,
)
def test_writes_of_others_are_kept(
    name: str, decisions: list[str], page_items: int, values: list[tuple[int, str]]
) -> None:
    """Every change of the run is made to what another writer left, and only one for each life of an item."""
    watched = Watched(ITEMS, page_items)
    writes = Writes(watched, values)
    world = World(watched.tables, IN_PLACE[name], job(), decisions, writes.write)
    world.run()
    rejected = Counter(rejected_keys(world))
    assert max(rejected.values(), default=1) == 1
    for _, old, new in watched.changes:
        assert old is not None
        assert new is not None
        assert stored(IN_PLACE[name](plain(old))) == new
    changed = watched.changed("birds")
    assert max(changed.values(), default=1) == 1
    assert {each["error"] for each in world.rejected} <= {"WriteConflict"}
    counts = world.done.counts
    # A change after which the item is rejected or gone is one of which nobody can know.
    assert counts.written >= len(changed.keys() - rejected.keys() - writes.deleted)
    assert counts.written <= len(changed)
    assert counts.check("runs").read + len(writes.deleted) >= ITEMS


class Writes:
    """Writes of others: attributes get values that nobody else writes, items go, and come back as others."""

    def __init__(self, watched: Watched, values: list[tuple[int, str]], *, puts_again: bool = False) -> None:
        self._watched = watched
        self._puts_again = puts_again
        self._values = iter(values)
        self._next = 1000
        self.deleted: set[str] = set()
        self.put_again: set[str] = set()

    def write(self) -> None:
        number, kind = next(self._values, (0, ""))
        table, self._next = self._watched.tables.tables["birds"], self._next + 2
        item = table.get(bird(f"b{number}"))
        if item is None and kind and self._puts_again:
            self.put_again.add(f"b{number}")
            table.put(bird(f"b{number}", n=self._next, name=str(self._next), on=self._next))
        if item is None or not kind:
            return
        if kind == "delete":
            self.deleted.add(f"b{number}")
            del table.items[table.key(item)]
        elif kind == "set":
            table.put(item | {"n": {"N": str(self._next)}, "name": {"S": str(self._next)}})
        else:
            table.put(bird(f"b{number}", n=self._next, name=str(self._next), on=self._next))


def plain(item: Json) -> Item:
    return {name: int(value["N"]) if "N" in value else value["S"] for name, value in item.items()}


def stored(item: Item) -> Json:
    return bird(item["pk"], **{name: value for name, value in item.items() if name != "pk"})


def test_stop_and_resume_at_every_request() -> None:
    """The case of a stopped counter: each item was counted twice."""
    at = 0
    while True:
        watched = Watched(ITEMS, 4)
        world = World(watched.tables, counter, job(), [GO] * at + [STOP], nothing)
        world.run()
        assert {item["n"]["N"] for item in watched.by_name().values()} == {"1"}
        assert (world.done.counts.read, world.done.counts.written) == (ITEMS, ITEMS)
        if len(world.names) == 1:
            break
        at += 1
    assert at >= ITEMS + 7


@pytest.mark.parametrize("on_conflict", OnConflict)
@settings(max_examples=100)
@given(
    decisions=st.lists(
        st.one_of(st.just(GO), st.just(WRITE), st.just(WRITE), st.sampled_from(DISTURBANCES)), max_size=120
    ),
    page_items=st.integers(1, 10),
    values=VALUES,
)
def test_moves_take_the_writes_of_others_along(
    on_conflict: OnConflict, decisions: list[str], page_items: int, values: list[tuple[int, str]]
) -> None:
    """What leaves the source is in the target; unless an item is rejected, it is not in both."""
    watched = Watched(ITEMS, page_items)
    writes = Writes(watched, values, puts_again=True)
    moving = job(target=NESTS_TABLE, deletes_source=True, on_conflict=on_conflict)
    world = World(watched.tables, move, moving, decisions, writes.write)
    world.run()
    rejected = set(rejected_keys(world))
    nests = watched.by_name("nests")
    for table, old, new in watched.changes:
        if table == "birds" and old is not None and new is None:
            # The last move of the item: what was deleted is what arrived, at that moment.
            assert old["pk"]["S"] in nests
    moved = [old for table, old, new in watched.changes if table == "birds" and old and new is None]
    for old in moved:
        name = old["pk"]["S"]
        last = [each for each in moved if each["pk"]["S"] == name][-1]
        if on_conflict is OnConflict.REPLACE and name not in rejected:
            assert nests[name] == stored(move(plain(last)))
    both = watched.by_name().keys() & nests.keys()
    # An item that others put again after it was moved is theirs.
    assert both - rejected <= writes.put_again
    assert world.done.counts.check("runs").read + len(writes.deleted) >= ITEMS


DONE: dict[str, tuple[Callable[[Item], Any], dict[str, Any]]] = {
    **{name: (transform, {}) for name, transform in IN_PLACE.items()},
    **{name: (transform, {"target": NESTS_TABLE, "deletes_source": True}) for name, transform in MOVES.items()},
    "copy": (move, {"target": NESTS_TABLE, "on_conflict": OnConflict.KEEP}),
}


@pytest.mark.parametrize("name", DONE)
@settings(max_examples=60)
@given(before=decisions, undoing=decisions, again=decisions, touched=st.sets(st.integers(0, ITEMS - 1)))
# A worker that stalls with what a slice before it has left, while its successor makes that.
@example(before=[], undoing=[], again=[GO] * 13 + ["time up"] + [GO] * 3 + ["stall"], touched=set())
def test_undo_restores_what_nobody_changed_since_and_can_be_undone(
    name: str, before: list[str], undoing: list[str], again: list[str], touched: set[int]
) -> None:
    watched = Watched(ITEMS, 4)
    if name == "copy":
        watched.tables.tables["nests"].put({"id": {"S": "b0"}, "pk": {"S": "b0"}, "n": {"N": "7"}})
    first = contents(watched)
    transform, fields = DONE[name]
    world = World(watched.tables, transform, job(**fields), before, nothing)
    world.run()
    after = contents(watched)
    others = touch(watched, touched)
    undo = world.undo(undoing)
    undo.run()
    assert {each["error"] for each in undo.rejected} <= {"ChangedSince"}
    assert len(undo.rejected) == len(others)
    assert contents(watched, but=others) == {name: without(items, others) for name, items in first.items()}
    assert undo.done.counts.check("undo").written >= 1 or len(others) >= 4
    redo = undo.undo(again)
    redo.run()
    assert not redo.rejected
    assert contents(watched, but=others) == {name: without(items, others) for name, items in after.items()}


def contents(watched: Watched, but: Collection[str] = ()) -> dict[str, list[Json]]:
    """All items but those that others have touched."""
    return {name: without(table.all, but) for name, table in watched.tables.tables.items()}


def without(items: list[Json], names: Collection[str]) -> list[Json]:
    return [item for item in items if item["pk"]["S"] not in names]


def touch(watched: Watched, numbers: set[int]) -> set[str]:
    """Others change these items as the run left them; returns those that the run changed."""
    touched = set()
    changed = {(old or new or {})["pk"]["S"] for _, old, new in watched.changes}
    for name in {f"b{number}" for number in numbers} & changed:
        for table in watched.tables.tables.values():
            for item in table.all:
                if item["pk"]["S"] == name and (table is watched.tables.tables["nests"] or len(item) > 1):
                    touched.add(name)
                    table.put(item | {"n": {"N": "-5"}, "name": {"S": "-5"}, "mark": {"S": "-5"}, "on": {"N": "-5"}})
    return touched
