"""What one worker may spend of one kind of units, waited for before it is spent."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from threading import Lock

from sluice.errors import SluiceError

# One request takes no more than this of the rate, unless one item does: many workers that start together would
# otherwise all send at the same time, long after each other.
REQUEST_SECONDS = 0.5
# What is not spent for so long is lost: no burst makes up for more than that.
CREDIT_SECONDS = 1.0
# The longest sleep: the rate may change meanwhile, and the time be up.
NAP_SECONDS = 0.25
# What a worker has use for is seen over so long, and claimed with a margin: it may be more soon.
DEMAND_SECONDS, FIRST_DEMAND_SECONDS = 3.0, 1.0
DEMAND_MARGIN = 1.05
TAKES_APART_SECONDS = 0.25
# Who waits for more of the last period than this could spend more than it was granted.
HUNGRY_WAIT = 0.5
# What remains of a request's weight in the mean units of an item with each one after it.
OLDER_WEIGHT = 0.8
# What of a request's last step is taken to be rounded up: more than half, so that pages of the least size grow.
ROUNDED_PART = 0.6
# Sums of fractions are off by less.
ROUNDING_UNITS = 1e-6
TINY_SECONDS = 1e-3
# No page holds more than 1 MiB, at 8 KiB a unit.
PAGE_UNITS = 128.0


@dataclass(frozen=True, slots=True)
class Spending:
    """One request's units: `units` are expected, and due when `mark` units were granted."""

    limiter: RateLimiter
    items: int | None
    units: float
    mark: float

    def ended(self, units: float, items: int | None = None) -> None:
        """The request took so many units, for so many items: those requested by default."""
        self.limiter.spent(self, units, self.items if items is None else items)


class RateLimiter:
    """Units that flow in at a rate. For any number of threads.

    `least` is what the rate can be expected to be until it is known, None for no limit; `item_units` what an item is
    expected to take until requests have shown. `rounding`: a request's units are rounded up to so many. `clock` counts
    seconds, from anywhere.
    """

    def __init__(
        self,
        least: float | None,
        is_time_up: Callable[[], bool],
        item_units: float = 1.0,
        *,
        rounding: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: random.Random | None = None,
    ) -> None:
        self._least = least
        self._is_time_up = is_time_up
        self._seen_units, self._seen_items = item_units, 1.0
        self._rounding = rounding
        self._clock, self._sleep = clock, sleep
        self._chance = chance or random.SystemRandom()
        self._lock = Lock()
        self._rate: float | None = None if least is None else 0.0
        self._error: SluiceError | None = None
        self._since = clock()
        self._granted = self._taken = self._waited_seconds = 0.0
        self._last_demand = self._so_far
        self._takes: deque[_Taken] = deque()

    def bounded(self, items: int | None) -> int | None:
        """How many items the next request should have, at most so many; None: as many as it may."""
        with self._lock:
            if self._rate is None:
                return items
            rate = self._rate or self._least or 0.0
            # For less than what every request takes there is nothing to be had.
            most = max(1, int(max(REQUEST_SECONDS * rate, self._rounding) / self._item_units))
        return most if items is None else min(items, most)

    def before(self, items: int | None) -> Spending | None:
        """Wait until a request for so many items (None: a whole page) may be sent; None when the time is up first.

        Raises what keeps the worker from its run's budget for good.
        """
        spending = self.take(items)
        if self._wait(spending) and not self._is_time_up():
            return spending
        with self._lock:
            self._taken -= spending.units
        return None

    def admit(self, items: int) -> Spending:
        """Like `before`, for a request that must be sent even when the time is up."""
        spending = self.take(items)
        self._wait(spending)
        return spending

    def settle(self) -> bool:
        """Wait for units that requests took beyond what was expected; False when the time is up before."""
        return self._wait(Spending(self, 0, 0.0, self._taken))

    def take(self, items: int | None) -> Spending:
        """Stand in line for a request's units."""
        with self._lock:
            self._flow()
            units = self._expected(items)
            if units and not self._taken:
                # Workers that start together are not to continue in step.
                self._granted += units * self._chance.uniform(-0.5, 0.5)
            if not self._takes or self._since - self._takes[-1].at >= TAKES_APART_SECONDS:
                self._takes.append(self._so_far)
            self._taken += units
            return Spending(self, items, units, self._taken)

    def seconds_until(self, spending: Spending) -> float:
        """How long until the request is due at the present rate, 0 when it is."""
        with self._lock:
            if self._error is not None:
                raise self._error
            self._flow()
            missing = spending.mark - self._granted
            if self._rate is None or missing < ROUNDING_UNITS:
                return 0.0
            return missing / self._rate if self._rate else inf

    def spent(self, spending: Spending, units: float, items: int | None) -> None:
        """Account for what a request took."""
        with self._lock:
            if self._rate is not None:
                self._taken += units - spending.units
            if units and items and self._is_news(units, items):
                self._seen_units = OLDER_WEIGHT * self._seen_units + units - ROUNDED_PART * self._rounding
                self._seen_items = OLDER_WEIGHT * self._seen_items + items

    def grant(self, rate: float | None) -> None:
        """From now on so many units per second; None: without limit."""
        with self._lock:
            self._flow()
            self._rate = rate

    def grant_least(self) -> None:
        """As long as nothing is known: what is left for this worker however many others there are."""
        with self._lock:
            self._flow()
            self._rate = self._rate or self._least

    def fail(self, error: SluiceError) -> None:
        """Have whoever waits raise this."""
        self._error = error

    def demand(self) -> float:
        """Units per second that the worker can use, `inf` for any number; called once a period.

        That is what it took, over the part of the time in which it did not wait.
        """
        with self._lock:
            self._flow()
            now, last_demand, seen = self._so_far, self._last_demand, self._takes
            self._last_demand = now
            while len(seen) > 1 and seen[1].at <= now.at - DEMAND_SECONDS:
                seen.popleft()
            if self._rate is None or not seen or now.at - seen[0].at < FIRST_DEMAND_SECONDS:
                return inf
            if now.waited_since(last_demand) > HUNGRY_WAIT:
                return inf
            # The request in flight may end at any time: it counts as soon as that makes the demand smaller.
            ends = (now, seen[-1]) if len(seen) > 1 else (now,)
            return DEMAND_MARGIN * min(each.units_per_second_since(seen[0]) for each in ends)

    @property
    def _so_far(self) -> _Taken:
        return _Taken(self._since, self._taken, self._waited_seconds)

    @property
    def _item_units(self) -> float:
        return self._seen_units / self._seen_items

    def _is_news(self, units: float, items: int) -> bool:
        """Whether the request tells about its items: the least that there is says only that they are no larger."""
        return units > self._rounding or items * self._item_units > units - ROUNDED_PART * self._rounding

    def _expected(self, items: int | None) -> float:
        if self._rate is None:
            return 0.0
        return PAGE_UNITS if items is None else items * self._item_units

    def _flow(self) -> None:
        """Let in what has become due since the last time."""
        now = self._clock()
        if self._rate is not None:
            missing, seconds = self._taken - self._granted, now - self._since
            if missing > ROUNDING_UNITS:
                self._waited_seconds += min(seconds, missing / self._rate) if self._rate else seconds
            most = self._taken + self._rate * CREDIT_SECONDS
            self._granted = min(self._granted + self._rate * seconds, most)
        self._since = now

    def _wait(self, spending: Spending) -> bool:
        while (seconds := self.seconds_until(spending)) > 0:
            if self._is_time_up():
                return False
            self._sleep(min(seconds, NAP_SECONDS))
        return True


@dataclass(frozen=True, slots=True)
class _Taken:
    """All that was taken until a moment, and how long units were waited for."""

    at: float
    units: float
    waited_seconds: float

    def waited_since(self, before: _Taken) -> float:
        """The part of the time that was waited."""
        return (self.waited_seconds - before.waited_seconds) / max(self.at - before.at, TINY_SECONDS)

    def units_per_second_since(self, before: _Taken) -> float:
        """Over the time that was not waited."""
        busy_seconds = (self.at - before.at) - (self.waited_seconds - before.waited_seconds)
        return max(self.units - before.units, 0.0) / max(busy_seconds, TINY_SECONDS)
