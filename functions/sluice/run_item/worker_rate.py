"""One worker among those that share a run's budget."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from threading import Event, Thread
from types import TracebackType
from typing import Any, Protocol, Self

from sluice.aws.wire import Wire
from sluice.errors import ServiceUnavailableError, SluiceError, ThrottledError
from sluice.run_item.budget import Budget, Claims, Kind, Shares, Tally
from sluice.run_item.budget_item import BEAT_TIMEOUT_SECONDS, BudgetItem
from sluice.run_item.rate_limiter import RateLimiter

# Of workers that beat at the same time, each waits a little longer: answers would overtake each other.
LONGEST_PERIOD = 1.1


class SharedItem(Protocol):
    """The run's item, as `BudgetItem` is."""

    def heartbeat(self, demand: Claims, to_workers: float) -> Tally: ...

    def leave(self) -> None: ...


class Member:
    """Joins with its first beat, has its share from the second on, and leaves when it has no more to do.

    A killed worker beats no more, by which the others know after two periods.
    """

    def __init__(
        self,
        item: SharedItem,
        allowances: Mapping[Kind, RateLimiter],
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

    def heartbeat(self) -> None:
        """Tell the others, hear of them, and go on with the new share; with the last one when DynamoDB is silent.

        Raises TableNotFoundError, AccessDeniedError, UnexpectedResponseError, WireError.
        """
        demand = self._shares.demand({kind: each.demand() for kind, each in self._allowances.items()})
        try:
            tally = self._item.heartbeat(demand, self._shares.to_workers)
        except (ThrottledError, ServiceUnavailableError):
            for limiter in self._allowances.values():
                limiter.grant_least()
            return
        for kind, rate in self._shares.after(tally, demand, self._clock()).items():
            self._allowances[kind].grant(rate)

    def leave(self) -> None:
        """Make room for the others at once; when DynamoDB is silent, they will know by the missing beats."""
        if self._shares.is_new:
            return
        try:
            self._item.leave()
        except (ThrottledError, ServiceUnavailableError):
            return


# What is read by an eventually consistent page for one unit, and written for one.
READ_UNIT_BYTES, WRITE_UNIT_BYTES = 8192, 1024
# Pages are rounded up to 4 KB.
READ_ROUNDING_UNITS = 0.5


class RunPace:
    """`reads` and `writes` are what this worker may spend while it is in the context.

    Beats come from a thread of their own, so that a worker counts also while it is busy with something else.
    """

    def __init__(
        self,
        budget: Budget,
        item: SharedItem | None,
        is_time_up: Callable[[], bool],
        *,
        read_item_units: float = 1.0,
        write_item_units: float = 1.0,
    ) -> None:
        self.reads = RateLimiter(budget.least[Kind.READ], is_time_up, read_item_units, rounding=READ_ROUNDING_UNITS)
        self.writes = RateLimiter(budget.least[Kind.WRITE], is_time_up, write_item_units)
        self._allowances = {Kind.READ: self.reads, Kind.WRITE: self.writes}
        self._member = Member(item, self._allowances, budget) if item else None
        self._is_over = Event()

    @classmethod
    def from_state(
        cls,
        heartbeats: Wire,
        state: Mapping[str, Any] | None,
        is_time_up: Callable[[], bool],
        item_bytes: float | None = None,
    ) -> Self:
        """The pace of a run with this budget; without one there is no limit. `heartbeats` is made by `heartbeat_wire`.

        `item_bytes`: the mean, where it is known.
        """
        if state is None:
            return cls(Budget.unlimited(), None, is_time_up)
        budget = Budget.from_state(state)
        return cls(
            budget,
            BudgetItem(heartbeats.call, budget),
            is_time_up,
            read_item_units=item_bytes / READ_UNIT_BYTES if item_bytes else 1.0,
            write_item_units=max(1.0, item_bytes / WRITE_UNIT_BYTES) if item_bytes else 1.0,
        )

    def __enter__(self) -> Self:
        if self._member:
            self._thread = Thread(target=self._heartbeat, args=[self._member], name="beats", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is owed, unless by an error, and leave."""
        try:
            if kind is None:
                for limiter in self._allowances.values():
                    limiter.settle()
        finally:
            if self._member:
                self._is_over.set()
                self._thread.join(BEAT_TIMEOUT_SECONDS)
                self._member.leave()

    def _heartbeat(self, member: Member) -> None:
        due = time.monotonic()
        while not self._is_over.wait(max(0.0, due - time.monotonic())):
            try:
                member.heartbeat()
            except SluiceError as error:
                for limiter in self._allowances.values():
                    limiter.fail(error)
                return
            due = max(due + member.pause_seconds, time.monotonic())
