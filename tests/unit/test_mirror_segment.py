"""MirrorSegment: a copy has what its full export has, and of what is newer everything, whatever else happens to it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from sluice import errors
from sluice.dynamodb.conditional_writers import NewerPuts
from sluice.errors import InvalidInputError, ServiceUnavailableError, WireError
from sluice.run_item.rate_limiter import RateLimiter
from sluice.workflows.export_process.items import (
    GUARD_ATTRIBUTES,
    TOMBSTONE_EXPIRES_AT,
    WRITE_MICROS,
    timed_item,
    tombstone,
)
from sluice.workflows.export_process.mirror import (
    Copy,
    CopyKind,
    Mirror,
    MirrorDone,
    MirrorProgress,
    MirrorSlice,
    check_guarded,
    has_items,
)
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.export_files import compact
from tests.unit.fake_dynamodb import serving
from tests.unit.fake_tables import FakeTable, FakeTables, Json
from tests.unit.lambda_context import Context
from tests.unit.rate_clock import RateClock
from tests.unit.run_items import FakeRunTable
from tests.unit.segment_slices import BIRDS, always, never
from tests.unit.test_transform_segment import ICAO, TableServer

# The time of the export's items. Writes come every second before and after.
EXPORT, SECOND = 1_768_386_096_000_000, 1_000_000
COPY = Copy("birds", BIRDS, EXPORT, Mirror(1, adopts=False))
Source = dict[str, int]
Write = tuple[str, int | None]
Window = dict[str, tuple[int, int | None]]


def unlimited() -> RateLimiter:
    return RateLimiter(None, never)


def bird(name: str, number: int) -> Json:
    return {"pk": {"S": name}, "n": {"N": str(number)}}


def with_birds(*items: Json, page_items: int = 3) -> FakeTables:
    tables = FakeTables(birds=FakeTable(BIRDS, page_items))
    tables.tables["birds"].put(*items)
    return tables


def guarded(name: str, seconds: int, number: int = 0) -> Json:
    """An item that was written so many seconds after the export."""
    return bird(name, number) | {WRITE_MICROS: {"N": str(EXPORT + seconds * SECOND)}}


def deleted(name: str, seconds: int) -> Json:
    return {
        "pk": {"S": name},
        WRITE_MICROS: {"N": str(EXPORT + seconds * SECOND)},
        TOMBSTONE_EXPIRES_AT: {"N": "1771000000"},
    }


def mirrored(
    tables: FakeTables,
    copy: Copy = COPY,
    is_over: Callable[[], bool] = never,
    writes: RateLimiter | None = None,
    total: int = 1,
) -> MirrorProgress:
    """Slice after slice of each segment, until all are done; the last progress, with the sums of all segments."""
    copy, done = replace(copy, mirror=replace(copy.mirror, total_segments=total)), MirrorDone()
    for segment in range(total):
        progress = MirrorProgress()
        while not progress.is_done:
            progress = MirrorSlice(tables, copy, segment, writes or unlimited()).run(progress, is_over)
            progress = MirrorProgress.from_state(progress.to_state())
        done += progress.done
    return replace(progress, done=done)


def held(tables: FakeTables) -> dict[str, Json]:
    return {item["pk"]["S"]: item for item in tables.tables["birds"].all}


def test_five_live_items_and_five_tombstones_stay_and_ghosts_go() -> None:
    live = [guarded(f"live {each}", each - 1) for each in range(1, 6)]
    deleted_before = [deleted(f"gone {each}", each - 10) for each in range(5)]
    ghosts = [guarded(f"ghost {each}", -each) for each in range(1, 4)]
    tables = with_birds(*live, *deleted_before, *ghosts)
    progress = mirrored(tables)
    assert (progress.done.read, progress.done.live, progress.done.deleted, progress.done.tombstones) == (13, 5, 3, 5)
    assert (progress.done.read_units, progress.done.write_units) == (2.5, 3.0)
    found = held(tables)
    assert [found[each["pk"]["S"]] for each in [*live, *deleted_before]] == [*live, *deleted_before]
    expires = str(EXPORT // SECOND + 35 * 86_400)
    assert [found[each["pk"]["S"]] for each in ghosts] == [
        {"pk": each["pk"], WRITE_MICROS: {"N": str(EXPORT)}, TOMBSTONE_EXPIRES_AT: {"N": expires}} for each in ghosts
    ]
    # Again nothing is written, and the counts are the same.
    writes = len(tables.operations("PutItem"))
    assert mirrored(tables).counts == progress.counts
    assert len(tables.operations("PutItem")) == writes


@pytest.mark.parametrize("total", [1, 3])
def test_slices_as_short_as_a_page_come_to_the_same(total: int) -> None:
    items = [guarded(f"bird {each}", each % 5 - 2) for each in range(50)]
    tables = with_birds(*items)
    progress = mirrored(tables, is_over=always, total=total)
    assert (progress.done.read, progress.done.live, progress.done.deleted) == (50, 30, 20)
    assert sum(TOMBSTONE_EXPIRES_AT in each for each in held(tables).values()) == 20


def test_write_rate_is_kept_and_a_page_that_takes_longer_is_read_again() -> None:
    clock = RateClock()
    tables = with_birds(*(guarded(f"bird {each}", -1) for each in range(40)), page_items=40)
    first = MirrorSlice(tables, COPY, 0, slow := clock.limiter(4))
    clock.ends = clock.now + 3
    progress = first.run(MirrorProgress(), slow_is_over := clock.is_time_up)
    assert (progress.done.read, progress.start_key, progress.is_done) == (0, None, False)
    written = len(tables.operations("PutItem"))
    assert 4 <= written <= 16
    clock.ends = float("inf")
    progress = MirrorSlice(tables, COPY, 0, slow).run(progress, slow_is_over)
    assert (progress.done.read, progress.done.deleted, progress.done.write_units) == (40, 40, 40)
    assert len(tables.operations("PutItem")) == 40
    assert clock.slept >= 40 / 4 - 2


@pytest.mark.parametrize(
    "item",
    [
        bird("wren", 1),
        bird("wren", 1) | {WRITE_MICROS: {"S": "x"}},
        bird("wren", 1) | {TOMBSTONE_EXPIRES_AT: {"N": "1"}},
    ],
)
def test_item_without_the_guards_attribute_is_named_or_adopted(item: Json) -> None:
    tables = with_birds(item, guarded("owl", 1))
    with pytest.raises(InvalidInputError, match=r'mirror: birds contains items without .*"wren".*"adopt": true'):
        mirrored(tables)
    assert held(tables)["wren"] == item
    progress = mirrored(tables, replace(COPY, mirror=Mirror(1, adopts=True)))
    assert (progress.done.live, progress.done.deleted) == (1, 1)
    assert held(tables)["wren"][WRITE_MICROS] == {"N": str(EXPORT)}
    assert "n" not in held(tables)["wren"]


@pytest.mark.parametrize(
    ("meanwhile", "expected"),
    [
        pytest.param(guarded("wren", 3), (1, 0, 0), id="written"),
        pytest.param(deleted("wren", 3), (0, 0, 1), id="deleted"),
        pytest.param(deleted("wren", -3), (0, 0, 1), id="older_window"),
        pytest.param(deleted("wren", 0), (0, 1, 0), id="another_attempt"),
        pytest.param(None, (0, 1, 0), id="time_to_live"),
    ],
)
def test_item_that_changes_after_it_was_read_is_left_and_counted_as_it_is(
    meanwhile: Json | None, expected: tuple[int, int, int]
) -> None:
    tables = with_birds(guarded("wren", -5))

    def change(_number: int, operation: str) -> None:
        if operation == "PutItem":
            tables.tables["birds"].items.clear()
            tables.tables["birds"].put(*([meanwhile] if meanwhile else []))

    tables.before = change
    done = mirrored(tables).done
    assert (done.live, done.deleted, done.tombstones) == expected
    assert list(held(tables).values()) == ([meanwhile] if meanwhile else [])


def test_error_of_a_put_ends_the_slice() -> None:
    tables = with_birds(guarded("wren", -5))

    def refuse(_number: int, operation: str) -> None:
        if operation == "PutItem":
            raise WireError("ValidationException", "no", 400)

    tables.before = refuse
    with pytest.raises(WireError, match="ValidationException"):
        mirrored(tables)


# Any history, with windows that are replayed at any time, and attempts that die or run beside each other.


def apply(tables: FakeTables, window: Window) -> None:
    """Process an incremental export with the guard: only the last change of each item is in it."""
    puts = NewerPuts(tables, "birds", WRITE_MICROS)
    for name, (micros, number) in window.items():
        item = compact({"pk": {"S": name}})
        change = tombstone(item, micros) if number is None else timed_item(compact(bird(name, number)), micros)
        puts.settle([change], [name], None)


def visible(tables: FakeTables) -> Source:
    """What a reader of the copy sees."""
    return {
        name: int(item["n"]["N"])
        for name, item in held(tables).items()
        if TOMBSTONE_EXPIRES_AT not in item and set(item) <= {"pk", "n", *GUARD_ATTRIBUTES}
    }


def windows_of(source: Source, history: list[list[Write]], start: int) -> list[Window]:
    """The windows of these writes, one second apart, which are carried out."""
    windows: list[Window] = []
    for writes in history:
        window: Window = {}
        for name, number in writes:
            start += SECOND
            window[name] = (start, number)
            source.pop(name, None) if number is None else source.update({name: number})
        windows.append(window)
    return windows


def disturbed(tables: FakeTables, copy: Copy, chance: random.Random, during: list[Window]) -> MirrorProgress:
    """Mirror with attempts that are killed around any request, others beside them, and windows in between."""
    depth = 0

    def disturb(_number: int, operation: str) -> None:
        nonlocal depth
        if depth or (operation == "PutItem" and chance.random() < 0.5):
            return
        depth += 1
        try:
            if during and chance.random() < 0.4:
                apply(tables, during.pop())
            if chance.random() < 0.15:
                attempt(tables, copy)
            if chance.random() < 0.15:
                raise ServiceUnavailableError("killed")
        finally:
            depth -= 1

    tables.before = tables.after = disturb
    progress = MirrorProgress()
    while not progress.is_done:
        try:
            progress = MirrorSlice(tables, copy, 0, unlimited()).run(progress, lambda: chance.random() < 0.5)
        except ServiceUnavailableError:
            continue
    tables.before = tables.after = lambda _number, _operation: None
    return progress


def attempt(tables: FakeTables, copy: Copy) -> None:
    """An attempt that runs beside: page by page, request by request."""
    start_key: Any = None
    while True:
        page = tables.call("Scan", copy.scan(0, start_key))
        for item in page["Items"]:
            if copy.kind(item) is CopyKind.OLDER:
                with suppress(WireError):
                    tables.call("PutItem", copy.tombstone(item))
        start_key = page.get("LastEvaluatedKey")
        if start_key is None:
            return


NAMES = st.sampled_from("abcdefgh")
HISTORY = st.lists(st.lists(st.tuples(NAMES, st.none() | st.integers(0, 99)), max_size=6), max_size=4)


@settings(max_examples=150, deadline=None)
@given(HISTORY, HISTORY, st.integers(0, 1 << 32))
def test_copy_equals_its_source_whatever_happens(
    before: list[list[Write]], after: list[list[Write]], seed: int
) -> None:
    check_copy(before, after, random.Random(seed))


def check_copy(before: list[list[Write]], after: list[list[Write]], chance: random.Random) -> None:
    """A source with this history before and after its full export, and a copy that anything happens to."""
    source: Source = {}
    older = windows_of(source, before, EXPORT - 100 * SECOND)
    exported = dict(source)
    newer = windows_of(source, after, EXPORT)
    # The copy was begun long before, and some windows were lost in a gap.
    tables = with_birds(*(guarded(name, -1000) for name in "abcdefgh" if chance.random() < 0.7), page_items=2)
    for window in chance.sample(older, chance.randint(0, len(older))):
        apply(tables, window)
    early = chance.sample(newer, chance.randint(0, len(newer)))
    for window in early:
        apply(tables, window)
    apply(tables, {name: (EXPORT, number) for name, number in exported.items()})
    during = [each for each in newer if each not in early]
    done = disturbed(tables, COPY, chance, during).done
    assert done.read == done.live + done.deleted + done.tombstones
    # Windows that came meanwhile are not processed again: nothing of them may be lost.
    for window in during:
        apply(tables, window)
    assert visible(tables) == source
    for window in chance.sample(newer, chance.randint(0, len(newer))):
        apply(tables, window)
    assert visible(tables) == source
    # What the mirror deleted, no older window brings back; nor do all of them, in any order.
    marked = {name for name, item in held(tables).items() if item == deleted_by_export(name)}
    for window in chance.sample(older, chance.randint(0, len(older))):
        apply(tables, window)
    assert not marked & set(visible(tables)) - set(source)
    for window in chance.sample(older, len(older)):
        apply(tables, window)
    assert visible(tables) == source


def deleted_by_export(name: str) -> Json:
    return deleted(name, 0) | {TOMBSTONE_EXPIRES_AT: {"N": str(EXPORT // SECOND + 35 * 86_400)}}


@pytest.mark.parametrize("bug", ["live items are deleted", "ghosts are left", "tombstones lack the condition"])
def test_planted_bugs_are_caught(monkeypatch: pytest.MonkeyPatch, bug: str) -> None:
    if bug == "live items are deleted":
        monkeypatch.setattr(Copy, "micros", EXPORT + SECOND, raising=False)
    elif bug == "ghosts are left":
        monkeypatch.setattr(MirrorSlice, "_replace", lambda _self, _items, _puts: [])
    else:
        plain = Copy.tombstone

        def unconditional(self: Copy, item: Json) -> bytes:
            request = json.loads(plain(self, item))
            kept = "attribute_exists(#key) OR #time < :time OR attribute_not_exists(#expires)"
            return json.dumps(request | {"ConditionExpression": kept}).encode()

        monkeypatch.setattr(Copy, "tombstone", unconditional)
    with pytest.raises(AssertionError):
        check_many()


def check_many() -> None:
    for seed in range(300):
        chance = random.Random(seed)
        before, after = (
            [[(chance.choice("abcdefgh"), chance.choice([None, 1, 2])) for _ in range(4)] for _ in range(3)]
            for _ in range(2)
        )
        check_copy(before, after, chance)


# Before anything is written.


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("AWS_ENDPOINT_URL_DYNAMODB", raising=False)
    with mock_aws():
        client = boto3.client("dynamodb")
        client.create_table(
            TableName="birds",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


def test_table_is_searched_for_items_without_the_attribute(dynamodb: Any) -> None:
    assert not has_items(dynamodb, "birds")
    for item in (guarded("owl", 1), deleted("emu", 1)):
        dynamodb.put_item(TableName="birds", Item=item)
    assert has_items(dynamodb, "birds")
    check_guarded(dynamodb, "birds", BIRDS)
    dynamodb.put_item(TableName="birds", Item=bird("wren", 1))
    with pytest.raises(InvalidInputError, match=r"such as .*wren"):
        check_guarded(dynamodb, "birds", BIRDS)


# The handler.


@pytest.fixture(scope="module")
def server() -> Iterator[TableServer]:
    started = TableServer()
    with serving(started), pytest.MonkeyPatch.context() as patch:
        # The wire of the handler asks for its endpoint once.
        patch.setenv("AWS_ENDPOINT_URL_DYNAMODB", started.url)
        yield started


@pytest.fixture
def handler(server: TableServer) -> Any:
    server.tables, server.runs = FakeTables(airports=FakeTable(ICAO)), FakeRunTable()
    new = {"icao": {"S": "LSZG"}, WRITE_MICROS: {"N": "1" + "9" * 16}}
    server.tables.tables["airports"].put({"icao": {"S": "LSZH"}}, new)
    return import_module("mirror_segment.handler")


def test_fixture_is_worked_through(handler: Any) -> None:
    progress = handler.lambda_handler(fixture("mirror_segment", "usual"), Context())
    assert (progress["done"], progress["read"], progress["live"], progress["deleted"]) == (True, 2, 1, 1)


@pytest.mark.parametrize("path", sorted((EVENTS / "mirror_segment").glob("[!u]*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(handler: Any, path: Path) -> None:
    with pytest.raises(getattr(errors, str(expected_error(path)))):
        handler.lambda_handler(fixture("mirror_segment", path.stem), Context())


def test_stopped_run_begins_no_slice(handler: Any, server: TableServer) -> None:
    server.runs.stop("export_process/fixture")
    progress = handler.lambda_handler(fixture("mirror_segment", "usual"), Context())
    assert (progress["stopped"], progress["done"], progress["slices"]) == (True, False, 0)
    assert server.tables.operations("Scan", "PutItem") == []
