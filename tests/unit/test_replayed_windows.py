"""Random writes in random windows: the copy equals the source, in order; with the guard in any order, and again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.aws.retry import RetryPolicy
from sluice.dynamodb.batch_writer import BatchRequests, ChangeBatches
from sluice.dynamodb.conditional_writers import NewerPuts
from sluice.workflows.export_process.input import FULL, INCREMENTAL, NEW_AND_OLD_IMAGES, NEW_IMAGE, Export
from sluice.workflows.export_process.items import GUARD_ATTRIBUTES, WRITE_MICROS
from sluice.workflows.export_process.table_sinks import ChangeRequests, RawTableSink, change_of, guarded_put_of
from sluice.workflows.export_process.tally import Portion, RecordTally
from tests.unit.export_files import MICROS, Json, bird, changed, compact
from tests.unit.fake_dynamodb import TABLE, FakeDynamoDB, serving, wire_to
from tests.unit.plain_items import schema_of

Source = dict[str, int]
# One write: the bird, and what it is from then on; None deletes it.
writes = st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.integers(0, 99)), max_size=12)


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeDynamoDB]:
    with serving(FakeDynamoDB()) as started:
        yield started


def item(name: str, number: int) -> Json:
    """With an attribute that looks like a part of a record."""
    return bird(name, number, NewImage={"M": {"OldImage": {"S": f'"{number}"'}}})


def window(source: Source, made: list[tuple[str, int | None]], start: int, *, has_old: bool) -> list[bytes]:
    """Apply the writes, and export them as DynamoDB does: each item once, as it is at the end."""
    before, times = dict(source), {}
    for number, (name, value) in enumerate(made):
        times[name] = MICROS + start + number
        if value is None:
            source.pop(name, None)
        else:
            source[name] = value
    images = {
        name: [item(name, state[name]) if name in state else None for state in (before, source)] for name in times
    }
    return [
        compact(changed({"pk": {"S": name}}, old if has_old else None, new, times[name]))
        for name, (old, new) in images.items()
        if old or new
    ]


def apply(fake: FakeDynamoDB, export: Export, lines: list[bytes], *, is_guarded: bool) -> None:
    tally = RecordTally("a-file")
    with wire_to(fake.url, RetryPolicy()) as wire:
        batches = ChangeBatches(BatchRequests(wire, TABLE, schema_of(pk="S")))
        requests = ChangeRequests(wire, NewerPuts(wire, TABLE, WRITE_MICROS) if is_guarded else batches, tally)
        change = guarded_put_of(export) if is_guarded else change_of(export)
        with RawTableSink(change, requests, tally) as sink:
            sink.take(Portion(1, lines))
            sink.flush()
    assert tally.counts(len(lines)).rejected == 0


def copy(fake: FakeDynamoDB) -> dict[str, Json]:
    """The table without tombstones and guard attributes."""
    stored = [each for each in fake.items.values() if "TombstoneExpiresAt" not in each]
    plain = [{name: value for name, value in each.items() if name not in GUARD_ATTRIBUTES} for each in stored]
    return {each["pk"]["S"]: each for each in plain}


@settings(max_examples=60)
@given(st.lists(writes, min_size=1, max_size=5), st.booleans(), st.booleans(), st.data())
def test_copy_equals_the_source(
    fake: FakeDynamoDB, made: list[list[tuple[str, int | None]]], has_old: bool, is_guarded: bool, data: st.DataObject
) -> None:
    source: Source = {}
    exports: list[tuple[Export, list[bytes]]] = []
    for number, each in enumerate(made):
        lines = window(source, each, number * 100, has_old=has_old)
        view = NEW_AND_OLD_IMAGES if has_old else NEW_IMAGE
        exports.append((Export("b", INCREMENTAL, view, None), lines))
        if number == 0:
            # The chain begins with all that there is; items of a full export are as old as that.
            full = [compact({"Item": item(name, value)}) for name, value in source.items()]
            exports = [(Export("b", FULL, None, MICROS + 99), full)]
    if is_guarded:
        again = data.draw(st.lists(st.sampled_from(exports), max_size=3))
        exports = data.draw(st.permutations(exports + again))
    fake.items.clear()
    for export, lines in exports:
        apply(fake, export, lines, is_guarded=is_guarded)
    assert copy(fake) == {name: item(name, value) for name, value in source.items()}
    assert fake.problems == []
