"""What the rules for rows make of cells, found once for each text: of measured values and of dates there are few."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from functools import cache, reduce
from itertools import chain
from typing import Any, TypeVar

from sluice.aggregating.aggregation import DatePart
from sluice.aggregating.cells import number_of, number_text, part_of_date
from sluice.aggregating.group_tally import EXACT, ZERO, MeasureTally

T = TypeVar("T")

# A unit is one ten-thousandth: most numbers are some of them, and whole numbers are quickly added.
_DECIMALS = 4
_UNIT = Decimal("0.0001")
_TEXTS_MAX = 1 << 16


class Known(dict[str, T]):
    """What `read` has made of texts; all are forgotten rather than more than `texts_max` held."""

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


class KnownCells:
    """Reads the cells of an aggregation, `missing` being texts that stand for no number.

    Every method raises RejectError for a cell of which `sluice.aggregating.cells` makes none.
    """

    def __init__(self, missing: AbstractSet[str]) -> None:
        self._numbers = Known(lambda cell: number_of(cell, missing, ""))
        self._units = Known(lambda cell: _units(number_text(cell, missing, "")))
        self._dates = cache(lambda part: Known(lambda cell: part_of_date(cell, part, "")))

    def number(self, cell: str) -> Decimal | None:
        """One number, None where it is missing."""
        return self._numbers[cell]

    def numbers(self, cells: Sequence[str]) -> NumberColumn:
        """Many numbers."""
        try:
            return NumberColumn(self._units.of(cells), _tally_of_units)
        except _NotUnitsError:
            return NumberColumn(self._numbers.of(cells), _tally_of_decimals)

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
