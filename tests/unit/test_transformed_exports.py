"""Exports through a transform: the target is the transform of the source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from sluice.aws.retry import RetryPolicy
from sluice.aws.wire import Wire
from sluice.dynamodb.batch_writer import BatchWriter
from sluice.dynamodb.conditional_writers import NewerPuts
from sluice.errors import RejectError
from sluice.mapping.delete import DELETE
from sluice.mapping.transforms import Transform, to_item
from sluice.reading.dialect import DYNAMODB_JSON
from sluice.workflows.export_process.input import FULL, INCREMENTAL, NEW_AND_OLD_IMAGES, PLAIN, Export
from sluice.workflows.export_process.items import WRITE_MICROS, Transformation
from sluice.workflows.export_process.object_sink import rendering
from sluice.workflows.export_process.table_sinks import (
    ChangeRequests,
    GuardedChanges,
    OrderedChanges,
    TableChanges,
    TransformedTableSink,
)
from sluice.workflows.export_process.tally import Portion, RecordTally
from tests.unit import file_slices
from tests.unit.export_files import MICROS, Json, bird, changed, compact, items, key_of
from tests.unit.fake_dynamodb import TABLE, FakeDynamoDB, Fault, serving, throttle, wire_to
from tests.unit.plain_items import schema_of

CHANGES = Export("b", INCREMENTAL, NEW_AND_OLD_IMAGES, None)
ITEMS = Export("b", FULL, None, MICROS)
SCHEMA = schema_of(pk="S")


def words(item: dict[str, Any]) -> Any:
    """An item for each word of the text; the text decides over odd ones, too."""
    match item.get("text"):
        case None:
            return None
        case "nothing":
            return "text"
        case "raise":
            raise KeyError("as asked")
        case "delete":
            return DELETE
        case "no key":
            return {"n": 1}
        case "one":
            return {"pk": item["pk"], "n": item["n"] + 1}
        case text:
            return [{"pk": f"{item['pk']}-{word}", "n": item["n"]} for word in text.split()]


def said(name: str, text: str | None, number: int = 0) -> Json:
    """An item with a text."""
    return bird(name, number) if text is None else bird(name, number, text={"S": text})


def change(name: str, old: str | None, new: str | None, number: int = 0, micros: int = MICROS) -> bytes:
    """A record of an item whose text was changed."""
    before, after = (None if text is None else said(name, text, number) for text in (old, new))
    return compact(changed(key_of(bird(name)), before, after, micros))


class Target:
    """A fake table, and what records make of it."""

    def __init__(self, fake: FakeDynamoDB, wire: Wire) -> None:
        self.fake = fake
        self._wire = wire

    def process(self, lines: list[bytes], *, is_guarded: bool = False, export: Export = CHANGES) -> RecordTally:
        """Records through the sink; the tally is settled."""
        tally = RecordTally("a-file")
        changes: TableChanges = OrderedChanges(BatchWriter(self._wire, TABLE, SCHEMA), tally)
        if is_guarded:
            changes = GuardedChanges(ChangeRequests(self._wire, NewerPuts(self._wire, TABLE, WRITE_MICROS), tally))
        transformation = Transformation(words, lambda item: to_item(item, SCHEMA))
        with TransformedTableSink(export, transformation, SCHEMA, changes, tally) as sink:
            sink.take(Portion(1, lines))
            sink.flush()
            sink.commit()
        tally.counts(len(lines))
        return tally

    def numbers(self) -> dict[str, int]:
        """The items that are no tombstones."""
        stored = self.fake.items.values()
        return {item["pk"]["S"]: int(item["n"]["N"]) for item in stored if "TombstoneExpiresAt" not in item}


@pytest.fixture
def target() -> Iterator[Target]:
    with serving(FakeDynamoDB()) as fake, wire_to(fake.url, RetryPolicy(attempts=9, first_pause_seconds=0)) as wire:
        yield Target(fake, wire)
    assert fake.problems == []


@pytest.mark.parametrize("is_guarded", [False, True])
def test_target_follows_what_the_images_become(target: Target, is_guarded: bool) -> None:
    target.process([compact({"Item": said("a", "x y", 1)})], is_guarded=is_guarded, export=ITEMS)
    assert target.numbers() == {"a-x": 1, "a-y": 1}
    tally = target.process([change("a", "x y", "y z", 2, MICROS + 1)], is_guarded=is_guarded)
    assert target.numbers() == {"a-y": 2, "a-z": 2}
    assert (tally.written, tally.skipped) == (1, 0)
    target.process([change("a", "y z", None, 3, MICROS + 2)], is_guarded=is_guarded)
    assert target.numbers() == {}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(None, "", (0, 1, 0), id="nothing_to_put_nor_to_delete"),
        pytest.param("", "", (0, 1, 0), id="nothing_before_nor_after"),
        pytest.param("x", "", (1, 0, 0), id="only_a_delete"),
        pytest.param(None, "one", (1, 0, 0), id="one_item_is_no_list"),
        pytest.param(None, "raise", (0, 0, 1), id="transform_that_raises"),
        pytest.param(None, "nothing", (0, 0, 1), id="result_that_is_no_item"),
        pytest.param(None, "delete", (0, 0, 1), id="delete_is_no_item"),
        pytest.param(None, "no key", (0, 0, 1), id="item_without_its_key"),
        pytest.param("raise", "x", (0, 0, 1), id="old_image_that_raises"),
        pytest.param(None, "x x x", (1, 0, 0), id="one_key_several_times"),
    ],
)
@pytest.mark.parametrize("is_guarded", [False, True])
def test_record_counts_once_whatever_it_becomes(
    target: Target, old: str | None, new: str | None, expected: tuple[int, ...], is_guarded: bool
) -> None:
    tally = target.process([change("a", old, new)], is_guarded=is_guarded)
    counts = tally.counts(1)
    assert (counts.written, counts.skipped, counts.rejected) == expected


def test_record_that_reads_wrongly_is_no_fault_of_the_transform(target: Target) -> None:
    lines = [b"{", compact({"Item": {"pk": {"S": "a"}, "n": {"N": "one"}}}), compact({"Item": {"pk": {"X": "a"}}})]
    assert target.process(lines, export=ITEMS).reasons == {"RecordInvalid": 3}


def test_later_record_wins_where_two_give_one_key(target: Target) -> None:
    lines = [compact({"Item": said("a", "one", number)}) for number in range(60)]
    lines += [change("b", "one", None), change("b", None, "one", 5), change("c", None, "one"), change("c", "one", None)]
    tally = target.process(lines)
    assert target.numbers() == {"a": 60, "b": 6}
    assert (tally.written, tally.skipped) == (64, 0)


def test_guarded_records_may_come_in_any_order(target: Target) -> None:
    windows = [
        change("a", None, "x y", 1, MICROS + 1),
        change("a", "x y", "y z", 2, MICROS + 2),
        change("a", "y z", None, 3, MICROS + 3),
        change("a", None, "x", 4, MICROS + 4),
    ]
    for order in [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2, 1), (2, 0, 3, 1, 0)]:
        target.fake.items.clear()
        for window in order:
            target.process([windows[window]], is_guarded=True)
        assert target.numbers() == {"a-x": 4}


def test_record_is_skipped_when_all_its_items_are_older(target: Target) -> None:
    target.process([change("a", None, "x y", 2, MICROS + 2)], is_guarded=True)
    older = target.process([change("a", None, "y x", 1, MICROS + 1)], is_guarded=True)
    assert (older.written, older.skipped) == (0, 1)
    some = target.process([change("a", None, "y z", 1, MICROS + 1)], is_guarded=True)
    assert (some.written, some.skipped) == (1, 0)


def test_guard_needs_the_time_of_every_record(target: Target) -> None:
    line = compact({"Keys": {"pk": {"S": "a"}}, "NewImage": said("a", "x")})
    tally = target.process([line], is_guarded=True)
    assert (tally.reasons, target.fake.seen) == ({"RecordInvalid": 1}, [])


@pytest.mark.parametrize("is_guarded", [False, True])
def test_refused_item_rejects_its_record_once(target: Target, is_guarded: bool) -> None:
    target.fake.refuses = lambda item: "no such bird" if item["pk"]["S"].endswith("dodo") else None
    tally = target.process([change("a", None, "dodo x dodo-dodo"), change("b", None, "y")], is_guarded=is_guarded)
    assert (tally.written, tally.reasons) == (1, {"WriteRejected": 1})
    assert sorted(target.numbers()) == ["a-x", "b-y"]


@pytest.mark.parametrize("is_guarded", [False, True])
def test_target_comes_through_whatever_happens_to_requests(target: Target, is_guarded: bool) -> None:
    target.fake.faults.extend([throttle(), Fault(500, "InternalServerError", is_applied=True), Fault(is_cut=True)])
    target.fake.faults.extend([Fault(unprocessed=11), Fault(unprocessed=2)])
    tally = target.process([change(f"{n}", "x y", "y z", n) for n in range(40)], is_guarded=is_guarded)
    assert (tally.written, len(target.numbers())) == (40, 80)


def test_transform_gets_plain_values_of_its_own() -> None:
    seen: list[dict[str, Any]] = []

    def spoil(item: dict[str, Any]) -> None:
        seen.append(item.copy())
        item.clear()

    image = bird("a", 3, s={"SS": ["x"]}, b={"B": "AQ=="})
    transformation: Transformation[Any] = Transformation(spoil, lambda item: item)
    assert transformation(image) == transformation(None) == []
    assert seen == [{"pk": "a", "n": Decimal(3), "s": {"x"}, "b": b"\x01"}]
    assert image["pk"] == {"S": "a"}


# Into objects.


def lines_of(transform: Transform, line: bytes, *, values: str = PLAIN, export: Export = CHANGES) -> list[Any]:
    return [json.loads(each) for each in rendering(export, values, transform)(line).splitlines()]


def test_object_has_a_line_for_each_item() -> None:
    usual = {"writeTimestampMicros": MICROS, "keys": {"pk": "a"}}
    assert lines_of(words, change("a", "x", "y z", 1)) == [
        {"change": "UPDATE", **usual, "item": {"pk": "a-y", "n": 1}},
        {"change": "UPDATE", **usual, "item": {"pk": "a-z", "n": 1}},
    ]
    assert lines_of(words, change("a", "", "y")) == [{"change": "INSERT", **usual, "item": {"pk": "a-y", "n": 0}}]
    assert lines_of(words, change("a", "x y", "")) == [{"change": "DELETE", **usual, "item": None}]
    assert lines_of(words, change("a", None, "")) == []
    full = lines_of(words, compact({"Item": said("a", "x", 1)}), export=ITEMS, values=DYNAMODB_JSON)
    assert full == [{"change": "PUT", **usual, "keys": None, "item": {"pk": {"S": "a-x"}, "n": {"N": "1"}}}]


@pytest.mark.parametrize("text", ["raise", "nothing"])
def test_record_that_cannot_be_transformed_is_rejected(text: str) -> None:
    with pytest.raises(RejectError):
        lines_of(words, change("a", None, text))


# By name, as the input gives it.


@pytest.mark.parametrize("guard", [None, "newerOnly"])
def test_named_transform_is_applied(guard: str | None) -> None:
    airport = {name: {"S": "x"} for name in ("icao", "iata", "lid", "name", "city", "subd", "tz", "country")}
    airport |= {name: {"S": "1.5"} for name in ("elevation", "lat", "lon")}
    keys = [{"name": "country", "type": "S"}, {"name": "icao", "type": "S"}]
    with file_slices.slices() as aws:
        aws.fake.key_names = ("country", "icao")
        sink = file_slices.TABLE_SINK | {"keys": keys, "guard": guard}
        progress = aws.process(items([airport]), file_slices.FULL, sink, transform="airports_by_country")
        assert file_slices.counts(progress) == (1, 1, 0, 0, 0)
        (stored,) = aws.fake.items.values()
        assert (stored["elevationFeet"], WRITE_MICROS in stored) == ({"N": "1.5"}, guard is not None)
        progress = aws.process(items([airport]), file_slices.FULL, file_slices.OBJECTS, transform="airports_by_country")
        (line,) = aws.lines("output/birds/u2wo.jsonl.gz")
        assert line["item"]["codes"] == ["x"]
