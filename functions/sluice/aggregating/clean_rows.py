"""Clean records become groups of values, many at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import compress, count, islice, pairwise, product
from operator import ne
from typing import Any

from sluice.aggregating.aggregation import Aggregation, Condition
from sluice.aggregating.cells import valid_part
from sluice.aggregating.clean_patterns import (
    CleanPattern,
    Dialect,
    Numbers,
    Role,
    Shape,
    are_quoted,
    clean_pattern,
    roles_of,
)
from sluice.aggregating.group_tally import Key
from sluice.aggregating.row_rules import COMPARE
from sluice.reading.source import CSV, Source

# A header whose cells are quoted now and then only is no reason for ever more patterns.
_PATTERNS_MAX = 64

Cells = tuple[str, ...]


class _NotCleanError(Exception):
    """A block has to be read row by row."""


@dataclass(frozen=True, slots=True)
class CleanGroups:
    """`groups`: for each row its measures' cells, without blanks and "" where missing.

    A row is the cell itself where there is one measure, else a tuple.
    """

    rows: int
    aggregated: int
    numbers: Numbers
    groups: dict[Key, list[Any]]


class CleanRows:
    """Reads blocks of records under one header."""

    def __init__(self, aggregation: Aggregation, roles: Sequence[Role], header: Sequence[str], encoding: str) -> None:
        layout = aggregation.layout
        self._aggregation = aggregation
        self._roles = roles
        self._header = header
        self._encoding = encoding
        self._dialect = Dialect(layout.delimiter, layout.quote, aggregation.missing)
        self._patterns: dict[Shape, CleanPattern] = {}
        self._last: CleanPattern | None = None
        self._conditions = [_fulfils(each) for each in aggregation.where]
        self._parts = [(place, each.part) for place, each in enumerate(aggregation.key_columns) if each.part]

    def groups(self, data: bytes) -> CleanGroups | None:
        """Whole records become groups; None unless all of them are clean."""
        try:
            return self._groups(self._text(data))
        except (_NotCleanError, UnicodeDecodeError):
            return None

    def _text(self, data: bytes) -> str:
        text = str(data, self._encoding)
        if "\r" in text:
            # No cell of a clean record has a newline: this one was a record's end, or nothing will match.
            text = text.replace("\r\n", "\n")
        if "\r" in text or not text:
            raise _NotCleanError
        return text if text.endswith("\n") else text + "\n"

    def _groups(self, text: str) -> CleanGroups:
        pattern, records = self._records(text)
        rows = len(records)
        places = pattern.places
        for place, is_fulfilled in zip(places, self._conditions, strict=False):
            records = [each for each in records if is_fulfilled(each[place])]
        columns = list(zip(*records, strict=True)) if records else [()] * (max(places, default=0) + 1)
        of_roles = [columns[each] for each in places[len(self._conditions) :]]
        keys = of_roles[: len(self._aggregation.key_columns)]
        measures = of_roles[len(keys) :]
        values: Sequence[Any] = measures[0] if len(measures) == 1 else list(zip(*measures, strict=True))
        grouped = self._grouped(keys, values or [()] * len(records))
        return CleanGroups(rows, len(records), pattern.numbers, grouped)

    def _records(self, text: str) -> tuple[CleanPattern, list[Cells]]:
        if self._last and (found := self._found(self._last, text)):
            return self._last, found
        quoted = are_quoted(text[: text.index("\n") + 1], len(self._header), self._dialect)
        for is_strict, numbers in product([True, False], Numbers if quoted else ()):
            pattern = self._pattern(Shape(quoted or (), numbers, is_strict))
            if pattern is not self._last and (found := self._found(pattern, text)):
                self._last = pattern
                return pattern, found
        raise _NotCleanError

    def _found(self, pattern: CleanPattern, text: str) -> list[Cells]:
        """The records; none unless the text is nothing but such records."""
        quote, lines = self._dialect.quote, text.count("\n")
        if quote is not None and pattern.quotes is not None and text.count(quote) != pattern.quotes * lines:
            return []
        found = pattern.records.findall(text)
        # Each of them ends with a newline: if they are as many, there is no other, and nothing between them.
        return found if len(found) == lines else []

    def _pattern(self, shape: Shape) -> CleanPattern:
        found = self._patterns.get(shape)
        if found is None:
            if len(self._patterns) == _PATTERNS_MAX:
                raise _NotCleanError
            found = self._patterns[shape] = clean_pattern(self._header, self._roles, self._dialect, shape)
        return found

    def _grouped(self, keys: list[Cells], values: Sequence[Any]) -> dict[Key, list[Any]]:
        if not keys:
            return {(): list(values)} if values else {}
        grouped: defaultdict[Key, list[Any]] = defaultdict(list)
        rows = list(zip(*keys, strict=True))
        # Rows of one group mostly follow each other: what is done for each row is done by C.
        ends = [*compress(count(1), map(ne, rows, islice(rows, 1, None))), len(rows)] if rows else []
        for start, end in pairwise([0, *ends]):
            grouped[rows[start]] += values[start:end]
        return self._with_valid_dates(grouped) if self._parts else grouped

    def _with_valid_dates(self, grouped: dict[Key, list[Any]]) -> dict[Key, list[Any]]:
        valid: dict[Key, list[Any]] = {}
        for key, values in grouped.items():
            parts = list(key)
            for place, part in self._parts:
                found = valid_part(parts[place], part)
                if found is None:
                    raise _NotCleanError
                parts[place] = found
            # 2026-01-31 07 and 2026-01-31T07 are one group.
            if (there := valid.setdefault(tuple(parts), values)) is not values:
                there += values
        return valid


def clean_rows_for(aggregation: Aggregation) -> Callable[[Source], CleanRows | None]:
    """How the clean records of a source are read; None where rows have to be looked at one by one."""
    roles = roles_of(aggregation)

    @cache
    def of_header(header: tuple[str, ...], encoding: str) -> CleanRows:
        return CleanRows(aggregation, roles or (), header, encoding)

    def of_source(source: Source) -> CleanRows | None:
        if roles is None or source.format != CSV or source.header is None:
            return None
        return of_header(source.header, source.encoding)

    return of_source


def _fulfils(condition: Condition) -> Callable[[str], bool]:
    column, value, compare = condition.column, condition.value, COMPARE[condition.comparator]
    if isinstance(value, Decimal):
        return lambda cell: cell != "" and compare(Decimal(cell), value)
    part = column.part
    if part is None:
        return lambda cell: compare(cell, value)

    def is_fulfilled(cell: str) -> bool:
        found = valid_part(cell, part)
        if found is None:
            raise _NotCleanError
        return compare(found, value)

    return is_fulfilled
