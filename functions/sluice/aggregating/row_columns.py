"""Rows become columns of cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sluice.aggregating.aggregation import ColumnPart
from sluice.aggregating.column_tally import Columns
from sluice.aggregating.row_rules import json_cell
from sluice.encoding.item import Row

ColumnsOf = Callable[[Sequence[Row]], Columns]


def csv_columns(asked: Sequence[ColumnPart], header: Sequence[str]) -> ColumnsOf:
    """Takes the columns that are asked for out of a csv's rows."""
    places = {each.column: header.index(each.column) for each in asked}

    def take(rows: Sequence[Row]) -> Columns:
        cells = {name: [row[place] for row in rows] for name, place in places.items()}  # type: ignore[index]
        return {each: _first_characters(cells[each.column], each) for each in asked}

    return take


def json_columns(asked: Sequence[ColumnPart]) -> ColumnsOf:
    """Takes the columns that are asked for out of JSON objects. Raises RejectError."""
    names = dict.fromkeys(each.column for each in asked)

    def take(rows: Sequence[Row]) -> Columns:
        cells = {name: [json_cell(row.get(name), name) for row in rows] for name in names}  # type: ignore[union-attr]
        return {each: _first_characters(cells[each.column], each) for each in asked}

    return take


def _first_characters(cells: Sequence[str], asked: ColumnPart) -> Sequence[str]:
    if asked.part is None:
        return cells
    characters = asked.part.characters
    return [each[:characters] for each in cells]
