"""The rule that divides a run's limits by its workers, from nothing but counters that every worker adds to.

Each worker adds one to `beats` once a period. How far the counter has moved between two beats of one's own is how many
workers there are: no clocks are compared, and who was killed stops counting by itself. `workers` goes up with who
comes and down with who leaves: it tells at once what beats tell a period later. Where it still counts somebody who was
killed, all workers together correct it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from sluice.pacing.budget import Kind, Limits

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

    `modest` counts the beats of workers that had use for less than their share, `modest_units` adds up for how much.
    """

    limits: Limits
    workers: float
    beats: int
    modest: Mapping[Kind, int]
    modest_units: Mapping[Kind, float]


class Shares:
    """What one worker may spend, from beat to beat.

    What a worker claims, the others learn within a period: so it lowers its rate at once, but raises it with the beat
    after. So does a new worker: until all have made room for it, it has what is its own among `most_workers`.
    """

    def __init__(self, period_seconds: float, most_workers: int) -> None:
        self._period_seconds = period_seconds
        self._most_workers = most_workers
        self._last: tuple[Tally, float] | None = None
        self._claims: Claims = {}
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

    def claims(self, needs: Claims) -> Claims:
        """What to claim: what the worker has use for, unless that is all that its share allows, or more."""
        return {kind: inf if need >= self._levels.get(kind, 0.0) else need for kind, need in needs.items()}

    def after(self, tally: Tally, claims: Claims, now: float) -> Rates:
        """The worker's rates after a beat with these claims, at `now` seconds by any steady clock of its own."""
        last, before = self._last, self._claims
        self._last, self._claims = (tally, now), claims
        if last is None:
            return self._least(tally)
        if tally.beats <= last[0].beats:
            # The item has been made anew, so all who are at work join anew.
            self._last, self._drift = None, 0.0
            return self._least(tally)
        window = _Window(last[0], tally, max(1, round((now - last[1]) / self._period_seconds)))
        workers = self._workers(tally.workers, window)
        limited = [(kind, limit) for kind, limit in tally.limits.items() if limit is not None]
        self._levels = {kind: window.level(kind, limit, workers) for kind, limit in limited}
        shares = {kind: min(before[kind], claims[kind], level) for kind, level in self._levels.items()}
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
        return 1 + (self.end.beats - self.start.beats - 1) / self.periods

    def level(self, kind: Kind, limit: float, workers: float) -> float:
        """The most that any worker may spend: its share, and what modest workers leave of theirs."""
        modest = (self.end.modest[kind] - self.start.modest[kind]) / self.periods
        modest_units = (self.end.modest_units[kind] - self.start.modest_units[kind]) / self.periods
        # Late beats make `beating` too small, and who has just left makes `workers` so beside `modest`.
        others = max(self.beating, workers) - modest
        return max(limit / workers, (limit - modest_units) / max(1.0, others))
