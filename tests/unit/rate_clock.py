"""Time for the tests of rates: it passes in sleep, and otherwise by hand."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from math import inf

from sluice.run_item.rate_limiter import NAP_SECONDS, RateLimiter


class NoChance(random.Random):
    """The middle of every range."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


@dataclass
class RateClock:
    """Counts what was slept, in naps of at most NAP_SECONDS."""

    now: float = 1000.0
    slept: float = 0.0
    ends: float = inf
    changes: dict[float, tuple[RateLimiter, float]] = field(default_factory=dict)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= NAP_SECONDS
        self.now += seconds
        self.slept += seconds
        for at in [at for at in self.changes if at <= self.now]:
            limiter, rate = self.changes.pop(at)
            limiter.grant(rate)

    def is_time_up(self) -> bool:
        return self.now >= self.ends

    def limiter(
        self, rate: float | None = None, *, least: float | None = 1.0, item_units: float = 1.0, rounding: float = 0.0
    ) -> RateLimiter:
        """One by this clock, at this rate from the beginning."""
        made = RateLimiter(
            least,
            self.is_time_up,
            item_units,
            rounding=rounding,
            clock=self,
            sleep=self.sleep,
            chance=NoChance(),
        )
        if rate is not None:
            made.grant(rate)
        return made
