"""Runs of a segment whose attempts crash, stall and continue late beside their successors, while others write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

from sluice.aws.wire import Attempts, Wire
from sluice.errors import RunContinuedError, ServiceUnavailableError
from sluice.mapping.transforms import Transform
from sluice.workflows.table_transform.handover import EarlierRun, Purpose, RunFiles
from sluice.workflows.table_transform.input import TransformJob
from sluice.workflows.table_transform.progress import Done, TransformProgress
from tests.unit.fake_s3 import FakeS3
from tests.unit.fake_tables import FakeTables, Json
from tests.unit.segment_slices import Segment

# What happens at a request. STALL: the attempt continues late; SWITCH: an attempt that is late continues for a while.
GO, CRASH_BEFORE, CRASH_AFTER, STALL, SWITCH = "go", "crash before", "crash after", "stall", "switch"
TIME_UP, STOP, WRITE = "time up", "stop", "write"
DISTURBANCES = (CRASH_BEFORE, CRASH_AFTER, STALL, SWITCH, SWITCH, TIME_UP, STOP)
Decision = str


class CrashError(BaseException):
    """The worker is killed: nothing catches this."""


EXPECTED = (CrashError, ServiceUnavailableError)


@dataclass(eq=False)
class Attempt:
    """One invocation. `gate` is open while it may continue."""

    segment: Segment
    progress: TransformProgress
    gate: Event = field(default_factory=Event)
    is_dead: bool = False
    is_over: bool = False
    time_is_up: bool = False
    result: TransformProgress | None = None
    rejects: bytes = b""
    error: BaseException | None = None


class BoundTables(Wire):
    """The tables as one attempt reaches them."""

    def __init__(self, world: World, attempt: Attempt) -> None:
        super().__init__(lambda: None, world.tables.retries)  # type: ignore[arg-type, return-value]
        self._world = world
        self._attempt = attempt

    def call(self, operation: str, body: bytes, attempts: Attempts | None = None) -> Json:
        """One request."""
        answer: Json = self._world.request(self._attempt, lambda: self._world.tables.call(operation, body, attempts))
        return answer


class BoundS3:
    """The bucket as one attempt reaches it."""

    def __init__(self, world: World, attempt: Attempt) -> None:
        self._world = world
        self._attempt = attempt

    def put_object(self, **given: Any) -> Any:
        """One request."""
        return self._world.request(self._attempt, lambda: self._world.s3.put_object(**given))

    def get_object(self, **given: Any) -> Any:
        """One request."""
        return self._world.request(self._attempt, lambda: self._world.s3.get_object(**given))


class World:
    """`decisions`: what happens at each request, one after the other; when they end, nothing does."""

    def __init__(
        self,
        tables: FakeTables,
        transform: Transform,
        job: TransformJob,
        decisions: list[Decision],
        write: Callable[[], None],
    ) -> None:
        self.s3 = FakeS3()
        self.tables = tables
        self._transform = transform
        self._job = job
        self._decisions = iter(decisions)
        self._write = write
        self._messages: SimpleQueue[str] = SimpleQueue()
        self._lock = Lock()
        self._late: list[Attempt] = []
        self._runs = 0
        self._first = "run"
        self.done = Done()
        self.rejected: list[Json] = []
        self.names: list[str] = []

    def undo(self, decisions: list[Decision]) -> World:
        """A world in which the runs of this one are undone."""
        job = replace(self._job, undoes=tuple(self.names), item_source={})
        world = World(self.tables, self._transform, job, decisions, self._write)
        world.s3, world._first = self.s3, f"undo-of-{self.names[-1]}-"
        return world

    def run(self) -> None:
        """The run, and those that resume it, until one is complete; then late attempts continue to their end."""
        self._start_run(f"{self._first}0")
        progress = TransformProgress()
        while not progress.is_done:
            attempt = self._invoke(progress)
            if attempt is None:
                progress = self._resume()
            elif attempt.result is not None:
                self._count(progress, attempt)
                progress = attempt.result
        self.done = self.done + progress.done
        for late in list(self._late):
            self._go_on(late, to_the_end=True)

    def _count(self, before: TransformProgress, attempt: Attempt) -> None:
        assert attempt.result is not None
        self.rejected += [json.loads(line) for line in attempt.rejects.splitlines()]
        assert attempt.result.slices == before.slices + 1

    def _start_run(self, name: str) -> None:
        self.names.append(name)
        self._runs += 1
        self._last = TransformProgress()

    def _resume(self) -> TransformProgress:
        """Another run continues this one, whose workers may continue."""
        name = self.names[-1]
        segment = self._segment(f"{self._first}{self._runs}")
        files: Any = RunFiles(segment.s3, "data", segment.store.run)  # type: ignore[arg-type]
        earlier = EarlierRun(name, self._job.to_state(), Done(), {0: self._last})
        files.hand_over(name, Purpose.RESUME)
        sealed = files.seal(earlier)
        assert files.seal(earlier) == sealed
        self.done = self.done + sealed.segments[0].done
        self._count_slices(name, self._last.slices, sealed.segments[0].slices)
        self._start_run(segment.name)
        reached: TransformProgress = sealed.segments[0]
        return replace(reached, done=Done()) if reached.is_done else reached.resumed()

    def _count_slices(self, name: str, first: int, end: int) -> None:
        """Slices that ended without telling the state machine have their rejects in the journal."""
        for number in range(first, end):
            for entry in self._segment(name).store.entries(number):
                if entry.kind == "end":
                    rejects = entry.body[: entry.head["parts"]["rejects"]]
                    self.rejected += [json.loads(line) for line in rejects.splitlines()]

    def _segment(self, name: str) -> Segment:
        return Segment(self.tables, self._transform, self._job, s3=self.s3, name=name)

    def _invoke(self, progress: TransformProgress) -> Attempt | None:
        """One attempt at a slice, until it ends, dies or stalls; None when the run is stopped meanwhile."""
        self._last = progress
        attempt = Attempt(self._segment(self.names[-1]), progress)
        Thread(target=self._work, args=[attempt], daemon=True).start()
        while True:
            message = self._go_on(attempt)
            if message == SWITCH:
                if self._late:
                    self._go_on(self._late[-1])
                continue
            if message in (STALL, STOP):
                self._late.append(attempt)
            if attempt.error is not None and not isinstance(attempt.error, EXPECTED):
                raise attempt.error
            return None if message == STOP else attempt

    def _go_on(self, attempt: Attempt, *, to_the_end: bool = False) -> str:
        """Let an attempt continue until something happens to it."""
        while True:
            attempt.gate.set()
            message = self._messages.get()
            if attempt.is_over and attempt in self._late:
                self._late.remove(attempt)
                if attempt.error is not None and not isinstance(attempt.error, (*EXPECTED, RunContinuedError)):
                    raise attempt.error
            if attempt.is_over or not to_the_end:
                return message

    def _work(self, attempt: Attempt) -> None:
        tables, s3 = BoundTables(self, attempt), BoundS3(self, attempt)
        segment = replace(attempt.segment, tables=tables, s3=s3)  # type: ignore[arg-type]
        try:
            result = segment.run(attempt.progress, lambda: attempt.time_is_up)
            attempt.result, attempt.rejects = result.progress, result.rejects
        except BaseException as error:  # noqa: BLE001 - raised again by the driver
            attempt.error = error
        attempt.is_over = True
        self._messages.put("over")

    def request(self, attempt: Attempt, effect: Callable[[], Any]) -> Any:
        """One request of an attempt, and what happens at it."""
        decision = ""
        while True:
            attempt.gate.wait()
            with self._lock:
                if not attempt.gate.is_set():
                    continue
                if attempt.is_dead:
                    raise CrashError
                if decision:
                    return self._effect(attempt, GO, effect)
                decision = next(self._decisions, GO)
                if decision not in (STALL, SWITCH, STOP):
                    return self._effect(attempt, decision, effect)
                attempt.gate.clear()
                self._messages.put(decision)

    def _effect(self, attempt: Attempt, decision: Decision, effect: Callable[[], Any]) -> Any:
        attempt.is_dead = decision in (CRASH_BEFORE, CRASH_AFTER)
        attempt.time_is_up |= decision == TIME_UP
        if decision == CRASH_BEFORE:
            raise CrashError
        if decision == WRITE:
            self._write()
        try:
            return effect()
        finally:
            if decision == CRASH_AFTER:
                raise CrashError


def rejected_keys(world: World) -> Iterator[str]:
    """The keys of the items that the runs rejected."""
    for line in world.rejected:
        yield line["key"]["pk"]["S"]
