"""Pieces are tallied row by row: exact, and every reject named."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sluice.aggregating.aggregation import Aggregation
from sluice.aggregating.batch_progress import RowCounts
from sluice.aggregating.object_records import Piece
from sluice.aggregating.row_rules import Cells, RowRules, cells_of_csv, cells_of_json, columns_of
from sluice.aggregating.tally import Tally
from sluice.encoding.item import Row
from sluice.errors import RejectError
from sluice.reading.records import BadRow, as_record, parse
from sluice.reading.source import CSV, Source
from sluice.rejects import Reject


class RowEngine:
    """The reference: what other engines come to is what this one comes to."""

    def __init__(self, aggregation: Aggregation) -> None:
        self._columns = columns_of(aggregation)
        self._rules = RowRules(aggregation)

    def tally(self, pieces: Sequence[Piece], into: Tally) -> None:
        """Add the rows of all pieces."""
        for each in pieces:
            self.add(parse(each.block, each.source), each.first_row, each.source, into)

    def add(self, rows: Sequence[Row | BadRow], first_row: int, source: Source, into: Tally) -> None:
        """Add rows of a source, of which the first has this number."""
        cells_of, aggregated, before = self._cells_of(source), 0, len(into.rejects)
        for number, row in enumerate(rows, first_row):
            if isinstance(row, BadRow):
                into.refuse(Reject(number, row.reason, row.message, row.record, row.byte_offset, source.key))
                continue
            try:
                taken = self._rules(cells_of(row))
            except RejectError as error:
                record = as_record(row, source.header)
                into.refuse(Reject(number, error.reason, str(error), record, file=source.key))
                continue
            if taken is not None:
                into.add(*taken)
                aggregated += 1
        read, rejected = len(rows), len(into.rejects) - before
        into.rows += RowCounts(read, aggregated, read - aggregated - rejected, rejected)

    def _cells_of(self, source: Source) -> Callable[[Row], Cells]:
        if source.format == CSV:
            return cells_of_csv(self._columns, source.header or ())
        return cells_of_json(self._columns)
