"""Records and cells of every dialect: those of csv.reader where it can read it, else those of a simple reader."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.reading.dialect import HeaderRow
from sluice.reading.line_numbers import LineNumbers
from sluice.reading.record_scanner import blocks
from sluice.reading.rows import REPEATED_HEADER, BadRow, JoinedRow, parse
from sluice.reading.source import Source
from sluice.rejects import Reason
from tests.unit.sources import a_source


def rows_of(data: bytes, source: Source, block_bytes: int) -> list[Any]:
    """All rows of a source that is read in such blocks."""
    found = blocks(io.BytesIO(data), source.grammar, 0, block_bytes=block_bytes)
    return [row for block in found for row in parse(block, source)]


def is_closed(text: str, source: Source) -> bool:
    """Whether no quote is open at the end, which ends a run before a row is read."""
    return source.grammar.open_quote(text.encode(source.encoding)) is None


# What csv.reader can read: delimiter, quote, escape, and blanks after delimiters where nothing else is to trim.

READABLE: dict[str, dict[str, Any]] = {
    "plain": {},
    "semicolon": {"delimiter": ";"},
    "tab": {"delimiter": "\t"},
    "single quote": {"quote": "'"},
    "broken bar": {"delimiter": "¦", "quote": "§"},
    "no quote": {"quote": None},
    "escape": {"escape": "\\"},
    "escape, no quote": {"escape": "\\", "quote": None},
    "other escape": {"escape": "^", "delimiter": "|"},
}
TEXT_TOKENS = ["a", ",", ";", "\t", "|", "¦", '"', '""', "'", "§", "\\", "^", "\n", "\r", "\r\n", " ", "é"]
texts = st.lists(st.sampled_from(TEXT_TOKENS), max_size=25).map("".join)


def reader_options(dialect: dict[str, Any]) -> dict[str, Any]:
    quote = dialect.get("quote", '"')
    options = {"delimiter": dialect.get("delimiter", ","), "quotechar": quote, "escapechar": dialect.get("escape")}
    return options | ({"quoting": csv.QUOTE_NONE} if quote is None else {})


def read_by_csv(text: str, *, strict: bool, **options: Any) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(text, newline=""), strict=strict, **options) if row]


@pytest.mark.parametrize("name", READABLE)
@given(text=texts)
def test_records_are_those_of_csv_reader_and_rejected_where_it_is_strict(name: str, text: str) -> None:
    dialect = READABLE[name]
    source, options = a_source(header=("a",), **dialect), reader_options(dialect)
    if not is_closed(text, source):
        return
    expected = read_by_csv(text, strict=False, **options)
    for block_bytes in range(1, len(text.encode()) + 2):
        rows = rows_of(text.encode(), source, block_bytes)
        assert len(rows) == len(expected)
        for row, values in zip(rows, expected, strict=True):
            if isinstance(row, BadRow) and row.reason == Reason.QUOTE_INVALID:
                with pytest.raises(csv.Error):
                    read_by_csv(row.record, strict=True, **options)
                assert read_by_csv(row.record, strict=False, **options) == [values]
            else:
                assert (row.record if isinstance(row, BadRow) else row) == values


# What it cannot read.


@dataclass
class SimpleReader:
    """Reads character by character: slow, and plain to see."""

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    comment: str | None = None
    trim: bool = False
    records: list[list[str] | None] = field(default_factory=list)

    def read(self, text: str) -> list[list[str] | None]:
        """The cells of each record, None for a record with text after a closing quote."""
        position = 0
        while position < len(text):
            position = self._line(text, position)
        return self.records

    def _line(self, text: str, position: int) -> int:
        line = text[position:].splitlines()[0] if text[position] not in "\r\n" else ""
        is_blank = not (line.strip(self._blanks) if self.trim else line)
        if is_blank or (self.comment and line.startswith(self.comment)):
            return self._after_newline(text, position + len(line))
        cells, is_strict = [], True
        while True:
            cell, position, is_good = self._cell(text, position)
            cells.append(cell)
            is_strict = is_strict and is_good
            if not text.startswith(self.delimiter, position):
                break
            position += len(self.delimiter)
        if self.escape and text.startswith(self.escape, position):
            is_strict, position = False, position + 1
        self.records.append(cells if is_strict else None)
        return self._after_newline(text, position)

    def _cell(self, text: str, position: int) -> tuple[str, int, bool]:
        while self.trim and position < len(text) and text[position] in self._blanks:
            position += 1
        if self.quote and text.startswith(self.quote, position):
            quoted, position = self._quoted(text, position + 1)
            # An escape character directly after the quote is none.
            literal = text[position : position + 1] if text[position : position + 1] == self.escape else ""
            rest, position = self._unquoted(text, position + len(literal))
            return quoted, position, literal + rest == ""
        cell, position = self._unquoted(text, position)
        return cell, position, True

    def _quoted(self, text: str, position: int) -> tuple[str, int]:
        cell = ""
        while True:
            character = text[position]
            if character == self.escape:
                cell, position = cell + text[position + 1], position + 2
            elif character != self.quote:
                cell, position = cell + character, position + 1
            elif text[position + 1 : position + 2] == self.quote:
                cell, position = cell + character, position + 2
            else:
                return cell, position + 1

    def _unquoted(self, text: str, position: int) -> tuple[str, int]:
        cell, kept = "", 0
        while position < len(text) and not text.startswith(self.delimiter, position) and text[position] not in "\r\n":
            if text[position] == self.escape:
                if position + 1 == len(text):
                    break
                cell, position = cell + text[position + 1], position + 2
                kept = len(cell)
                continue
            cell, position = cell + text[position], position + 1
            if cell[-1] not in self._blanks:
                kept = len(cell)
        return (cell[:kept] if self.trim else cell), position

    @property
    def _blanks(self) -> str:
        return "".join(each for each in " \t\u00a0" if each not in self.delimiter)

    @staticmethod
    def _after_newline(text: str, position: int) -> int:
        return position + (2 if text.startswith("\r\n", position) else 1)


OTHERS: dict[str, dict[str, Any]] = {
    "trim": {"trim": True},
    "trim tabs": {"trim": True, "delimiter": "\t"},
    "trim and escape": {"trim": True, "escape": "\\"},
    "trim, no quote": {"trim": True, "quote": None},
    "comment": {"comment": "#"},
    "long comment": {"comment": "//", "delimiter": "|"},
    "comment and escape": {"comment": "#", "escape": "\\", "trim": True},
    "long delimiter": {"delimiter": "||"},
    "delimiter that repeats itself": {"delimiter": "aa", "quote": "'"},
    "delimiter with a blank": {"delimiter": ", ", "trim": True},
    "all at once": {"delimiter": "¦¦", "quote": "§", "escape": "^", "comment": "#", "trim": True},
}
OTHER_TOKENS = [*TEXT_TOKENS, "#", "/", "//", "||", "aa", "¦¦", '"a"', "§a§", "\u00a0"]
other_texts = st.lists(st.sampled_from(OTHER_TOKENS), max_size=20).map("".join)


@pytest.mark.parametrize("name", OTHERS)
@given(text=other_texts)
def test_other_dialects_are_read_as_a_simple_reader_does(name: str, text: str) -> None:
    source = a_source(header=("a",), **OTHERS[name])
    if not is_closed(text, source):
        return
    expected = SimpleReader(**OTHERS[name]).read(text)
    for block_bytes in (*range(1, min(12, len(text.encode()) + 2)), 1 << 20):
        rows = rows_of(text.encode(), source, block_bytes)
        assert len(rows) == len(expected)
        for row, values in zip(rows, expected, strict=True):
            if values is None:
                assert isinstance(row, BadRow)
                assert row.reason == Reason.QUOTE_INVALID
            else:
                assert (row.record if isinstance(row, BadRow) else row) == values


# What rows are found to be.


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('1,"a"b\n', "line 1"),
        ('1,a\n2,"x\ny"z\n3,b\n', "lines 2 to 3"),
        ('1,a\r\n\r\n2,"x\r\ny"z\r\n', "lines 3 to 4"),
        ('1,a\r2,"x\ry"z\r', "lines 2 to 3"),
    ],
)
def test_record_with_wrong_quotes_names_its_lines(text: str, lines: str) -> None:
    source, data = a_source(), text.encode()
    line_of = LineNumbers(lambda start: io.BytesIO(data[start:]))
    (block,) = blocks(io.BytesIO(data), source.grammar)
    (bad,) = [row for row in parse(block, source, line_of) if isinstance(row, BadRow)]
    assert bad.reason == Reason.QUOTE_INVALID
    assert bad.message.startswith(f"{lines}: text follows a closing quote")
    assert bad.record in text


def test_row_equal_to_the_header_row_is_marked_with_a_mark_before_it_too() -> None:
    source = a_source(header_row=HeaderRow.NAMES)
    rows = rows_of("1,2\na,b\n\ufeffa,b\na,c\n\ufeffa,c\n".encode(), source, 1 << 20)
    assert rows == [["1", "2"], REPEATED_HEADER, REPEATED_HEADER, ["a", "c"], ["\ufeffa", "c"]]


def test_header_row_of_one_column_is_a_row_where_it_is_repeated() -> None:
    assert rows_of(b"1\na\n", a_source(header=("a",), header_row=HeaderRow.NAMES), 1 << 20) == [["1"], ["a"]]


def test_names_of_the_input_are_not_a_header_row() -> None:
    assert rows_of(b"a,b\n", a_source(header_row=HeaderRow.NONE), 1 << 20) == [["a", "b"]]


@pytest.mark.parametrize(
    ("text", "is_joined"),
    [
        ('2,"x\n3,c\n4,d\n5,"\n', True),
        ('2,"x\n3,"\n', True),
        ('2,"x\r\n3,c\r\n4,"\r\n', True),
        ('2,"x\ny"\n', False),
        ('2,"x\ny, z, and\nmore"\n', False),
        ('"2\n\n",x\n', False),
    ],
)
def test_row_that_a_stray_quote_may_have_joined_is_marked(text: str, is_joined: bool) -> None:
    (row,) = rows_of(text.encode(), a_source(), 1 << 20)
    assert isinstance(row, JoinedRow) == is_joined
