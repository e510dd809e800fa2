"""Pieces whose records are clean are tallied group by group; all others row by row."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from math import fsum
from typing import Any

from sluice.aggregating.aggregation import Aggregation
from sluice.aggregating.batch_progress import RowCounts
from sluice.aggregating.clean_patterns import Numbers
from sluice.aggregating.group_tally import EXACT, ZERO, GroupTally, Key, MeasureTally
from sluice.aggregating.object_records import Piece
from sluice.aggregating.row_engine import RowEngine
from sluice.aggregating.tally import Tally

# Short numbers have at most so many decimals.
_DECIMALS = 4
# Of so many times the greatest value the error of a sum of doubles is far below half of the last decimal.
_SUM_MAX = 10.0**10


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
        doubles = list(map(float, present))
        low, high = min(doubles), max(doubles)
        if len(doubles) * max(-low, high) < _SUM_MAX:
            total = EXACT.scaleb(Decimal(round(fsum(doubles) * 10**_DECIMALS)), -_DECIMALS)
            # The shortest text of a double is the number's own when that has at most 15 digits.
            return MeasureTally(len(doubles), total, Decimal(repr(low)), Decimal(repr(high)))
    with localcontext(EXACT):
        decimals = list(map(Decimal, present))
        return MeasureTally(len(decimals), sum(decimals, ZERO), min(decimals), max(decimals))
