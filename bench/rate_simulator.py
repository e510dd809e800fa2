"""A run's workers on a simulated clock: who comes when, what each could spend, and what all of them did spend.

The rule, the rate limiters and the heartbeats are the functions' own. Simulated are time, the item, and requests that
take a while. Workers' clocks are apart, responses late, and some heartbeats are lost.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, count
from math import inf

from sluice.aws.wire import Attempts
from sluice.errors import ServiceUnavailableError
from sluice.run_item.item import RunItem
from sluice.run_item.progress import WorkDone
from sluice.run_item.rate_limiter import NAP_SECONDS, RateLimiter, Spending
from sluice.run_item.shares import Demand, UnitKind, WorkerTally
from sluice.run_item.worker import Member

CLOCKS_APART_SECONDS = 1.0
CLOCK_DRIFT = 50e-6
ANSWER_SECONDS = (0.004, 0.03)
LOST_HEARTBEATS = 0.003
# What requests take, beside what their items are expected to.
UNEXPECTED = (0.8, 1.2)
BIN_SECONDS = 0.1
WINDOW_SECONDS = 30.0
# Until all have come, and have seen what each has use for.
START_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Shift:
    """One worker from its first heartbeat to its end; without a limit it would spend `capacity` units per second."""

    start: float
    end: float
    capacity: float
    is_killed: bool = False
    requests_at_once: int = 1


@dataclass(frozen=True, slots=True)
class Scenario:
    """`limits` are units per second by the second from which they hold, the first from 0."""

    seconds: float
    limits: Mapping[float, float]
    shifts: tuple[Shift, ...]
    most_workers: int
    item_units: float = 0.5
    items_per_request: int = 250


@dataclass(frozen=True, slots=True)
class Deviation:
    """The largest over any window, as parts of the limit: spent beyond it, and left although workers could."""

    over: float
    under: float

    @property
    def largest(self) -> float:
        """The worse of both."""
        return max(self.over, self.under)


@dataclass(slots=True)
class SimulatedItem:
    """What DynamoDB would hold: the shard in which workers share the limit."""

    limit: float
    chance: random.Random
    workers: float = 0.0
    heartbeats: int = 0
    under_share: int = 0
    under_share_units: float = 0.0

    def set_limit(self, limit: float) -> None:
        """As `sluice rate`."""
        self.limit = limit

    def heartbeat(self, demand: Demand, to_workers: float, _done: WorkDone, _attempts: Attempts) -> WorkerTally:
        """As `Shard.heartbeat`."""
        if self.chance.random() < LOST_HEARTBEATS:
            raise ServiceUnavailableError("lost")
        self.workers += to_workers
        self.heartbeats += 1
        if demand[UnitKind.READ] < inf:
            self.under_share += 1
            self.under_share_units += demand[UnitKind.READ]
        return WorkerTally(
            {UnitKind.READ: self.limit, UnitKind.WRITE: None},
            self.workers,
            self.heartbeats,
            {UnitKind.READ: self.under_share, UnitKind.WRITE: 0},
            {UnitKind.READ: self.under_share_units, UnitKind.WRITE: 0.0},
        )

    def leave(self, to_workers: float, _done: WorkDone) -> None:
        """As `Shard.leave`."""
        self.workers += to_workers


class Simulation:
    """Events in the order of time."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.chance = random.Random(seed)
        self.now = 0.0
        self.spent: list[tuple[float, float]] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()

    def run(self) -> Deviation:
        """Play the scenario."""
        limits = self.scenario.limits
        run_item = RunItem("", {UnitKind.READ: limits[0], UnitKind.WRITE: None}, self.scenario.most_workers)
        item = SimulatedItem(limits[0], self.chance)
        for at, limit in limits.items():
            self.after(at, partial(item.set_limit, limit))
        for shift in self.scenario.shifts:
            self.after(shift.start, SimulatedWorker(self, item, run_item, shift).start)
        while self._events and self._events[0][0] < self.scenario.seconds:
            self.now, _, happen = heapq.heappop(self._events)
            happen()
        return deviation(self.scenario, self.spent)

    def after(self, seconds: float, happen: Callable[[], None]) -> None:
        """Have something happen."""
        heapq.heappush(self._events, (self.now + seconds, next(self._number), happen))


class SimulatedWorker:
    """Beats, and one request after the other in each of its lines."""

    def __init__(self, simulation: Simulation, item: SimulatedItem, run_item: RunItem, shift: Shift) -> None:
        self._simulation = simulation
        self._item = item
        self._run_item = run_item
        self._shift = shift
        chance = simulation.chance
        self._ahead = chance.uniform(-CLOCKS_APART_SECONDS, CLOCKS_APART_SECONDS)
        self._speed = 1 + chance.uniform(-CLOCK_DRIFT, CLOCK_DRIFT)

    def clock(self) -> float:
        """The worker's own time."""
        return self._simulation.now * self._speed + self._ahead

    def start(self) -> None:
        """Begin to work."""
        scenario, chance, least = self._simulation.scenario, self._simulation.chance, self._run_item.least
        self._reads, writes = (
            RateLimiter(least[kind], lambda: False, scenario.item_units, clock=self.clock, chance=chance)
            for kind in UnitKind
        )
        limiters = {UnitKind.READ: self._reads, UnitKind.WRITE: writes}
        self._member = Member(self._item, limiters, self._run_item, self.clock, chance)
        self._heartbeat()
        for _ in range(self._shift.requests_at_once):
            self._next_request()
        self._simulation.after(self._shift.end - self._shift.start, self._end)

    @property
    def _is_over(self) -> bool:
        return self._simulation.now >= self._shift.end

    def _heartbeat(self) -> None:
        if not self._is_over:
            answer_seconds = self._simulation.chance.uniform(*ANSWER_SECONDS)
            self._simulation.after(answer_seconds, self._member.heartbeat)
            self._simulation.after(self._member.pause_seconds / self._speed, self._heartbeat)

    def _end(self) -> None:
        if not self._shift.is_killed:
            self._member.leave()

    def _next_request(self) -> None:
        if not self._is_over:
            items = self._reads.bounded(self._simulation.scenario.items_per_request)
            self._send(self._reads.take(items))

    def _send(self, spending: Spending) -> None:
        if self._is_over:
            return
        wait_seconds = self._reads.seconds_until(spending)
        if wait_seconds > 0:
            self._simulation.after(min(wait_seconds, NAP_SECONDS), partial(self._send, spending))
            return
        units = (spending.items or 0) * self._simulation.scenario.item_units
        units *= self._simulation.chance.uniform(*UNEXPECTED)
        self._simulation.spent.append((self._simulation.now, units))
        seconds = units * self._shift.requests_at_once / self._shift.capacity
        self._simulation.after(seconds, partial(self._answered, spending, units))

    def _answered(self, spending: Spending, units: float) -> None:
        spending.ended(units)
        self._next_request()


def deviation(scenario: Scenario, spent: list[tuple[float, float]]) -> Deviation:
    """Over all windows that begin after the start."""
    bins = int(scenario.seconds / BIN_SECONDS)
    limits = [_limit_at(scenario, each * BIN_SECONDS) for each in range(bins)]
    could = [0.0] * (bins + 1)
    for shift in scenario.shifts:
        could[_bin(shift.start, bins)] += shift.capacity
        could[_bin(shift.end, bins)] -= shift.capacity
    least = [min(limit, capacity) for limit, capacity in zip(limits, accumulate(could), strict=False)]
    units = [0.0] * bins
    for at, each in spent:
        units[min(int(at / BIN_SECONDS), bins - 1)] += each
    windows = list(
        zip(
            _sums([each * BIN_SECONDS for each in limits]),
            _sums([each * BIN_SECONDS for each in least]),
            _sums(units),
            strict=True,
        )
    )
    return Deviation(
        over=max(total / limit - 1 for limit, _, total in windows),
        under=max((expected - total) / limit for limit, expected, total in windows),
    )


def _limit_at(scenario: Scenario, second: float) -> float:
    return scenario.limits[max(at for at in scenario.limits if at <= second)]


def _bin(second: float, bins: int) -> int:
    return min(round(second / BIN_SECONDS), bins)


def _sums(bins: list[float]) -> Iterator[float]:
    window, first = int(WINDOW_SECONDS / BIN_SECONDS), int(START_SECONDS / BIN_SECONDS)
    sums = [0.0, *accumulate(bins)]
    return (sums[end] - sums[end - window] for end in range(first + window, len(bins) + 1))
