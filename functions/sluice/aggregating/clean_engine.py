"""Pieces whose records are clean have been tallied as they were read; all others are tallied row by row."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.aggregating.aggregation import Aggregation
from sluice.aggregating.object_records import Piece
from sluice.aggregating.row_engine import RowEngine
from sluice.aggregating.tally import Tally


class CleanEngine:
    """What it comes to is what RowEngine comes to."""

    def __init__(self, aggregation: Aggregation) -> None:
        self._rows = RowEngine(aggregation)

    def tally(self, pieces: Sequence[Piece], into: Tally) -> None:
        """Add the rows of all pieces, which are of no use afterwards."""
        for each in pieces:
            if each.clean is None:
                self._rows.tally([each], into)
            else:
                into.merge(each.clean)
