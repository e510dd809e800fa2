"""Pieces are tallied many rows at once, and row by row only around those that have to be rejected."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.aggregating.aggregation import Aggregation
from sluice.aggregating.column_tally import ColumnTally
from sluice.aggregating.object_records import Piece
from sluice.aggregating.row_columns import ColumnsOf, csv_columns, json_columns
from sluice.aggregating.row_engine import RowEngine
from sluice.aggregating.tally import Tally
from sluice.encoding.item import Row
from sluice.errors import RejectError
from sluice.reading.records import BadRow, parse
from sluice.reading.source import CSV, Source

# Rows with a reject among them are split into so many parts, down to so few rows.
_PARTS = 8
_FEW_ROWS = 64


class ColumnEngine:
    """What it comes to is what RowEngine comes to."""

    def __init__(self, aggregation: Aggregation, columns: ColumnTally) -> None:
        self._columns = columns
        self._rows = RowEngine(aggregation)

    def tally(self, pieces: Sequence[Piece], into: Tally) -> None:
        """Add the rows of all pieces, which are of no use afterwards."""
        for each in pieces:
            if each.clean is None:
                self._add(parse(each.block, each.source), each.first_row, each.source, into)
            else:
                into.merge(each.clean)

    def _add(self, rows: Sequence[Row | BadRow], first_row: int, source: Source, into: Tally) -> None:
        together = self._together(rows, source)
        if together is not None:
            into.merge(together)
        elif len(rows) <= _FEW_ROWS:
            self._rows.add(rows, first_row, source, into)
        else:
            size = -(-len(rows) // _PARTS)
            for start in range(0, len(rows), size):
                self._add(rows[start : start + size], first_row + start, source, into)

    def _together(self, rows: Sequence[Row | BadRow], source: Source) -> Tally | None:
        """What the rows come to; None when any of them has to be rejected."""
        if BadRow in set(map(type, rows)):
            return None
        try:
            return self._columns.of(len(rows), self._columns_of(source)(rows))  # type: ignore[arg-type]
        except RejectError:
            return None

    def _columns_of(self, source: Source) -> ColumnsOf:
        if source.format == CSV:
            return csv_columns(self._columns.asked, source.header or ())
        return json_columns(self._columns.asked)
