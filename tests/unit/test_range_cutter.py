"""Ranges hold the rows of the whole file, wherever they are cut and however often the scan is resumed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sluice.reading.record_scanner import Block, blocks
from sluice.reading.rows import BadRow, parse
from sluice.workflows.csv_load.plan import RangeCutter
from sluice.workflows.csv_load.ranges import Range
from tests.unit.sources import a_source

GRAMMAR = a_source().grammar
FIRST = Range(index=0, start=0, end=0, first_row=1, rows=0)
TOKENS = ["a", ",", '"', '""', ',"', '",', "\n", "\r", "\r\n", "\\", "é", "\ufeff"]

texts = st.lists(st.sampled_from(TOKENS), max_size=40).map("".join)


def closed(text: str) -> str:
    """The text, its last quoted field closed where it is open."""
    return text + '"' if GRAMMAR.open_quote(text.encode()) is not None else text


def cut(
    data: bytes,
    range_bytes: int | None,
    max_rows: int | None = None,
    is_time_up: Callable[[], bool] = lambda: False,
) -> tuple[list[Range], int]:
    """All ranges of the data, and the number of calls that it took."""
    ranges: list[Range] = []
    unfinished, calls = FIRST, 0
    while True:
        cutter = RangeCutter(unfinished, range_bytes, max_rows)
        position = unfinished.end
        cutter.cut(_blocks(data, position, range_bytes), GRAMMAR, is_time_up)
        ranges += cutter.ranges
        unfinished, calls = cutter.unfinished, calls + 1
        if cutter.done:
            return ranges, calls


def _blocks(data: bytes, position: int, range_bytes: int | None) -> Iterator[Block]:
    return blocks(io.BytesIO(data[position:]), GRAMMAR, position, block_bytes=min(5, range_bytes or 5))


def rows_of(data: bytes, ranges: list[Range]) -> list[Any]:
    rows: list[Any] = []
    for each in ranges:
        block = Block(each.start, data[each.start : each.end], each.rows)
        assert each.first_row == len(rows) + 1
        parsed = parse(block, a_source(header=("a",)))
        rows += [_values(row.record) if isinstance(row, BadRow) else row for row in parsed]
    return rows


def _values(record: Any) -> Any:
    """A reject's values; those of a record whose quotes are wrong, which is text, as csv.reader guesses them."""
    if isinstance(record, list):
        return record
    return next(row for row in csv.reader(io.StringIO(record, newline="")) if row)


@given(texts, st.none() | st.integers(0, 9))
def test_ranges_cut_near_every_byte_hold_what_csv_reader_reads(text: str, max_rows: int | None) -> None:
    data = closed(text).encode()
    expected = [row for row in csv.reader(io.StringIO(closed(text), newline="")) if row]
    for range_bytes in range(1, len(data) + 2):
        ranges, _ = cut(data, range_bytes)
        assert rows_of(data, ranges) == expected
        assert [each.index for each in ranges] == list(range(len(ranges)))
        assert all(before.end == after.start for before, after in pairwise(ranges))
        if max_rows:
            assert rows_of(data, cut(data, range_bytes, max_rows)[0]) == expected[:max_rows]


@given(texts, st.integers(1, 50), st.integers(1, 9))
def test_scan_that_is_taken_up_after_every_block_finds_the_same_rows(
    text: str, range_bytes: int, max_rows: int
) -> None:
    data = closed(text).encode()
    whole = rows_of(data, cut(data, range_bytes)[0])
    assert rows_of(data, cut(data, range_bytes, None, lambda: True)[0]) == whole
    assert rows_of(data, cut(data, range_bytes, max_rows, lambda: True)[0]) == whole[:max_rows]


def test_one_range_of_all_stays_open_from_call_to_call() -> None:
    ranges, calls = cut(b"1,2\n" * 10, None, None, lambda: True)
    assert ranges == [Range(index=0, start=0, end=40, first_row=1, rows=10)]
    assert calls > 1


def test_ranges_are_about_as_long_as_requested() -> None:
    ranges, _ = cut(b"1234567\n" * 1000, 100)
    assert {abs(each.end - each.start - 100) < 8 for each in ranges[:-1]} == {True}


def test_source_without_rows_is_one_range_without_rows() -> None:
    assert cut(b"", 100)[0] == [FIRST]
    assert cut(b"\n\n", 100)[0] == [Range(index=0, start=0, end=2, first_row=1, rows=0)]
