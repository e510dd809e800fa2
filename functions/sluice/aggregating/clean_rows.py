"""Clean records are tallied many at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from itertools import compress, count, islice, pairwise
from operator import ne

from sluice.aggregating.aggregation import Aggregation, ColumnPart, Condition
from sluice.aggregating.batch_progress import RowCounts
from sluice.aggregating.clean_patterns import CleanPattern, Dialect, Shape, are_quoted, clean_pattern
from sluice.aggregating.group_tally import GroupTally, Key
from sluice.aggregating.known_cells import KnownCells
from sluice.aggregating.row_rules import COMPARE
from sluice.aggregating.tally import Tally
from sluice.errors import RejectError
from sluice.reading.source import CSV, Source

# A header whose cells are quoted now and then only is no reason for ever more patterns.
_PATTERNS_MAX = 64

# Of each column that is asked for, or of its first characters, all records' cells.
Cells = Mapping[ColumnPart, Sequence[str]]


class _NotCleanError(Exception):
    """A block has to be read row by row."""


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

    def __init__(self, aggregation: Aggregation, known: KnownCells, header: Sequence[str], encoding: str) -> None:
        layout = aggregation.layout
        self._known = known
        self._header = header
        self._encoding = encoding
        self._dialect = Dialect(layout.delimiter, layout.quote)
        self._patterns: dict[Shape, CleanPattern] = {}
        self._last: CleanPattern | None = None
        self._conditions = aggregation.where
        self._keys = aggregation.key_columns
        self._measures = [ColumnPart(each.column) for each in aggregation.measures]
        self._asked = [*(each.column for each in self._conditions), *self._keys, *self._measures]

    def tally(self, data: bytes) -> Tally | None:
        """What whole records come to; None unless all of them are clean."""
        try:
            return self._tally(_Block(data, self._encoding))
        except (_NotCleanError, RejectError, UnicodeDecodeError):
            # Whoever reads row by row says what is amiss, and where.
            return None

    def _tally(self, block: _Block) -> Tally:
        read, cells = block.lines, self._cells(block)
        rows = read
        for each in self._conditions:
            fulfilled = self._fulfilled(each, cells)
            rows = sum(fulfilled)
            cells = {column: list(compress(those, fulfilled)) for column, those in cells.items()}
        keys = [self._texts(each, cells) for each in self._keys]
        measures = [self._known.numbers(cells[each]) for each in self._measures]
        tally = Tally(len(measures), rows=RowCounts(read, rows, read - rows))
        for key, stretches in _grouped(keys, rows).items():
            size = sum([each.stop - each.start for each in stretches])
            tally.groups[key] = GroupTally(size, [each.tally(stretches) for each in measures])
        return tally

    def _fulfilled(self, condition: Condition, cells: Cells) -> list[bool]:
        """For each row whether it fulfils the condition."""
        value, compare = condition.value, COMPARE[condition.comparator]
        texts = self._texts(condition.column, cells)
        if not isinstance(value, Decimal):
            return [compare(each, value) for each in texts]
        return [each is not None and compare(each, value) for each in map(self._known.number, texts)]

    def _texts(self, column: ColumnPart, cells: Cells) -> Sequence[str]:
        """The cells, or the parts of the dates in them."""
        return self._known.dates(cells[column], column.part) if column.part else cells[column]

    def _cells(self, block: _Block) -> Cells:
        if self._last and (cells := self._found(self._last, block)) is not None:
            return cells
        first_line = block.text[: block.text.index("\n") + 1]
        quoted = are_quoted(first_line, len(self._header), self._dialect)
        for is_strict in [True, False] if quoted else []:
            pattern = self._pattern(Shape(quoted or (), is_strict))
            if pattern is not self._last and (cells := self._found(pattern, block)) is not None:
                self._last = pattern
                return cells
        raise _NotCleanError

    def _found(self, pattern: CleanPattern, block: _Block) -> Cells | None:
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
            found = self._patterns[shape] = clean_pattern(self._header, self._asked, self._dialect, shape)
        return found


def clean_rows_for(aggregation: Aggregation) -> Callable[[Source], CleanRows | None]:
    """How the clean records of a source are read; None where rows have to be looked at one by one."""
    known = KnownCells(aggregation.missing)

    @cache
    def of_header(header: tuple[str, ...], encoding: str) -> CleanRows:
        return CleanRows(aggregation, known, header, encoding)

    def of_source(source: Source) -> CleanRows | None:
        if source.format != CSV or source.header is None:
            return None
        return of_header(source.header, source.encoding)

    return of_source


def _grouped(keys: Sequence[Sequence[str]], rows: int) -> dict[Key, list[slice]]:
    """The rows of each group. Those of one group mostly follow each other: what is done for each row is done by C."""
    ends = {rows}
    for each in keys:
        ends.update(compress(count(1), map(ne, each, islice(each, 1, None))))
    grouped: dict[Key, list[slice]] = {}
    for start, end in pairwise([0, *sorted(ends)]) if rows else []:
        grouped.setdefault(tuple([each[start] for each in keys]), []).append(slice(start, end))
    return grouped
