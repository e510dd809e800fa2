"""Rows of an object into its groups: column by column where all rows are clean, else row by row."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sluice.dynamodb.items import Row
from sluice.errors import RejectError
from sluice.reading.dialect import CSV
from sluice.reading.rows import BadRow, as_record, parse
from sluice.reading.source import Source
from sluice.rejects import Reject
from sluice.runs.columns_found import ALL_COLUMNS, ColumnsFound
from sluice.workflows.object_aggregate.aggregation import Aggregation, ColumnPart
from sluice.workflows.object_aggregate.object_records import RecordPiece
from sluice.workflows.object_aggregate.progress import RowCounts
from sluice.workflows.object_aggregate.row_rules import (
    Cells,
    RowRules,
    cells_of_csv,
    cells_of_json,
    columns_of,
    json_cell,
)
from sluice.workflows.object_aggregate.tally import Columns, ColumnTally, Tally

ColumnsOf = Callable[[Sequence[Row]], Columns]


def csv_columns(request: Sequence[ColumnPart], header: Sequence[str]) -> ColumnsOf:
    """Takes the requested columns out of the rows of a CSV."""
    index_of = {each.column: header.index(each.column) for each in request}

    def take(rows: Sequence[Row]) -> Columns:
        cells = {name: [row[index] for row in rows] for name, index in index_of.items()}  # type: ignore[index]
        return {each: _first_characters(cells[each.column], each) for each in request}

    return take


def json_columns(request: Sequence[ColumnPart]) -> ColumnsOf:
    """Takes the requested columns out of JSON objects. Raises RejectError."""
    names = dict.fromkeys(each.column for each in request)

    def take(rows: Sequence[Row]) -> Columns:
        cells = {name: [json_cell(row.get(name), name) for row in rows] for name in names}  # type: ignore[union-attr]
        return {each: _first_characters(cells[each.column], each) for each in request}

    return take


def _first_characters(cells: Sequence[str], request: ColumnPart) -> Sequence[str]:
    if request.part is None:
        return cells
    characters = request.part.characters
    return [each[:characters] for each in cells]


def columns_found(rows: Sequence[Row | BadRow], source: Source, requested: Sequence[str]) -> ColumnsFound:
    """Which of the requested columns the rows have."""
    if source.format == CSV:
        return ALL_COLUMNS if rows else ColumnsFound()
    return ColumnsFound.in_rows([row for row in rows if isinstance(row, dict)], requested)


class RowEngine:
    """The reference implementation: other engines give the same tally."""

    def __init__(self, aggregation: Aggregation) -> None:
        self._columns = columns_of(aggregation)
        self._rules = RowRules(aggregation)

    def tally(self, pieces: Sequence[RecordPiece], into: Tally) -> None:
        """Add the rows of all pieces."""
        for each in pieces:
            rows = parse(each.block, each.source)
            into.columns += columns_found(rows, each.source, self._columns)
            self.add(rows, each.first_row, each.source, into)

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


# Rows with a reject among them are split into so many parts, down to so few rows.
_PARTS = 8
_FEW_ROWS = 64


class ColumnEngine:
    """Gives the same tally as RowEngine, column by column."""

    def __init__(self, aggregation: Aggregation, columns: ColumnTally) -> None:
        self._columns = columns
        self._requested = columns_of(aggregation)
        self._rows = RowEngine(aggregation)

    def tally(self, pieces: Sequence[RecordPiece], into: Tally) -> None:
        """Add the rows of all pieces, which are of no use afterwards."""
        for each in pieces:
            if each.clean is None:
                rows = parse(each.block, each.source)
                if into.columns != ALL_COLUMNS:
                    into.columns += columns_found(rows, each.source, self._requested)
                self._add(rows, each.first_row, each.source, into)
            else:
                into.merge(each.clean)
                into.columns += ALL_COLUMNS

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
        """The tally of the rows; None if any of them must be rejected."""
        if BadRow in set(map(type, rows)):
            return None
        try:
            return self._columns.of(len(rows), self._columns_of(source)(rows))  # type: ignore[arg-type]
        except RejectError:
            return None

    def _columns_of(self, source: Source) -> ColumnsOf:
        if source.format == CSV:
            return csv_columns(self._columns.request, source.header or ())
        return json_columns(self._columns.request)
