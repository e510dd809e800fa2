"""Many rows are tallied at once, column by column: what is done for each row is done by C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import compress, count, islice, pairwise
from operator import ne

from sluice.aggregating.aggregation import Aggregation, ColumnPart, Condition
from sluice.aggregating.batch_progress import RowCounts
from sluice.aggregating.group_tally import GroupTally, Key
from sluice.aggregating.known_cells import KnownCells
from sluice.aggregating.row_rules import COMPARE
from sluice.aggregating.tally import Tally

# For each column all rows' cells; for a part of the dates in it, as many of their first characters.
Columns = Mapping[ColumnPart, Sequence[str]]


class ColumnTally:
    """The rules of an aggregation for the columns `asked`; they come to what RowRules come to for each row."""

    def __init__(self, aggregation: Aggregation) -> None:
        self._known = KnownCells(aggregation.missing)
        self._conditions = aggregation.where
        self._keys = aggregation.key_columns
        self._measures = [ColumnPart(each.column) for each in aggregation.measures]
        conditions = [each.column for each in self._conditions]
        self.asked = tuple(dict.fromkeys([*conditions, *self._keys, *self._measures]))

    def of(self, rows: int, columns: Columns) -> Tally:
        """What so many rows come to. Raises RejectError when any of them has to be rejected."""
        read = rows
        for each in self._conditions:
            fulfilled = self._fulfilled(each, columns)
            rows = sum(fulfilled)
            columns = {column: list(compress(cells, fulfilled)) for column, cells in columns.items()}
        keys = [self._texts(each, columns) for each in self._keys]
        measures = [self._known.numbers(columns[each]) for each in self._measures]
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
        return [each is not None and compare(each, value) for each in map(self._known.number, texts)]

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
