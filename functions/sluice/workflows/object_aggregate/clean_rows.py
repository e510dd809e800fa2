"""Clean records: one regular expression finds the requested cells and checks all others.

Clean are records on one line each, with a cell for each column: one in quotes has none inside, or doubled ones where
nothing is asked of it; one without has neither quote nor delimiter. csv.reader reads them as they stand here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from sluice.errors import RejectError
from sluice.reading.dialect import CSV
from sluice.reading.source import Source
from sluice.workflows.object_aggregate.aggregation import Aggregation, ColumnPart
from sluice.workflows.object_aggregate.tally import Columns, ColumnTally, Tally

_NEWLINE = "\n"


@dataclass(frozen=True, slots=True)
class CleanDialect:
    """How cells are set apart."""

    delimiter: str
    quote: str | None


@dataclass(frozen=True, slots=True)
class Shape:
    """What the records of a block are like: `quoted`, for each column of the header, whether its cells are in quotes.

    `is_strict`: all cells of a column are, or none is. Otherwise it is known only of requested columns; it
    takes re more than twice the time, which is fastest where a set excludes one character only.
    """

    quoted: tuple[bool, ...]
    is_strict: bool


@dataclass(frozen=True, slots=True)
class CleanPattern:
    """A block is clean if it is nothing but such records, and they are as many as its newlines.

    `quotes`: how many each record has to have besides, None where it need not be counted. `request`: for each group of
    the pattern the column, or its first characters, that it finds.
    """

    records: re.Pattern[str]
    quotes: int | None
    request: tuple[ColumnPart, ...]


def clean_pattern(
    header: Sequence[str], request: Sequence[ColumnPart], dialect: CleanDialect, shape: Shape
) -> CleanPattern:
    """The pattern for records of a shape under a header that has each requested column once."""
    cells: list[str] = []
    found: list[ColumnPart] = []
    for index, (name, is_quoted) in enumerate(zip(header, shape.quoted, strict=True), 1):
        parts = [each for each in dict.fromkeys(request) if each.column == name]
        found += parts
        cell = _Cell(dialect, shape, is_quoted=is_quoted, is_last=index == len(header))
        cells.append(cell.of_parts(parts) if parts else cell.unused())
    # An empty line is not a record, not even of one column.
    start = "^(?!\n)" if len(header) == 1 else "^"
    text = start + re.escape(dialect.delimiter).join(cells) + "\n"
    is_counted = shape.is_strict and dialect.quote is not None and not all(shape.quoted)
    return CleanPattern(
        records=re.compile(text, re.MULTILINE),
        quotes=2 * sum(shape.quoted) if is_counted else None,
        request=tuple(found),
    )


def are_quoted(line: str, columns: int, dialect: CleanDialect) -> tuple[bool, ...] | None:
    """For each cell of a clean line, its newline included, whether it is in quotes; None for a line that is not."""
    cell = re.compile(f"({_any_cell(dialect)})(?:{re.escape(dialect.delimiter)}|\n)")
    found, position = [], 0
    while position < len(line) and (match := cell.match(line, position)):
        found.append(dialect.quote is not None and match[1].startswith(dialect.quote))
        position = match.end()
    return tuple(found) if position == len(line) and len(found) == columns else None


def _any_cell(dialect: CleanDialect) -> str:
    bare = rf"{_none_of(dialect.quote, dialect.delimiter, _NEWLINE)}*+"
    if dialect.quote is None:
        return bare
    quote, inside = re.escape(dialect.quote), rf"{_none_of(dialect.quote)}*+"
    return rf"(?:{quote}{inside}(?:{quote}{quote}{inside})*+{quote}|{bare})"


def _none_of(*characters: str | None) -> str:
    return f"[^{''.join(re.escape(each) for each in characters if each is not None)}]"


class _Cell:
    """A cell's pattern. In quotes it may hold the delimiter; newlines are left to those who count them."""

    def __init__(self, dialect: CleanDialect, shape: Shape, *, is_quoted: bool, is_last: bool) -> None:
        self._dialect = dialect
        self._is_strict = shape.is_strict
        if is_quoted:
            excluded: tuple[str | None, ...] = (dialect.quote,)
        elif not shape.is_strict:
            excluded = (dialect.quote, dialect.delimiter, _NEWLINE)
        elif is_last:
            excluded = (dialect.delimiter, _NEWLINE)
        else:
            excluded = (dialect.delimiter,)
        self._character = _none_of(*excluded)
        self._quote = re.escape(dialect.quote) if is_quoted and dialect.quote else ""

    def unused(self) -> str:
        """A cell of any text."""
        return f"{self._quote}{self._character}*+{self._quote}" if self._is_strict else _any_cell(self._dialect)

    def of_parts(self, parts: Sequence[ColumnPart]) -> str:
        """All parts are taken from the same cell, and the last one continues to its end."""
        *ahead, last = map(self._of_part, parts)
        return self._quote + "".join(f"(?={each})" for each in ahead) + last + self._quote

    def _of_part(self, request: ColumnPart) -> str:
        if request.part is None:
            return f"({self._character}*+)"
        return f"({self._character}{{{request.part.characters}}}){self._character}*+"


# Bounds the memory where cells are quoted in some rows only.
_PATTERNS_MAX = 64


class _NotCleanError(Exception):
    """A block has to be parsed."""


class _Block:
    """Whole records as text, each with one newline at its end."""

    def __init__(self, data: bytes, encoding: str) -> None:
        if b"\r" in data:
            # No cell of a clean record has a newline: this one was a record's end, or nothing will match.
            data = data.replace(b"\r\n", b"\n")
        if b"\r" in data:
            raise _NotCleanError
        self._data = data if data.endswith(b"\n") else data + b"\n"
        self._encoding = encoding
        self.text = str(self._data, encoding)
        self.lines = self.count("\n")

    def count(self, character: str) -> int:
        """How often the character occurs: `replace` jumps from one to the next where `count` looks at every byte."""
        found = character.encode(self._encoding)
        return (len(self._data) - len(self._data.replace(found, b""))) // len(found)


class CleanRows:
    """Reads blocks of records under one header."""

    def __init__(self, aggregation: Aggregation, columns: ColumnTally, header: Sequence[str], encoding: str) -> None:
        layout = aggregation.layout
        self._columns = columns
        self._header = header
        self._encoding = encoding
        self._dialect = CleanDialect(layout.delimiter, layout.quote)
        self._patterns: dict[Shape, CleanPattern] = {}
        self._last: CleanPattern | None = None

    def tally(self, data: bytes) -> Tally | None:
        """The tally of whole records; None unless all of them are clean."""
        try:
            block = _Block(data, self._encoding)
            return self._columns.of(block.lines, self._found_in(block))
        except (_NotCleanError, RejectError, UnicodeDecodeError):
            # RowEngine finds what is wrong, and in which row.
            return None

    def _found_in(self, block: _Block) -> Columns:
        if self._last and (found := self._found(self._last, block)) is not None:
            return found
        first_line = block.text[: block.text.index("\n") + 1]
        quoted = are_quoted(first_line, len(self._header), self._dialect)
        for is_strict in [True, False] if quoted else []:
            pattern = self._pattern(Shape(quoted or (), is_strict))
            if pattern is not self._last and (found := self._found(pattern, block)) is not None:
                self._last = pattern
                return found
        raise _NotCleanError

    def _found(self, pattern: CleanPattern, block: _Block) -> Columns | None:
        """The cells of all records; None unless the block is nothing but such records."""
        quote, lines = self._dialect.quote, block.lines
        if quote is not None and pattern.quotes is not None and block.count(quote) != pattern.quotes * lines:
            return None
        # What is between two records, which is nothing, comes before the cells of each.
        found, step = pattern.records.split(block.text), 1 + len(pattern.request)
        # Each record ends with a newline: if they are as many, there is no other, and nothing between them.
        if len(found) != lines * step + 1:
            return None
        return {column: found[index::step] for index, column in enumerate(pattern.request, 1)}

    def _pattern(self, shape: Shape) -> CleanPattern:
        found = self._patterns.get(shape)
        if found is None:
            if len(self._patterns) == _PATTERNS_MAX:
                raise _NotCleanError
            found = self._patterns[shape] = clean_pattern(self._header, self._columns.request, self._dialect, shape)
        return found


def clean_rows_for(aggregation: Aggregation, columns: ColumnTally) -> Callable[[Source], CleanRows | None]:
    """How the clean records of a source are read; None where they have to be parsed."""

    @cache
    def of_header(header: tuple[str, ...], encoding: str) -> CleanRows:
        return CleanRows(aggregation, columns, header, encoding)

    def of_source(source: Source) -> CleanRows | None:
        if source.format != CSV or source.header is None or not source.dialect.is_plain:
            return None
        return of_header(source.header, source.encoding)

    return of_source
