"""Clean records of a csv: their cells are found, and all is checked, without parsing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from sluice.aggregating.aggregation import Aggregation
from sluice.aggregating.clean_patterns import CleanPattern, Dialect, Shape, are_quoted, clean_pattern
from sluice.aggregating.column_tally import Columns, ColumnTally
from sluice.aggregating.tally import Tally
from sluice.errors import RejectError
from sluice.reading.source import CSV, Source

# A header whose cells are quoted now and then only is no reason for ever more patterns.
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
        self._dialect = Dialect(layout.delimiter, layout.quote)
        self._patterns: dict[Shape, CleanPattern] = {}
        self._last: CleanPattern | None = None

    def tally(self, data: bytes) -> Tally | None:
        """What whole records come to; None unless all of them are clean."""
        try:
            block = _Block(data, self._encoding)
            return self._columns.of(block.lines, self._found_in(block))
        except (_NotCleanError, RejectError, UnicodeDecodeError):
            # Whoever looks at single rows says what is amiss, and where.
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
        found, step = pattern.records.split(block.text), 1 + len(pattern.asked)
        # Each record ends with a newline: if they are as many, there is no other, and nothing between them.
        if len(found) != lines * step + 1:
            return None
        return {column: found[place::step] for place, column in enumerate(pattern.asked, 1)}

    def _pattern(self, shape: Shape) -> CleanPattern:
        found = self._patterns.get(shape)
        if found is None:
            if len(self._patterns) == _PATTERNS_MAX:
                raise _NotCleanError
            found = self._patterns[shape] = clean_pattern(self._header, self._columns.asked, self._dialect, shape)
        return found


def clean_rows_for(aggregation: Aggregation, columns: ColumnTally) -> Callable[[Source], CleanRows | None]:
    """How the clean records of a source are read; None where they have to be parsed."""

    @cache
    def of_header(header: tuple[str, ...], encoding: str) -> CleanRows:
        return CleanRows(aggregation, columns, header, encoding)

    def of_source(source: Source) -> CleanRows | None:
        if source.format != CSV or source.header is None:
            return None
        return of_header(source.header, source.encoding)

    return of_source
