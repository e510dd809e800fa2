"""What a run may spend per second, however many workers it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any, Self

from sluice.fields import Fields

# One item takes a thousand small updates per second; this many beats leave it room.
BEATS_PER_SECOND = 640
SHORTEST_PERIOD_SECONDS = 1.0
# Less would have a worker wait for one item longer than a function may run.
LEAST_UNITS_PER_SECOND = 1
MOST_UNITS_PER_SECOND = 10**9


class Kind(StrEnum):
    """What is limited."""

    READ = "read"
    WRITE = "write"

    @property
    def limit_name(self) -> str:
        """The limit's name, in state and in the run's item."""
        return f"{self}UnitsPerSecond"


Limits = Mapping[Kind, float | None]


def limits_in(fields: Fields) -> dict[Kind, float | None]:
    """The limits of a run's input; None where it has none. Raises InvalidInputError."""
    low, high = LEAST_UNITS_PER_SECOND, MOST_UNITS_PER_SECOND
    return {kind: fields.number(f"max{kind.capitalize()}UnitsPerSecond", None, low=low, high=high) for kind in Kind}


def most_workers(limits: Limits, request: int) -> int:
    """How many workers a run may have: so many, but no more than units, so that none has less than one."""
    return min([request, *(int(limit) for limit in limits.values() if limit)])


def state_of(budget: Budget | None) -> dict[str, Any] | None:
    """The budget as every worker gets it; None when nothing is limited."""
    return budget.to_state() if budget else None


@dataclass(frozen=True, slots=True)
class Budget:
    """Where a run's workers look up what they may spend: the item `key` of `table`.

    `limits` are those of the run's input, used until the item says otherwise; `workers` may be at work at a time.
    """

    table: str
    key: str
    limits: Limits
    workers: int

    @classmethod
    def for_run(cls, table: str, key: str, limits: Limits, workers: int) -> Self | None:
        """The budget of a run; None when nothing is limited."""
        if all(limit is None for limit in limits.values()):
            return None
        return cls(table, key, limits, workers)

    @classmethod
    def unlimited(cls) -> Self:
        """No limits, and no item."""
        return cls("", "", dict.fromkeys(Kind), 1)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Read what `to_state` returns."""
        return cls(state["table"], state["key"], {kind: state[kind.limit_name] for kind in Kind}, state["workers"])

    def to_state(self) -> dict[str, Any]:
        """The budget as every worker gets it."""
        limits = {kind.limit_name: self.limits[kind] for kind in Kind}
        return {"table": self.table, "key": self.key, **limits, "workers": self.workers}

    @property
    def period_seconds(self) -> float:
        """The time between two beats of a worker, the same for all of them."""
        return max(SHORTEST_PERIOD_SECONDS, self.workers / BEATS_PER_SECOND)

    @property
    def least(self) -> dict[Kind, float | None]:
        """What a worker may spend however many others there are."""
        return {kind: None if limit is None else limit / self.workers for kind, limit in self.limits.items()}


# Units per second that a worker has use for; `inf`: all that it can get.
Claims = Mapping[Kind, float]
# Units per second that a worker may spend; None: without limit.
Rates = dict[Kind, float | None]

# A worker beats at another time when it misses more of the others.
CLASHING_PART = 0.1
# All workers together correct `workers` in some such time.
CORRECTION_PERIODS = 16


@dataclass(frozen=True, slots=True)
class Tally:
    """The run's item after a worker's own beat. `workers` is a fraction while it is being corrected.

    `under_share` counts the heartbeats of workers that had use for less than their share; `under_share_units` is the
    sum of what they had use for.
    """

    limits: Limits
    workers: float
    heartbeats: int
    under_share: Mapping[Kind, int]
    under_share_units: Mapping[Kind, float]


class Shares:
    """What one worker may spend, from beat to beat.

    What a worker claims, the others learn within a period: so it lowers its rate at once, but raises it with the beat
    after. So does a new worker: until all have made room for it, it has what is its own among `most_workers`.
    """

    def __init__(self, period_seconds: float, most_workers: int) -> None:
        self._period_seconds = period_seconds
        self._most_workers = most_workers
        self._last: tuple[Tally, float] | None = None
        self._demand: Claims = {}
        self._drift = self._correction = 0.0
        self._levels: dict[Kind, float] = {}

    @property
    def is_new(self) -> bool:
        """Whether the worker joins with its next beat."""
        return self._last is None

    @property
    def to_workers(self) -> float:
        """What the next beat adds to `workers`."""
        return 1.0 if self.is_new else self._correction

    @property
    def is_clashing(self) -> bool:
        """Whether many of the others seem to have missed a beat or to have beaten twice: about when this one does."""
        return abs(self._drift) > CLASHING_PART

    def demand(self, needs: Claims) -> Claims:
        """What to claim: what the worker has use for, unless that is all that its share allows, or more."""
        return {kind: inf if need >= self._levels.get(kind, 0.0) else need for kind, need in needs.items()}

    def after(self, tally: Tally, demand: Claims, now: float) -> Rates:
        """The worker's rates after a beat with these claims, at `now` seconds by any steady clock of its own."""
        last, before = self._last, self._demand
        self._last, self._demand = (tally, now), demand
        if last is None:
            return self._least(tally)
        if tally.heartbeats <= last[0].heartbeats:
            # The item has been made anew, so all who are at work join anew.
            self._last, self._drift = None, 0.0
            return self._least(tally)
        window = _Window(last[0], tally, max(1, round((now - last[1]) / self._period_seconds)))
        workers = self._workers(tally.workers, window)
        limited = [(kind, limit) for kind, limit in tally.limits.items() if limit is not None]
        self._levels = {kind: window.level(kind, limit, workers) for kind, limit in limited}
        shares = {kind: min(before[kind], demand[kind], level) for kind, level in self._levels.items()}
        return {**dict.fromkeys(Kind), **shares}

    def _workers(self, counted: float, window: _Window) -> float:
        """Who has come and not left, corrected by who beats where two periods agree: one beat may be late."""
        counted = max(1.0, counted)
        drift, before = window.beating / counted - 1, self._drift
        agreed = min(drift, before, key=abs) if drift * before > 0 else 0.0
        workers = max(1.0, counted * (1 + agreed))
        self._drift, self._correction = drift, agreed * counted / workers / CORRECTION_PERIODS
        return workers

    def _least(self, tally: Tally) -> Rates:
        return {kind: None if limit is None else limit / self._most_workers for kind, limit in tally.limits.items()}


@dataclass(frozen=True, slots=True)
class _Window:
    """What happened between two beats of one worker, `periods` of time apart."""

    start: Tally
    end: Tally
    periods: int

    @property
    def beating(self) -> float:
        """How many workers beat, this one included."""
        return 1 + (self.end.heartbeats - self.start.heartbeats - 1) / self.periods

    def level(self, kind: Kind, limit: float, workers: float) -> float:
        """The most that any worker may spend: its share, and what modest workers leave of theirs."""
        under_share = (self.end.under_share[kind] - self.start.under_share[kind]) / self.periods
        under_share_units = (self.end.under_share_units[kind] - self.start.under_share_units[kind]) / self.periods
        # Late beats make `beating` too small, and who has just left makes `workers` so beside `modest`.
        others = max(self.beating, workers) - under_share
        return max(limit / workers, (limit - under_share_units) / max(1.0, others))
