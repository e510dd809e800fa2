"""Keeps the write units that one child consumes under a rate."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import accumulate

from sluice.exports.tally import Tally
from sluice.scanning.pace import Pace


class WritePace:
    """`units_per_second` None: no bound. What a line takes is the mean of what `tally` has seen."""

    def __init__(
        self,
        units_per_second: float | None,
        tally: Tally,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._units_per_second = units_per_second
        self._tally = tally
        self._pace = Pace(units_per_second, None, clock, sleep)

    def affordable(self, lines: list[bytes]) -> list[bytes]:
        """The first of the lines, about a second's units; one at least."""
        most = self._units_per_second
        if most is None:
            return lines
        return lines[: max(1, sum(units <= most for units in accumulate(map(self._tally.units_of, lines))))]

    def spend(self, lines: list[bytes]) -> None:
        """Account for lines that are written."""
        if self._units_per_second is not None:
            self._pace.spend(sum(map(self._tally.units_of, lines)))

    def wait(self, is_time_up: Callable[[], bool]) -> bool:
        """Sleep until the next lines are due; returns False when the time is up before that."""
        return self._pace.wait(is_time_up)
