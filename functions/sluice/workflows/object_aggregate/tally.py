"""What one slice has counted: groups, rows and rejects, and the groups as lines of a part.

[["2026-01", "0123"], 31, [[31, "1395.0", "-3.2", "99"], [0, "0", null, null]]]: the key's texts in the order of
`Aggregation.key_columns`, the rows, and for each measure the count, the exact sum, the least and the greatest value.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import compress, count, islice, pairwise
from json.encoder import encode_basestring as quote
from operator import ne
from typing import Any

from sluice.rejects import Reject
from sluice.runs.columns_found import ColumnsFound
from sluice.workflows.object_aggregate.aggregation import Aggregation, ColumnPart, Condition
from sluice.workflows.object_aggregate.cells import CellCache, GroupTally, Key, MeasureTally
from sluice.workflows.object_aggregate.progress import RowCounts
from sluice.workflows.object_aggregate.row_rules import COMPARE


def to_line(key: Key, tally: GroupTally) -> bytes:
    """One group as a line, newline at the end."""
    texts = ",".join(map(quote, key))
    measures = ",".join(
        [f'[{each.count},"{each.total!s}",{_text(each.low)},{_text(each.high)}]' for each in tally.measures]
    )
    return f"[[{texts}],{tally.rows},[{measures}]]\n".encode()


def from_line(line: bytes) -> tuple[Key, GroupTally]:
    """Read what `to_line` returns."""
    key, rows, measures = json.loads(line)
    return tuple(key), tally_of(rows, measures)


def tally_of(rows: int, measures: Iterable[Any]) -> GroupTally:
    """What a line has behind its key."""
    return GroupTally(
        rows,
        [MeasureTally(count, Decimal(total), _number(low), _number(high)) for count, total, low, high in measures],
    )


def _text(value: Decimal | None) -> str:
    # Formatting a Decimal takes twice the time of str.
    return "null" if value is None else f'"{value!s}"'


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


@dataclass(slots=True)
class Tally:
    """`measures`: how many there are. `rejects`: lines of the rejects file."""

    measures: int
    groups: dict[Key, GroupTally] = field(default_factory=dict)
    rows: RowCounts = field(default_factory=RowCounts)
    reasons: Counter[str] = field(default_factory=Counter)
    rejects: list[bytes] = field(default_factory=list)
    reject_bytes: int = 0
    columns: ColumnsFound = field(default_factory=ColumnsFound)

    def merge_group(self, key: Key, theirs: GroupTally) -> None:
        """Add the rows of a group, whose tally must not be used afterwards. The caller counts the rows."""
        mine = self.groups.setdefault(key, theirs)
        if mine is not theirs:
            mine.merge(theirs)

    def add(self, key: Key, values: Sequence[Decimal | None]) -> None:
        """Add one row of a group. The caller counts the rows."""
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = GroupTally.empty(self.measures)
        group.rows += 1
        for measure, value in zip(group.measures, values, strict=True):
            if value is not None:
                measure.add(value)

    def refuse(self, reject: Reject) -> None:
        """Add one rejected row. The caller counts the rows."""
        line = reject.to_line()
        self.rejects.append(line)
        self.reject_bytes += len(line)
        self.reasons[reject.reason] += 1

    def merge(self, other: Tally) -> None:
        """Add another tally, which must not be used afterwards."""
        if not self.groups:
            self.groups = other.groups
        else:
            for key, theirs in other.groups.items():
                self.merge_group(key, theirs)
        self.rows += other.rows
        self.reasons += other.reasons
        self.rejects += other.rejects
        self.reject_bytes += other.reject_bytes
        self.columns += other.columns

    def part(self) -> bytes:
        """The groups as lines in the order of their keys."""
        return b"".join([to_line(key, self.groups[key]) for key in sorted(self.groups)])


# For each column all rows' cells; for a part of the dates in it, as many of their first characters.
Columns = Mapping[ColumnPart, Sequence[str]]


class ColumnTally:
    """The rules of an aggregation, applied to the columns `request`: the same as RowRules row by row."""

    def __init__(self, aggregation: Aggregation) -> None:
        self._known = CellCache()
        self._missing = aggregation.missing
        self._conditions = aggregation.where
        self._keys = aggregation.key_columns
        self._measures = [ColumnPart(each.column) for each in aggregation.measures]
        conditions = [each.column for each in self._conditions]
        self.request = tuple(dict.fromkeys([*conditions, *self._keys, *self._measures]))

    def of(self, rows: int, columns: Columns) -> Tally:
        """The tally of so many rows. Raises RejectError if any of them must be rejected."""
        read = rows
        for each in self._conditions:
            fulfilled = self._fulfilled(each, columns)
            rows = sum(fulfilled)
            columns = {column: list(compress(cells, fulfilled)) for column, cells in columns.items()}
        keys = [self._texts(each, columns) for each in self._keys]
        measures = [self._known.numbers(columns[each], self._missing.of(each.column)) for each in self._measures]
        tally = Tally(len(measures), rows=RowCounts(read, rows, read - rows))
        for key, stretches in _grouped(keys, rows).items():
            size = sum([each.stop - each.start for each in stretches])
            tally.groups[key] = GroupTally(size, [each.tally(stretches) for each in measures])
        return tally

    def _fulfilled(self, condition: Condition, columns: Columns) -> list[bool]:
        """For each row whether it fulfils the condition."""
        value, compare = condition.value, COMPARE[condition.comparator]
        texts = self._texts(condition.column, columns)
        if not isinstance(value, Decimal):
            return [compare(each, value) for each in texts]
        numbers = self._known.each_number(texts, self._missing.of(condition.column.column))
        return [each is not None and compare(each, value) for each in numbers]

    def _texts(self, column: ColumnPart, columns: Columns) -> Sequence[str]:
        """The cells, or the parts of the dates in them."""
        return self._known.dates(columns[column], column.part) if column.part else columns[column]


def _grouped(keys: Sequence[Sequence[str]], rows: int) -> dict[Key, list[slice]]:
    """The rows of each group, of which most follow each other."""
    ends = {rows}
    for each in keys:
        ends.update(compress(count(1), map(ne, each, islice(each, 1, None))))
    grouped: dict[Key, list[slice]] = {}
    for start, end in pairwise([0, *sorted(ends)]) if rows else []:
        grouped.setdefault(tuple([each[start] for each in keys]), []).append(slice(start, end))
    return grouped
