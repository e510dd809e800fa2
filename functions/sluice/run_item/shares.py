"""What each worker may spend of a run's units per second, however many workers there are.

The workers know of each other by the counters in the run's item: each heartbeat adds to them, and returns them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from sluice.fields import Fields

# Less would have a worker wait for one item longer than a function may run.
LEAST_UNITS_PER_SECOND = 1
MOST_UNITS_PER_SECOND = 10**9


class UnitKind(StrEnum):
    """What is limited."""

    READ = "read"
    WRITE = "write"

    @property
    def limit_name(self) -> str:
        """The limit's name, in state and in the run's item."""
        return f"{self}UnitsPerSecond"


Limits = Mapping[UnitKind, float | None]


def limits_in(fields: Fields) -> dict[UnitKind, float | None]:
    """The limits of a run's input; None where it has none. Raises InvalidInputError."""
    low, high = LEAST_UNITS_PER_SECOND, MOST_UNITS_PER_SECOND
    return {kind: fields.number(f"max{kind.capitalize()}UnitsPerSecond", None, low=low, high=high) for kind in UnitKind}


def most_workers(limits: Limits, request: int) -> int:
    """How many workers a run may have: `request`, but no more than units, so that none has less than one."""
    return min([request, *(int(limit) for limit in limits.values() if limit)])


# Units per second that a worker has use for; `inf`: all that it can get.
Demand = Mapping[UnitKind, float]
# Units per second that a worker may spend; None: without limit.
Rates = dict[UnitKind, float | None]

# A worker sends its heartbeats at another time when it misses more of the others.
CLASHING_PART = 0.1
# All workers together correct `workers` in about this time.
CORRECTION_PERIODS = 16


@dataclass(frozen=True, slots=True)
class WorkerTally:
    """One shard of the run's item after a worker's own heartbeat. `workers` is a fraction while it is being corrected.

    `limits` are those of the whole run. `under_share` counts the heartbeats of workers that had use for less
    than their share; `under_share_units` is the sum of what they had use for. `is_stopped`: the run is to end.
    """

    limits: Limits
    workers: float
    heartbeats: int
    under_share: Mapping[UnitKind, int]
    under_share_units: Mapping[UnitKind, float]
    is_stopped: bool = False


class Shares:
    """What one worker may spend, from heartbeat to heartbeat.

    The others learn within a period what a worker demands. So it lowers its rate at once, but raises it with the
    heartbeat after. A new worker does the same: until all have made room for it, it has its part among `most_workers`.
    """

    def __init__(self, period_seconds: float, most_workers: int) -> None:
        self._period_seconds = period_seconds
        self._most_workers = most_workers
        self._last: tuple[WorkerTally, float] | None = None
        self._demand: Demand = {}
        self._drift = self._correction = 0.0
        self._levels: dict[UnitKind, float] = {}

    @property
    def is_new(self) -> bool:
        """Whether the worker joins with its next heartbeat."""
        return self._last is None

    @property
    def to_workers(self) -> float:
        """What the next heartbeat adds to `workers`."""
        return 1.0 if self.is_new else self._correction

    @property
    def is_clashing(self) -> bool:
        """Whether many of the others seem to have sent none or two heartbeats: they send theirs when this one does."""
        return abs(self._drift) > CLASHING_PART

    def demand(self, needs: Demand) -> Demand:
        """What to demand: what the worker can use, or any number if that is its whole share or more."""
        return {kind: inf if need >= self._levels.get(kind, 0.0) else need for kind, need in needs.items()}

    def after(self, tally: WorkerTally, demand: Demand, now: float) -> Rates:
        """The worker's rates after a heartbeat with this demand, at `now` seconds by any steady clock of its own."""
        last, before = self._last, self._demand
        self._last, self._demand = (tally, now), demand
        if last is None:
            return self._least(tally)
        if tally.heartbeats <= last[0].heartbeats:
            # The item has been created again, so all who are at work join again.
            self._last, self._drift = None, 0.0
            return self._least(tally)
        window = _Window(last[0], tally, max(1, round((now - last[1]) / self._period_seconds)))
        workers = self._workers(tally.workers, window)
        limited = [(kind, limit) for kind, limit in tally.limits.items() if limit is not None]
        self._levels = {kind: window.level(kind, limit, workers) for kind, limit in limited}
        shares = {kind: min(before[kind], demand[kind], level) for kind, level in self._levels.items()}
        return {**dict.fromkeys(UnitKind), **shares}

    def _workers(self, counted: float, window: _Window) -> float:
        """Who has joined and not left, corrected by the heartbeats where two periods agree: one may be late."""
        counted = max(1.0, counted)
        drift, before = window.alive / counted - 1, self._drift
        agreed = min(drift, before, key=abs) if drift * before > 0 else 0.0
        workers = max(1.0, counted * (1 + agreed))
        self._drift, self._correction = drift, agreed * counted / workers / CORRECTION_PERIODS
        return workers

    def _least(self, tally: WorkerTally) -> Rates:
        return {kind: None if limit is None else limit / self._most_workers for kind, limit in tally.limits.items()}


@dataclass(frozen=True, slots=True)
class _Window:
    """What happened between two heartbeats of one worker, `periods` of time apart."""

    start: WorkerTally
    end: WorkerTally
    periods: int

    @property
    def alive(self) -> float:
        """How many workers sent heartbeats, this one included."""
        return 1 + (self.end.heartbeats - self.start.heartbeats - 1) / self.periods

    def level(self, kind: UnitKind, limit: float, workers: float) -> float:
        """The most that any worker may spend: its share, and what workers under their share leave of theirs."""
        under_share = (self.end.under_share[kind] - self.start.under_share[kind]) / self.periods
        under_share_units = (self.end.under_share_units[kind] - self.start.under_share_units[kind]) / self.periods
        # Late heartbeats make `alive` too small; who has just left makes `workers` too small beside `under_share`.
        others = max(self.alive, workers) - under_share
        return max(limit / workers, (limit - under_share_units) / max(1.0, others))
