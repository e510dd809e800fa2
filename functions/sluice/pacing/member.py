"""One worker among those that share a run's budget."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from sluice.errors import ServiceUnavailableError, ThrottledError
from sluice.pacing.allowance import Allowance
from sluice.pacing.budget import Budget, Kind
from sluice.pacing.shares import Claims, Shares, Tally

# Of workers that beat at the same time, each waits a little longer: answers would overtake each other.
LONGEST_PERIOD = 1.1


class SharedItem(Protocol):
    """The run's item, as `BudgetItem` is."""

    def beat(self, claims: Claims, to_workers: float) -> Tally: ...

    def leave(self) -> None: ...


class Member:
    """Joins with its first beat, has its share from the second on, and leaves when it has no more to do.

    A killed worker beats no more, by which the others know after two periods.
    """

    def __init__(
        self,
        item: SharedItem,
        allowances: Mapping[Kind, Allowance],
        budget: Budget,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        self._item = item
        self._allowances = allowances
        self._period_seconds = budget.period_seconds
        self._shares = Shares(budget.period_seconds, budget.workers)
        self._clock = clock
        self._chance = chance or random.SystemRandom()

    @property
    def pause_seconds(self) -> float:
        """How long after a beat the next one is due."""
        if not self._shares.is_clashing:
            return self._period_seconds
        return self._period_seconds * self._chance.uniform(1, LONGEST_PERIOD)

    def beat(self) -> None:
        """Tell the others, hear of them, and go on with the new share; with the last one when DynamoDB is silent.

        Raises TableNotFoundError, AccessDeniedError, UnexpectedResponseError, WireError.
        """
        claims = self._shares.claims({kind: each.claim() for kind, each in self._allowances.items()})
        try:
            tally = self._item.beat(claims, self._shares.to_workers)
        except (ThrottledError, ServiceUnavailableError):
            for allowance in self._allowances.values():
                allowance.grant_least()
            return
        for kind, rate in self._shares.after(tally, claims, self._clock()).items():
            self._allowances[kind].grant(rate)

    def leave(self) -> None:
        """Make room for the others at once; when DynamoDB is silent, they will know by the missing beats."""
        if self._shares.is_new:
            return
        try:
            self._item.leave()
        except (ThrottledError, ServiceUnavailableError):
            return
