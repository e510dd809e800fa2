"""Keeps the read units that a child consumes under a rate."""

from __future__ import annotations

import time
from collections.abc import Callable

from sluice.scanning.page_policy import UNIT_BYTES

# Units not used for so long are lost, so that no burst makes up for more than that.
CREDIT_SECONDS = 1.0
# The longest sleep: whether the time is up is asked in between.
NAP_SECONDS = 1.0
# What one page may take of the rate, where the mean item size is known.
PAGE_SECONDS = 1.0


class Pace:
    """`units_per_second` None: no bound. `clock` counts seconds, from anywhere."""

    def __init__(
        self,
        units_per_second: float | None,
        item_bytes: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = units_per_second
        self._page_items: int | None = None
        if units_per_second and item_bytes:
            self._page_items = max(1, int(PAGE_SECONDS * units_per_second * UNIT_BYTES / item_bytes))
        self._clock = clock
        self._sleep = sleep
        self._due = clock()

    def bounded(self, limit: int | None) -> int | None:
        """The Limit, or less where a page of so many items would take too much of the rate at once."""
        limits = [each for each in (limit, self._page_items) if each is not None]
        return min(limits, default=None)

    def spend(self, units: float) -> None:
        """Account for a page that was read."""
        if self._rate:
            self._due = max(self._due, self._clock() - CREDIT_SECONDS) + units / self._rate

    def wait(self, is_time_up: Callable[[], bool]) -> bool:
        """Sleep until the next page is due; returns False when the time is up before that."""
        while not is_time_up():
            seconds = self._due - self._clock()
            if not self._rate or seconds <= 0:
                return True
            self._sleep(min(seconds, NAP_SECONDS))
        return False
