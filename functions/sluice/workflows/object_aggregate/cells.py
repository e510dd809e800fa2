"""Cells of an object: numbers and dates, groups with their statistics, and a cache of cells seen before."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import cache, lru_cache, reduce
from itertools import chain
from typing import Any, TypeVar

from sluice.dynamodb.numbers import check_number
from sluice.errors import RejectError
from sluice.rejects import Reason, quoted
from sluice.workflows.object_aggregate.aggregation import DatePart

# Characters that may surround a number.
BLANKS = " \t"

_match_date = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:[T ](?:[01][0-9]|2[0-3]))?)?)?",
).fullmatch


def number_of(cell: str, missing: AbstractSet[str], column: str) -> Decimal | None:
    """The number that a cell holds, None where it is missing. Raises RejectError for what DynamoDB would not take."""
    text = number_text(cell, missing, column)
    return None if text is None else Decimal(text)


def number_text(cell: str, missing: AbstractSet[str], column: str) -> str | None:
    """What `number_of` reads, still as text: [+-]digits[.digits][e[+-]digits], or none of the digits before the dot."""
    text = cell.strip(BLANKS)
    if not text or text in missing:
        return None
    try:
        check_number(text)
    except RejectError as error:
        raise RejectError(error.reason, f"column {column}: {error}") from error
    return text


def part_of_date(cell: str, part: DatePart, column: str) -> str:
    """The date's first characters, with a T before the hour. Raises RejectError where they are no date."""
    found = valid_part(cell[: part.characters], part)
    if found is None:
        raise RejectError(
            Reason.DATE_INVALID, f"column {column}: {quoted(cell)} does not begin with a date down to the {part}"
        )
    return found


@lru_cache(maxsize=1 << 14)
def valid_part(text: str, part: DatePart) -> str | None:
    """The group of a date, from its first characters; None if they are not a date."""
    match = _match_date(text) if len(text) == part.characters else None
    if match is None:
        return None
    year, month, day = match.groups(default="01")
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return None
    return text.replace(" ", "T")


Key = tuple[str, ...]

# Numbers have 38 digits between 1E-130 and 9.9E+125: their sums fit, and one that would be rounded raises.
EXACT = Context(prec=1000, Emin=-9999, Emax=9999, traps=[Inexact, InvalidOperation])
ZERO = Decimal(0)


@dataclass(slots=True)
class MeasureTally:
    """The values of one measure in a group; `low` and `high` are None without any."""

    count: int = 0
    total: Decimal = ZERO
    low: Decimal | None = None
    high: Decimal | None = None

    def add(self, value: Decimal) -> None:
        """One more value."""
        self.merge(MeasureTally(1, value, value, value))

    def merge(self, other: MeasureTally) -> None:
        """The values of another tally as well."""
        self.count += other.count
        self.total = EXACT.add(self.total, other.total)
        if other.low is not None and (self.low is None or other.low < self.low):
            self.low = other.low
        if other.high is not None and (self.high is None or other.high > self.high):
            self.high = other.high

    @property
    def mean(self) -> float | None:
        """The double that is nearest to the exact mean."""
        if not self.count:
            return None
        numerator, denominator = self.total.as_integer_ratio()
        # Of whole numbers the quotient is the nearest double.
        return numerator / (denominator * self.count)


@dataclass(slots=True)
class GroupTally:
    """The rows of one group, and its measures in the aggregation's order."""

    rows: int
    measures: list[MeasureTally] = field(default_factory=list)

    @classmethod
    def empty(cls, measures: int) -> GroupTally:
        """Of no rows."""
        return cls(0, [MeasureTally() for _ in range(measures)])

    def merge(self, other: GroupTally) -> None:
        """The rows of another tally of the same group as well."""
        self.rows += other.rows
        for mine, theirs in zip(self.measures, other.measures, strict=True):
            mine.merge(theirs)


def merged(tallies: Iterable[GroupTally], measures: int) -> GroupTally:
    """All rows of several tallies of one group."""
    total = GroupTally.empty(measures)
    for each in tallies:
        total.merge(each)
    return total


T = TypeVar("T")

# A unit is one ten-thousandth: most numbers are some of them, and whole numbers are quickly added.
_DECIMALS = 4
_UNIT = Decimal("0.0001")
_TEXTS_MAX = 1 << 16


class Known(dict[str, T]):
    """A cache of what `read` returns for texts. It is emptied when it holds `texts_max` of them."""

    def __init__(self, read: Callable[[str], T], texts_max: int = _TEXTS_MAX) -> None:
        super().__init__()
        self._read = read
        self._texts_max = texts_max

    def of(self, texts: Iterable[str]) -> list[T]:
        """One after the other; raises what `read` raises."""
        return list(map(self.__getitem__, texts))

    def __missing__(self, text: str) -> T:
        if len(self) >= self._texts_max:
            self.clear()
        made = self[text] = self._read(text)
        return made


class NumberColumn:
    """The numbers of a column's cells, None where one is missing."""

    def __init__(self, values: Sequence[Any], tally: Callable[[list[Any]], MeasureTally]) -> None:
        self._values = values
        self._tally = tally

    def tally(self, rows: Sequence[slice]) -> MeasureTally:
        """The exact statistics of some rows."""
        taken = map(self._values.__getitem__, rows)
        present = [each for each in chain.from_iterable(taken) if each is not None]
        return self._tally(present) if present else MeasureTally()


class CellCache:
    """Reads the cells of an aggregation. `missing`: texts that mean no number, in the column that is read.

    Every method raises RejectError for a cell that is not such a number or date.
    """

    def __init__(self) -> None:
        self._numbers = cache(lambda missing: Known(lambda cell: number_of(cell, missing, "")))
        self._units = cache(lambda missing: Known(lambda cell: _units(number_text(cell, missing, ""))))
        self._dates = cache(lambda part: Known(lambda cell: part_of_date(cell, part, "")))

    def each_number(self, cells: Iterable[str], missing: frozenset[str]) -> list[Decimal | None]:
        """Numbers one after the other, None where one is missing."""
        return self._numbers(missing).of(cells)

    def numbers(self, cells: Sequence[str], missing: frozenset[str]) -> NumberColumn:
        """Numbers whose statistics are wanted."""
        try:
            return NumberColumn(self._units(missing).of(cells), _tally_of_units)
        except _NotUnitsError:
            return NumberColumn(self._numbers(missing).of(cells), _tally_of_decimals)

    def dates(self, cells: Sequence[str], part: DatePart) -> list[str]:
        """The first characters of dates, as they are in a group."""
        return self._dates(part).of(cells)


class _NotUnitsError(Exception):
    """A number has more decimals than units have, or an exponent."""


def _units(text: str | None) -> int | None:
    if text is None:
        return None
    whole, _, decimals = text.partition(".")
    if len(decimals) > _DECIMALS:
        raise _NotUnitsError
    try:
        return int(whole + decimals.ljust(_DECIMALS, "0"))
    except ValueError as error:
        raise _NotUnitsError from error


def _tally_of_units(units: list[int]) -> MeasureTally:
    of_units = EXACT.multiply
    return MeasureTally(
        len(units), of_units(sum(units), _UNIT), of_units(min(units), _UNIT), of_units(max(units), _UNIT)
    )


def _tally_of_decimals(numbers: list[Decimal]) -> MeasureTally:
    return MeasureTally(len(numbers), reduce(EXACT.add, numbers, ZERO), min(numbers), max(numbers))
