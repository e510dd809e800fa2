"""One worker of a run: it sends heartbeats while it works, keeps within its share, and learns of a stop."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event, Thread
from types import TracebackType
from typing import Any, Protocol, Self

from sluice.aws.wire import Attempts, Wire
from sluice.errors import ServiceUnavailableError, SluiceError, StoppedError, ThrottledError
from sluice.limits import READ_UNIT_BYTES, WRITE_UNIT_BYTES
from sluice.run_item.item import PERIOD_SECONDS, RunItem
from sluice.run_item.item_requests import HEARTBEAT_TIMEOUT_SECONDS, Shard, heartbeat_wire
from sluice.run_item.progress import Course, WorkDone
from sluice.run_item.rate_limiter import RateLimiter
from sluice.run_item.shares import Demand, Shares, UnitKind, WorkerTally

# Of workers that send heartbeats at the same time, each waits a little longer: answers would overtake each other.
LONGEST_PERIOD = 1.1
NO_WORK = WorkDone()
_random = random.SystemRandom()


class SharedItem(Protocol):
    """A shard of the run's item, as `Shard` is."""

    def heartbeat(self, demand: Demand, to_workers: float, done: WorkDone, attempts: Attempts) -> WorkerTally: ...

    def leave(self, to_workers: float, done: WorkDone) -> None: ...


class Member:
    """Joins with its first heartbeat, has its share from the second on, and leaves when it has no more to do.

    A killed worker stops sending heartbeats; the others notice within two periods. What a heartbeat may have added, no
    later one adds again: progress may lack some rows, but has none twice. `is_stopped`: the run is to end.
    """

    def __init__(
        self,
        shard: SharedItem,
        limiters: Mapping[UnitKind, RateLimiter],
        item: RunItem,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        self._shard = shard
        self._limiters = limiters
        self._period_seconds = item.period_seconds
        self._is_limited = item.is_limited
        self._shares = Shares(item.period_seconds, item.workers)
        self._added = WorkDone()
        self._clock = clock
        self._chance = chance or _random
        self.is_stopped = False

    @property
    def pause_seconds(self) -> float:
        """How long after a heartbeat the next one is due."""
        if not self._shares.is_clashing:
            return self._period_seconds
        return self._period_seconds * self._chance.uniform(1, LONGEST_PERIOD)

    def heartbeat(self, done: WorkDone = NO_WORK) -> None:
        """Add what was done since the last heartbeat, and continue with the new share.

        Without an answer the worker keeps the share that it has.

        Raises TableNotFoundError, AccessDeniedError, UnexpectedResponseError, WireError.
        """
        demand = self._demand()
        attempts = Attempts()
        try:
            tally = self._shard.heartbeat(demand, self._shares.to_workers, done - self._added, attempts)
        except (ThrottledError, ServiceUnavailableError):
            if attempts.may_have_run:
                self._added = done
            for limiter in self._limiters.values():
                limiter.grant_least()
            return
        self._added = done
        self._heed(tally, demand)

    def leave(self, done: WorkDone = NO_WORK) -> None:
        """Add the rest, and make room for the others at once; without an answer they notice by the missing heartbeats.

        Raises what `heartbeat` raises.
        """
        if self._shares.is_new and done == self._added:
            return
        try:
            self._shard.leave(0.0 if self._shares.is_new else -1.0, done - self._added)
        except (ThrottledError, ServiceUnavailableError):
            return

    def fail(self) -> None:
        """Leave, and take the rows back that heartbeats have added: the slice is to be repeated, or has failed."""
        self.leave(WorkDone(read_units=self._added.read_units, write_units=self._added.write_units))

    def _demand(self) -> Demand:
        if not self._is_limited:
            return {}
        return self._shares.demand({kind: each.demand() for kind, each in self._limiters.items()})

    def _heed(self, tally: WorkerTally, demand: Demand) -> None:
        self.is_stopped = self.is_stopped or tally.is_stopped
        limits = demand or dict.fromkeys(UnitKind, float("inf"))
        for kind, rate in self._shares.after(tally, limits, self._clock()).items():
            self._limiters[kind].grant(rate)
        self._is_limited = any(limit is not None for limit in tally.limits.values())


# Pages are rounded up to 4 KB.
READ_ROUNDING_UNITS = 0.5


class Teller:
    """Tells progress to a shard of its own, where a limit is shared in shard 0, and learns of a stop there."""

    pause_seconds = PERIOD_SECONDS

    def __init__(self, shard: SharedItem) -> None:
        self._shard = shard
        self._added = WorkDone()
        self.is_stopped = False

    def heartbeat(self, done: WorkDone) -> None:
        """Add what was done since the last time. Raises what Member.heartbeat raises."""
        attempts = Attempts()
        try:
            tally = self._shard.heartbeat({}, 0.0, done - self._added, attempts)
        except (ThrottledError, ServiceUnavailableError):
            self._added = done if attempts.may_have_run else self._added
            return
        self._added = done
        self.is_stopped = self.is_stopped or tally.is_stopped

    def leave(self, done: WorkDone) -> None:
        """Add the rest. Raises what Member.heartbeat raises."""
        try:
            self._shard.leave(0.0, done - self._added)
        except (ThrottledError, ServiceUnavailableError):
            return

    def fail(self) -> None:
        """Take the rows back, as Member.fail does."""
        self.leave(WorkDone(read_units=self._added.read_units, write_units=self._added.write_units))


class RunWorker:
    """A worker while it is in the context: `reads` and `writes` are what it may spend.

    Its first heartbeat ends before the context is entered, so that no worker of a stopped run begins anything. The
    others come from a thread, so that a worker counts also while it is busy with something else.
    """

    def __init__(
        self,
        item: RunItem,
        shard: SharedItem,
        is_time_up: Callable[[], bool],
        *,
        read_item_units: float = 1.0,
        write_item_units: float = 1.0,
        own_shard: SharedItem | None = None,
    ) -> None:
        """`shard`: where the worker shares a limit; `own_shard`: where it tells its progress, None in the same one."""
        self._is_time_up = is_time_up
        self.reads = RateLimiter(item.least[UnitKind.READ], self.is_over, read_item_units, rounding=READ_ROUNDING_UNITS)
        self.writes = RateLimiter(item.least[UnitKind.WRITE], self.is_over, write_item_units)
        self._limiters = {UnitKind.READ: self.reads, UnitKind.WRITE: self.writes}
        self._item = item
        self._member = Member(shard, self._limiters, item)
        self._teller = Teller(own_shard) if own_shard else None
        self._work_done: Callable[[], WorkDone] = WorkDone
        self._course = Course()
        self._is_left = Event()

    @property
    def is_stopped(self) -> bool:
        """Whether the run is to end: nothing more shall be begun, what was begun is finished."""
        return self._member.is_stopped or (self._teller is not None and self._teller.is_stopped)

    def is_over(self) -> bool:
        """Whether the slice shall end, because the time is up or the run is to stop."""
        return self.is_stopped or self._is_time_up()

    def watch(self, work_done: Callable[[], WorkDone]) -> None:
        """Have heartbeats add what this returns, all since the context was entered; called from another thread."""
        self._work_done = work_done

    def state_of(self, progress: Mapping[str, Any]) -> dict[str, Any]:
        """A slice's progress as its state machine gets it: `stopped` keeps it from another slice."""
        is_stopped = self.is_stopped and not progress["done"]
        return {**progress, "stopped": True} if is_stopped else dict(progress)

    def check(self, progress: Mapping[str, Any]) -> None:
        """Raise StoppedError when the run is to end before the slice's part is done, and nothing resumes it there."""
        if self.is_stopped and not progress["done"]:
            raise StoppedError("the run was stopped")

    def course(self) -> bytes:
        """The course of the slice, as JSON Lines; empty for a short one."""
        return self._course.lines(time.time(), self._work_done())

    def __enter__(self) -> Self:
        self._course.begin(time.time())
        for teller in self._tellers:
            self._send_heartbeat(teller)
        self._thread = Thread(target=self._run, name="heartbeats", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the units that are owed, unless by an error, and leave."""
        try:
            if kind is None:
                for limiter in self._limiters.values():
                    limiter.settle()
        finally:
            self._is_left.set()
            self._thread.join(HEARTBEAT_TIMEOUT_SECONDS)
            self._leave(is_failed=kind is not None)

    def _leave(self, *, is_failed: bool) -> None:
        teller = self._teller or self._member
        try:
            if is_failed or self._thread.is_alive():
                teller.fail()
            else:
                teller.leave(self._work_done())
            if self._teller:
                self._member.leave()
        except SluiceError:
            if self._item.is_limited and not is_failed:
                raise

    def _run(self) -> None:
        now = time.monotonic()
        due = {each: now + each.pause_seconds for each in self._tellers}
        while not self._is_left.wait(max(0.0, min(due.values()) - time.monotonic())):
            each = min(due, key=lambda teller: due[teller])
            if not self._send_heartbeat(each):
                return
            due[each] = max(due[each] + each.pause_seconds, time.monotonic())

    @property
    def _tellers(self) -> list[Member | Teller]:
        return [self._member, self._teller] if self._teller else [self._member]

    def _send_heartbeat(self, teller: Member | Teller) -> bool:
        """Send a heartbeat; False when no further one is of use. Without a limit the run continues without them."""
        done = self._work_done()
        self._course.note(time.time(), done)
        try:
            teller.heartbeat(NO_WORK if teller is not self._tellers[-1] else done)
        except SluiceError as error:
            if self._item.is_limited:
                for limiter in self._limiters.values():
                    limiter.fail(error)
                return False
        return True


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """Where the workers of a function send their heartbeats. `wire` is made by `heartbeat_wire`."""

    wire: Wire
    table: str

    @classmethod
    def to(cls, table: str, wire: Wire) -> Self:
        """To this table of runs, at the endpoint of a wire for other requests."""
        return cls(heartbeat_wire(wire), table)

    def worker(self, item: RunItem, is_time_up: Callable[[], bool], item_bytes: float | None = None) -> RunWorker:
        """A worker of the run with this item. `item_bytes`: the mean of the items, where it is known."""
        own = Shard(self.wire.call, self.table, item, _random.randrange(item.shards))
        return RunWorker(
            item,
            Shard(self.wire.call, self.table, item) if item.is_split else own,
            is_time_up,
            own_shard=own if item.is_split else None,
            read_item_units=item_bytes / READ_UNIT_BYTES if item_bytes else 1.0,
            write_item_units=max(1.0, item_bytes / WRITE_UNIT_BYTES) if item_bytes else 1.0,
        )
