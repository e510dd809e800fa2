"""What becomes of one row: its group and its numbers, or nothing because it is filtered, or a reject."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sluice.dynamodb.items import Row
from sluice.errors import RejectError
from sluice.rejects import Reason, has_half_pair
from sluice.workflows.object_aggregate.aggregation import Aggregation, ColumnPart, Comparator, Condition
from sluice.workflows.object_aggregate.cells import Key, number_of, part_of_date

# The requested cells of a row, in the order of `columns_of`.
Cells = Sequence[str]
Values = list[Decimal | None]

COMPARE: Mapping[Comparator, Callable[[Any, Any], bool]] = {
    Comparator.EQUALS: operator.eq,
    Comparator.NOT_EQUALS: operator.ne,
    Comparator.IN: lambda cell, among: cell in among,
    Comparator.AT_LEAST: operator.ge,
    Comparator.AT_MOST: operator.le,
    Comparator.MORE_THAN: operator.gt,
    Comparator.LESS_THAN: operator.lt,
}


def columns_of(aggregation: Aggregation) -> tuple[str, ...]:
    """The requested columns, each once."""
    return tuple(
        dict.fromkeys(
            [
                *(each.column for each in aggregation.key_columns),
                *(each.column for each in aggregation.measures),
                *(each.column.column for each in aggregation.where),
            ]
        )
    )


class RowRules:
    """The rules of an aggregation for cells in the order of `columns_of`."""

    def __init__(self, aggregation: Aggregation) -> None:
        index_of = {name: index for index, name in enumerate(columns_of(aggregation))}
        missing = self._missing = aggregation.missing
        self._conditions = [
            (index_of[each.column.column], _condition(each, missing.of(each.column.column)))
            for each in aggregation.where
        ]
        self._keys = [(index_of[each.column], each) for each in aggregation.key_columns]
        self._measures = [(index_of[each.column], each.column) for each in aggregation.measures]

    def __call__(self, cells: Cells) -> tuple[Key, Values] | None:
        """The row's group, and a value or None for each measure; None when it is filtered. Raises RejectError."""
        for index, is_fulfilled in self._conditions:
            if not is_fulfilled(cells[index]):
                return None
        key = tuple([_group(cells[index], each) for index, each in self._keys])
        return key, [number_of(cells[index], self._missing.of(column), column) for index, column in self._measures]


def _group(cell: str, column: ColumnPart) -> str:
    return part_of_date(cell, column.part, column.column) if column.part else cell


def _condition(condition: Condition, missing: frozenset[str]) -> Callable[[str], bool]:
    column, value, compare = condition.column, condition.value, COMPARE[condition.comparator]
    if not isinstance(value, Decimal):
        return lambda cell: compare(_group(cell, column), value)

    def is_fulfilled(cell: str) -> bool:
        number = number_of(_group(cell, column), missing, column.column)
        return number is not None and compare(number, value)

    return is_fulfilled


def cells_of_json(columns: Sequence[str]) -> Callable[[Row], Cells]:
    """Takes the cells out of a JSON object: texts as they are, true and 1.50 as JSON has them, null or none empty."""

    def take(row: Row) -> Cells:
        assert isinstance(row, Mapping)
        return [json_cell(row.get(name), name) for name in columns]

    return take


def cells_of_csv(columns: Sequence[str], header: Sequence[str]) -> Callable[[Row], Cells]:
    """Takes the cells out of a csv's row."""
    indexes = [header.index(name) for name in columns]
    return lambda row: [row[index] for index in indexes]  # type: ignore[index]


def json_cell(value: object, column: str) -> str:
    """A value as a cell. Raises RejectError for an object or a list."""
    if isinstance(value, str):
        if not value.isascii() and has_half_pair(value):
            raise RejectError(
                Reason.TEXT_INVALID, f"column {column}: half a surrogate pair, which cannot be encoded in UTF-8"
            )
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        kind = "an object" if isinstance(value, dict) else "a list"
        raise RejectError(Reason.VALUE_UNSUPPORTED, f"column {column}: {kind}, where a string or a number is expected")
    return str(value)
