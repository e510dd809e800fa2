"""JSON objects are found in any layout, and rows of DynamoDB JSON keep their types."""

from __future__ import annotations

import io
import json
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import SourceMalformedError
from sluice.reading.json_grammar import JsonGrammar
from sluice.reading.record_scanner import blocks
from sluice.reading.rows import BadRow, as_record, parse
from tests.unit.sources import a_source

TEXTS = st.text(st.sampled_from('ab"\\{}[],: \né'), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), max_size=4)


def rows_of(data: bytes, layout: str = "json", block_bytes: int = 1 << 20) -> list[Any]:
    """The rows of a source in JSON, read in such blocks."""
    source = a_source(format=layout, header=None)
    found = blocks(io.BytesIO(data), source.grammar, 0, block_bytes=block_bytes)
    return [row for block in found for row in parse(block, source)]


@given(OBJECTS, st.sampled_from([None, 1, 4]), st.sampled_from(["list", "\n", "", " ", "\r\n\r\n"]))
def test_objects_are_found_in_any_layout_however_they_are_cut(
    objects: list[dict[str, Any]], indent: int | None, layout: str
) -> None:
    if layout == "list":
        text = json.dumps(objects, indent=indent, ensure_ascii=False)
    else:
        text = layout.join(json.dumps(each, indent=indent, ensure_ascii=False) for each in objects)
    for block_bytes in (1, 2, 3, 7, 1 << 20):
        assert rows_of(text.encode(), block_bytes=block_bytes) == objects


@pytest.mark.parametrize(
    ("text", "records"),
    [
        (b'{"a": 1} oops {"b": 2}', [{"a": 1}, "oops", {"b": 2}]),
        (b'[1, "x, y", {"a": 1}]', ["1", '"x, y"', {"a": 1}]),
        (b'{"a": "x}\n{"b": 2}\n', ['{"a": "x}', {"b": 2}]),
        (b'{"a": 01}\n{"b": 2}\n', ['{"a": 01}', {"b": 2}]),
        (b'{"a": 1, "a": 2}', ['{"a": 1, "a": 2}']),
        (b"[]", []),
        (b"\x1e{}\n\x1e{}\n", [{}, {}]),
    ],
)
def test_what_is_not_an_object_is_a_reject_of_its_own(text: bytes, records: list[Any]) -> None:
    for block_bytes in (1, 5, 1 << 20):
        rows = rows_of(text, block_bytes=block_bytes)
        assert [row.record if isinstance(row, BadRow) else row for row in rows] == records


def test_object_that_is_never_closed_ends_the_run_with_its_row_and_byte() -> None:
    with pytest.raises(SourceMalformedError, match="row 2: the JSON object at byte 9 is never closed"):
        rows_of(b'{"a": 1} {"b": [{}\n')


@pytest.mark.parametrize("nested", [b"[" * 10_000 + b"]" * 10_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000])
def test_deeply_nested_json_is_a_reject(nested: bytes) -> None:
    deep, usual = rows_of(b'{"id": ' + nested + b'}\n{"id": 1}')
    assert (deep.reason, usual) == ("NestingTooDeep", {"id": 1})


ITEM = {"id": {"S": "1"}, "n": {"N": "1.50"}, "b": {"B": "AAE="}, "s": {"NS": ["1", "2"]}, "l": {"L": [{"NULL": True}]}}
PLAIN = {"id": "1", "n": Decimal("1.50"), "b": b"\0\1", "s": {Decimal(1), Decimal(2)}, "l": [None]}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json.dumps({"Item": ITEM}) + "\n" + json.dumps(ITEM), id="lines"),
        pytest.param(json.dumps([{"Item": ITEM}, ITEM], indent=2), id="list"),
        pytest.param(
            json.dumps(
                {
                    "Items": [ITEM, ITEM],
                    "Count": 2,
                    "ScannedCount": 2,
                    "ConsumedCapacity": {"CapacityUnits": 0.5, "Table": {"CapacityUnits": 0.5}},
                },
                indent=4,
            ),
            id="scan",
        ),
        pytest.param(json.dumps({"Count": 2, "Items": [ITEM, ITEM], "ScannedCount": 2}), id="scan in another order"),
        pytest.param(
            json.dumps({"row": 7, "error": "KeyMissing", "message": "m", "record": ITEM}) + "\n" + json.dumps(ITEM),
            id="rejects",
        ),
    ],
)
def test_dynamodb_json_becomes_plain_values_and_its_own_record(text: str) -> None:
    for block_bytes in (1, 9, 1 << 20):
        rows = rows_of(text.encode(), "dynamodbJson", block_bytes)
        assert rows == [PLAIN, PLAIN]
        assert [as_record(row, None) for row in rows] == [ITEM, ITEM]


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"id": "1"}, 'the attribute "id" is not an object of one type and its value'),
        ({"id": {"X": "1"}}, 'the attribute "id" is not'),
        ({"m": {"M": {"a": {"S": "1", "N": "2"}}}}, 'the attribute "a" is not'),
        ({"l": {"L": [{"S": "1"}, 2]}}, r'the attribute "l\[1\]" is not'),
        ({"n": {"N": "abc"}}, 'the attribute "n" has the type N, which "abc" does not fit'),
        ({"Metadata": {}, "Keys": {}, "NewImage": {}}, "incremental export; load it with export_process"),
    ],
)
def test_what_is_not_an_item_is_rejected_with_the_attribute(item: dict[str, Any], problem: str) -> None:
    (row,) = rows_of(json.dumps(item).encode(), "dynamodbJson")
    assert row.reason == "RecordInvalid"
    assert re.search(problem, row.message)


def test_grammar_measures_no_further_than_it_knows() -> None:
    grammar = JsonGrammar()
    assert grammar.measure(b'[{"a": 1}, {"b": ', is_last=False) == (9, 1)
    assert grammar.measure(b'[{"a": "}', is_last=False) == (1, 0)
    assert grammar.measure(b'[{"a": 1}, {"b": ', is_last=True) == (17, 2)
