"""The part of an object_map input that says which rows are taken."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Any

from sluice.aggregating.aggregation import ColumnPart, Comparator, Condition, DatePart
from sluice.fields import Fields, kind_of

_COMPARATORS = tuple(map(str, Comparator))


def read_where(fields: Fields) -> tuple[Condition, ...]:
    """The conditions of `where`, all of which a row has to fulfil. Raises InvalidInputError naming the column."""
    if not fields.has("where"):
        return ()
    raw = fields.raw("where")
    where = Fields(raw, raw if isinstance(raw, dict) else (), "where")
    return tuple(condition for name in raw for condition in _conditions(where, name))


def _conditions(where: Fields, name: str) -> list[Condition]:
    """One value that the column equals, or one or more comparisons with it."""
    column = ColumnPart.parse(name)
    if not isinstance(where.raw(name), dict):
        return [Condition(column, Comparator.EQUALS, _value(where, name, column))]
    comparisons = where.section(name, _COMPARATORS)
    given = [each for each in Comparator if comparisons.has(each)]
    if not given:
        raise where.wrong(name, f"must compare with one of {', '.join(_COMPARATORS)}")
    return [Condition(column, each, _compared(comparisons, each, column)) for each in given]


def _compared(comparisons: Fields, comparator: Comparator, column: ColumnPart) -> str | Decimal | tuple[str, ...]:
    if comparator is not Comparator.IN:
        return _value(comparisons, comparator, column)
    texts = comparisons.texts(comparator)
    if not texts:
        raise comparisons.wrong(comparator, "must list at least one text")
    return texts


def _value(fields: Fields, name: str, column: ColumnPart) -> str | Decimal:
    value: Any = fields.raw(name)
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise fields.wrong(name, f"must be a string or a number, not {kind_of(value)}")
    if column.part is None:
        return Decimal(str(value))
    # Parts of dates are texts, of which a year alone can be written as a number.
    if column.part is not DatePart.YEAR or value != int(value):
        raise fields.wrong(name, f"a {column.part} is compared with a text such as {_EXAMPLES[column.part]}")
    return f"{int(value):04d}"


_EXAMPLES = {
    DatePart.YEAR: "2026",
    DatePart.MONTH: "2026-01",
    DatePart.DAY: "2026-01-31",
    DatePart.HOUR: "2026-01-31T23",
}
