"""Rows, good and bad, with nothing lost."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.dynamodb.items import Row
from sluice.errors import CountsDoNotReconcileError
from sluice.reading.record_scanner import Block, blocks
from sluice.reading.rows import BadRow, parse
from sluice.reading.source import Source
from sluice.rejects import Reason, Reject
from tests.unit.sources import a_source


def rows_of(data: bytes, source: Source, start: int = 0) -> list[Row | BadRow]:
    found = blocks(io.BytesIO(data), source.grammar, start, block_bytes=7)
    return [row for block in found for row in parse(block, source)]


def test_rows_are_lists_of_one_value_per_column() -> None:
    data = 'é,"1\r\n2"\r\n\n"say ""x""",\\\r'.encode()
    assert rows_of(data, a_source()) == [["é", "1\r\n2"], ['say "x"', "\\"]]


def test_single_byte_encoding_is_decoded() -> None:
    assert rows_of("é;ß\n".encode("cp1252"), a_source(encoding="cp1252", delimiter=";")) == [["é", "ß"]]


def test_without_quoting_a_quote_is_a_character() -> None:
    assert rows_of(b'"a,b"\n', a_source(quote=None)) == [['"a', 'b"']]


def test_ragged_rows_are_bad_and_the_others_as_usual() -> None:
    ragged = [
        BadRow(Reason.ROW_RAGGED, "1 values for 2 columns", ["3"], 15),
        BadRow(Reason.ROW_RAGGED, "3 values for 2 columns", ["4", "5", "6"], 17),
    ]
    assert rows_of(b"1,2\n\n3\n4,5,6\n7,8\n", a_source(), start=10) == [["1", "2"], *ragged, ["7", "8"]]


def test_undecodable_row_keeps_its_bytes_and_names_the_offset() -> None:
    data = b'ok,1\ncaf\xe9,"\n\xff"\nok,2\n\xe9\n'
    row, long_row = rows_of(data, a_source(), start=100)[1::2]
    assert row == BadRow(Reason.ROW_UNDECODABLE, "byte 0xe9 is not utf-8", {"a": "caf\udce9", "b": "\n\udcff"}, 108)
    assert long_row == BadRow(Reason.ROW_UNDECODABLE, "byte 0xe9 is not utf-8", ["\udce9"], 120)
    assert row.record["a"].encode("utf-8", "surrogateescape") == b"caf\xe9"


@given(st.lists(st.sampled_from([b"a", b",", b'"', b"\n", b"\r", b"\xc3\xa9", b"\xc3", b"\xff"]), max_size=30))
def test_only_records_with_bad_bytes_are_undecodable(tokens: list[bytes]) -> None:
    data, source = b"".join(tokens), a_source(header=("only",))
    whole = csv.reader(io.StringIO(data.decode("utf-8", "surrogateescape"), newline=""))
    expected = [row for row in whole if row]
    rows = parse(Block(0, data, len(expected)), source)
    for row, values in zip(rows, expected, strict=True):
        is_bad = any("\udc80" <= character <= "\udcff" for value in values for character in value)
        is_undecodable = isinstance(row, BadRow) and row.reason == Reason.ROW_UNDECODABLE
        assert is_undecodable == is_bad
        if is_bad:
            assert isinstance(row, BadRow)
            assert data[row.byte_offset] > 127


def test_row_count_that_differs_from_the_block_is_an_error() -> None:
    with pytest.raises(CountsDoNotReconcileError, match="3 records in bytes 0 to 8, but 2 rows"):
        parse(Block(0, b"1,2\n3,4\n", 3), a_source())


JSON_SOURCE = a_source(format="jsonl", header=None)


def test_json_rows_keep_numbers_exact() -> None:
    data = b'{"a": 1, "b": 0.1}\r\n\n  {"a": 12345678901234567890, "b": 1E5, "c": [null, {"d": true}]} \n'
    assert rows_of(data, JSON_SOURCE) == [
        {"a": 1, "b": Decimal("0.1")},
        {"a": 12345678901234567890, "b": Decimal("1E5"), "c": [None, {"d": True}]},
    ]


@pytest.mark.parametrize(
    ("line", "reason", "message"),
    [
        (b"{", Reason.ROW_NOT_JSON_OBJECT, "not valid JSON"),
        (b"{} {}", Reason.ROW_NOT_JSON_OBJECT, "not valid JSON"),
        (b'{"a": NaN}', Reason.ROW_NOT_JSON_OBJECT, "NaN is not a JSON number"),
        (b'{"a": -Infinity}', Reason.ROW_NOT_JSON_OBJECT, "-Infinity is not a JSON number"),
        (b'{"a": {"b": 1, "b": 2}}', Reason.ROW_NOT_JSON_OBJECT, 'the name "b" appears twice in one object'),
        (b"[1]", Reason.ROW_NOT_JSON_OBJECT, "valid JSON, but not an object"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, Reason.NESTING_TOO_DEEP, "nested deeper than 100 levels"),
        (b"[" * 100_000, Reason.NESTING_TOO_DEEP, "nested too deep"),
        (b'{"a": 1e99999999999999999999}', Reason.NUMBER_OUT_OF_RANGE, "too large an exponent"),
        (b'{"a": ' + b"9" * 5000 + b"}", Reason.ROW_NOT_JSON_OBJECT, "not valid JSON: Exceeds the limit"),
    ],
)
def test_line_that_is_no_json_object_is_bad_and_kept_as_text(line: bytes, reason: Reason, message: str) -> None:
    good, bad = rows_of(b"{}\n" + line + b"\n", JSON_SOURCE, start=50)
    assert good == {}
    assert isinstance(bad, BadRow)
    assert (bad.reason, bad.record, bad.byte_offset) == (reason, line.decode(), 53)
    assert message in bad.message


def test_undecodable_line_names_the_byte() -> None:
    (bad,) = rows_of(b'  {"a": "\xe9"}\n', JSON_SOURCE, start=50)
    assert bad == BadRow(Reason.ROW_UNDECODABLE, "byte 0xe9 is not utf-8", '  {"a": "\udce9"}', 59)


REJECTS_SOURCE = a_source(format="rejects", header=None)


def as_source_again(*records: Any) -> list[Row | BadRow]:
    lines = [Reject(7, Reason.KEY_EMPTY, "why", record, 3).to_line() for record in records]
    return rows_of(b"".join(lines), REJECTS_SOURCE)


def test_rejects_are_rows_again() -> None:
    records: list[Any] = [{"a": "é", "b": ""}, {"a": 1, "é": [True, None, {"b": Decimal("0.10")}, "é"]}]
    assert as_source_again(*records) == records


def test_bad_rows_of_a_rejects_file_stay_bad_until_they_are_mended() -> None:
    records: list[Any] = [["3"], {"a": "caf\udce9"}, "{", 5]
    bad = as_source_again(*records)
    assert [each.record for each in bad if isinstance(each, BadRow)] == records
    assert [each.reason for each in bad if isinstance(each, BadRow)] == [
        Reason.ROW_RAGGED,
        Reason.ROW_UNDECODABLE,
        Reason.ROW_NOT_JSON_OBJECT,
        Reason.ROW_NOT_JSON_OBJECT,
    ]


def test_line_without_a_record_is_bad() -> None:
    (bad,) = rows_of(json.dumps({"a": 1}).encode(), REJECTS_SOURCE)
    assert isinstance(bad, BadRow)
    assert bad.message == 'not a line of a rejects file: "record" is missing'


def test_every_bad_row_can_stand_in_the_rejects_file() -> None:
    for bad in rows_of(b"\xe9,1\n2\n", a_source()):
        assert isinstance(bad, BadRow)
        line = json.loads(Reject(1, bad.reason, bad.message, bad.record, bad.byte_offset).to_line())
        assert line["record"] == bad.record
