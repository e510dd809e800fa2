"""Records cut out of their lines are what json.loads reads there, however names and values look."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluice.errors import RejectError
from sluice.workflows.export_process.input import FULL, INCREMENTAL, NEW_AND_OLD_IMAGES, REJECTED_RECORDS, Export
from sluice.workflows.export_process.records import NewImages, RawRecord, raw_record, read_record
from sluice.workflows.export_process.table_sinks import change_of
from tests.unit.export_files import MICROS, REAL_EXPORT, bird, changed, compact, key_of

Json = dict[str, Any]
CHANGES = Export("b", INCREMENTAL, NEW_AND_OLD_IMAGES, None)
ITEMS = Export("b", FULL, None, 5)
FED_BACK = Export("b", INCREMENTAL, NEW_AND_OLD_IMAGES, None, REJECTED_RECORDS)

# Names that mean something elsewhere in the line, and texts that look like parts of it.
meaningful = ["NewImage", "OldImage", "Keys", "Metadata", "Item", "M", "S", "L", "PutRequest", "record"]
lookalikes = ['x"NewImage', '"NewImage', 'a,"NewImage":{"b":{', "\\", 'x\\"', "}}", "é☃", "\x00", "\ud800", "ΩΩΩ"]
names = st.sampled_from([*meaningful, "WriteTimestampMicros", *lookalikes]) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4
)
texts = names | st.sampled_from(['},"NewImage":{"a":{"S":"b"}}}', '{"Item":{"', "", 'x","OldImage":{"', "\n"])
scalars = (
    st.builds(lambda text: {"S": text}, texts)
    | st.integers().map(lambda number: {"N": str(number)})
    | st.booleans().map(lambda value: {"BOOL": value})
    | st.just({"NULL": True})
    | st.lists(texts, min_size=1, max_size=2, unique=True).map(lambda elements: {"SS": elements})
    | st.just({"B": "aGVsbG8="})
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda elements: {"L": elements})
        | st.dictionaries(names, inner, max_size=3).map(lambda members: {"M": members})
    ),
    max_leaves=6,
)
images = st.dictionaries(names, values, min_size=1, max_size=4)
keys = st.dictionaries(names, st.builds(lambda text: {"S": text}, texts) | st.just({"N": "1"}), min_size=1, max_size=2)
times = st.sampled_from([{"N": str(MICROS)}, {"N": "7"}, str(MICROS), MICROS, 0])


@st.composite
def change_records(draw: st.DrawFn) -> Json:
    """A record with any images; in DynamoDB's order, or in another one."""
    record = {"Metadata": {"WriteTimestampMicros": draw(times)}, "Keys": draw(keys)}
    for image in ("OldImage", "NewImage"):
        if draw(st.booleans()):
            record[image] = draw(images)
    return record if draw(st.booleans()) else dict(draw(st.permutations(list(record.items()))))


dumps = st.sampled_from(
    [
        compact,
        lambda record: json.dumps(record, separators=(",", ":")).encode(),
        lambda record: json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace"),
        lambda record: compact(record) + b"\r",
    ]
)


def as_values(record: RawRecord) -> tuple[Any, ...]:
    return tuple(None if part is None else json.loads(part) for part in record[:3])


def outcome(line: bytes, export: Export) -> tuple[Any, ...]:
    """What the line holds, or that it is rejected."""
    try:
        record = read_record(line, export)
    except RejectError as error:
        return (error.reason,)
    return record.keys, record.old, record.new


def raw_outcome(line: bytes, export: Export) -> tuple[Any, ...]:
    try:
        return as_values(raw_record(line, export))
    except RejectError as error:
        return (error.reason,)


@given(change_records(), dumps)
@example(changed({"M": {"S": "x"}}, {"NewImage": {"M": {"M": {"S": "y"}}}}, None), compact)
@example(changed({"a": {"S": "x"}}, {"b": {"S": "c"}, "NewImage": {"M": {"a": {"S": "y"}}}}, None), compact)
@example(changed({"a": {"S": "x"}}, {"b": {"S": "c"}, "NewImage": {"S": "y"}}, {"M": {"M": {}}}), compact)
@example(changed({"a": {"S": 'x\\"},"NewImage":{"y":{'}}, None, {"M": {"S": "y"}}), compact)
@example(changed({"a": {"S": "x"}}, {"New\x00Image": {"S": "\x01"}}, None), compact)
@example({**changed({"a": {"S": "x"}}, None, {"a": {"S": "y"}}), "OldImage": {"b": {"S": "z"}}}, compact)
@example(changed({"a": {"S": "x"}}, None, {}), compact)
@example(changed({"a": {"S": "x"}}, None, {"a": {"S": "y"}}) | {"Keys": {}}, compact)
def test_raw_record_is_the_record(record: Json, dump: Any) -> None:
    line = dump(record)
    assert raw_outcome(line, CHANGES) == outcome(line, CHANGES)


@given(images, dumps)
def test_raw_item_is_the_item(image: Json, dump: Any) -> None:
    line = dump({"Item": image})
    assert raw_outcome(line, ITEMS) == outcome(line, ITEMS)


def request(line: bytes, export: Export) -> Json | tuple[Any, ...]:
    """What stands for the line in a request, put together from what the line holds."""
    match outcome(line, export):
        case (keys, _old, None):
            return {"DeleteRequest": {"Key": keys}}
        case (_keys, _old, new):
            return {"PutRequest": {"Item": new}}
        case rejected:
            return rejected


@given(st.lists(st.tuples(change_records() | images.map(lambda image: {"Item": image}), dumps), max_size=6))
def test_changes_are_puts_of_new_images_and_deletes_of_keys_whatever_lines_came_before(
    lines: list[tuple[Json, Any]],
) -> None:
    def made(line: bytes) -> Json | tuple[Any, ...]:
        try:
            read: Json = json.loads(change(line))
        except RejectError as error:
            return (error.reason,)
        return read

    for export in (CHANGES, ITEMS):
        change = change_of(export)
        for record, dump in lines:
            line = dump(record)
            assert made(line) == request(line, export)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(changed({"pk": {"S": "a"}}, bird("a"), bird("a", 1)), id="update"),
        pytest.param(changed({"pk": {"S": "a"}}, None, bird("a", 1)), id="insert"),
    ],
)
def test_usual_lines_need_no_second_look(record: Json) -> None:
    cut = NewImages().cut
    lines = [compact(record), compact({**record, "NewImage": {"other": {"S": "x"}}}), compact(record)]
    assert [json.loads(cut(line) or b"null") for line in lines] == [json.loads(line)["NewImage"] for line in lines]


def test_deleted_items_are_cut_without_a_second_look() -> None:
    line = compact(changed(key_of(bird("a")), bird("a"), None))
    assert as_values(raw_record(line, CHANGES)) == ({"pk": {"S": "a"}}, bird("a"), None)
    assert as_values(raw_record(compact(changed(key_of(bird("a")), None, None)), CHANGES))[1:] == (None, None)


@pytest.mark.parametrize(
    ("micros", "expected"), [({"N": "1768386096366933"}, MICROS), ("1768386096366933", MICROS), (7, 7), ({"N": "0"}, 0)]
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_time_of_the_write_is_read_typed_and_plain(micros: Any, expected: int, separators: tuple[str, str]) -> None:
    record = changed({"pk": {"S": "a"}}, None, bird("a")) | {"Metadata": {"WriteTimestampMicros": micros}}
    line = json.dumps(record, separators=separators).encode()
    assert raw_record(line, CHANGES).write_micros == expected


def test_items_of_a_full_export_have_its_time() -> None:
    for line in (compact({"Item": bird("a")}), json.dumps({"Item": bird("a")}).encode()):
        assert raw_record(line, ITEMS).write_micros == 5


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"", "not valid JSON"),
        (b'{"Item":{"pk":{"S":"a"}}', "not valid JSON"),
        (b"[]", "valid JSON, but not an object"),
        (b'{"Item":{"pk":{"S":"\xff"}}}x', "utf-8"),
        (b'{"Item":null}', "a record of an export has Item, and this line does not"),
        (b'{"Item":{"pk":"a"}}', "Item is not an item in DynamoDB JSON"),
        (b'{"Item": {"pk":{}}}', "Item is not an item in DynamoDB JSON"),
        (b'{"Item":[]}', "Item is not an item in DynamoDB JSON"),
        (b"{}", "a record of an export has Keys, and this line does not"),
        (b'{"Keys":{}}', "a record of an export has Keys"),
        (b'{"Keys":{"a":{"S":"b"}},"NewImage":1}', "NewImage is not an item"),
        (
            b'{"Keys":{"a":{"S":"b"}},"Metadata":{"WriteTimestampMicros":"soon"}}',
            "WriteTimestampMicros soon is not a number",
        ),
        (b'{"Keys":{"a":{"S":"b"}},"Metadata":{"WriteTimestampMicros":{"N":"-1"}}}', "WriteTimestampMicros -1 is no"),
    ],
)
def test_line_that_is_no_record_says_why(line: bytes, problem: str) -> None:
    with pytest.raises(RejectError, match=problem) as caught:
        raw_record(line, CHANGES)
    assert caught.value.reason == "RecordInvalid"


@pytest.mark.parametrize("metadata", [{}, {"Metadata": 1}, {"Metadata": {}}])
def test_record_may_lack_its_time(metadata: Json) -> None:
    line = compact({"Keys": {"a": {"S": "b"}}, **metadata})
    assert raw_record(line, CHANGES).write_micros is None


def test_record_of_a_rejects_file_is_its_record() -> None:
    record = changed({"pk": {"S": "a"}}, bird("a"), bird("a", 2))
    line = compact({"row": 3, "error": "X", "message": "y", "file": "z", "record": record})
    assert raw_outcome(line, FED_BACK) == outcome(compact(record), CHANGES)
    with pytest.raises(RejectError, match="not a line of a rejects file with an object as its record"):
        raw_record(compact({"row": 3, "record": '{"Item":'}), FED_BACK)


def test_real_export_is_read_with_every_type() -> None:
    (path,) = REAL_EXPORT.rglob("*.json.gz")
    lines = gzip.decompress(path.read_bytes()).splitlines()
    items = [json.loads(raw_record(line, ITEMS).new or b"") for line in lines]
    assert items == [json.loads(line)["Item"] for line in lines]
    kinds = {kind for item in items for value in item.values() for kind in value}
    assert kinds == {"S", "N", "BOOL", "NULL", "SS", "NS", "L", "M", "B", "BS"}
