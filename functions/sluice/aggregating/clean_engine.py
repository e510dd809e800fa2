"""Pieces whose records are clean are tallied group by group; all others row by row."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any

from sluice.aggregating.aggregation import Aggregation
from sluice.aggregating.batch_progress import RowCounts
from sluice.aggregating.clean_patterns import Numbers
from sluice.aggregating.group_tally import EXACT, ZERO, GroupTally, Key, MeasureTally
from sluice.aggregating.object_records import Piece
from sluice.aggregating.row_engine import RowEngine
from sluice.aggregating.tally import Tally

# Short numbers have at most so many decimals, and are whole numbers of the last of them.
_DECIMALS = 4
_KNOWN_MAX = 1 << 16


class CleanEngine:
    """What it comes to is what RowEngine comes to."""

    def __init__(self, aggregation: Aggregation) -> None:
        self._measures = len(aggregation.measures)
        self._rows = RowEngine(aggregation)

    def tally(self, pieces: Sequence[Piece], into: Tally) -> None:
        """Add the rows of all pieces."""
        together: dict[Key, list[Any]] = {}
        numbers = Numbers.SHORT
        for piece in pieces:
            clean = piece.clean
            if clean is None:
                self._rows.tally([piece], into)
                continue
            filtered = clean.rows - clean.aggregated
            into.rows += RowCounts(read=clean.rows, aggregated=clean.aggregated, filtered=filtered)
            if clean.numbers is Numbers.LONG:
                numbers = Numbers.LONG
            for key, values in clean.groups.items():
                if (there := together.setdefault(key, values)) is not values:
                    there += values
        for key, values in together.items():
            into.merge_group(key, GroupTally(len(values), self._tallies(values, numbers)))

    def _tallies(self, values: list[Any], numbers: Numbers) -> list[MeasureTally]:
        if self._measures == 1:
            return [measure_tally(values, numbers)]
        return [measure_tally(each, numbers) for each in zip(*values, strict=True)]


def measure_tally(cells: Sequence[str], numbers: Numbers) -> MeasureTally:
    """The exact statistics of a measure's cells; an empty one has no value."""
    present = [each for each in cells if each] if "" in cells else cells
    if not present:
        return MeasureTally()
    if numbers is Numbers.SHORT:
        units = sorted(map(_units.__getitem__, present))
        return MeasureTally(len(units), _number(sum(units)), _number(units[0]), _number(units[-1]))
    with localcontext(EXACT):
        decimals = list(map(Decimal, present))
        return MeasureTally(len(decimals), sum(decimals, ZERO), min(decimals), max(decimals))


class _Units(dict[str, int]):
    """Short numbers by their texts, of which there are few: measured values seldom have more than three digits."""

    def __missing__(self, text: str) -> int:
        if len(self) >= _KNOWN_MAX:
            self.clear()
        whole, _, decimals = text.partition(".")
        units = self[text] = int(whole + decimals.ljust(_DECIMALS, "0"))
        return units


_units = _Units()


def _number(units: int) -> Decimal:
    return EXACT.scaleb(Decimal(units), -_DECIMALS)
