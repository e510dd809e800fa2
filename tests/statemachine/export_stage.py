"""Executions that take turns on one stage: time is virtual, and one of them walks at a time, from state to state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from local_aws.stepfunctions.errors import StateError, StoppedError
from local_aws.stepfunctions.installation import prepare
from local_aws.stepfunctions.scope import Clock, History, Record, Run, Scope, compact_json
from local_aws.stepfunctions.walk import walk

prepare()

ACCOUNT = "arn:aws:states:us-east-1:123456789012"
MACHINE = f"{ACCOUNT}:stateMachine:sluice-table_export"
# Expressions are compiled once per thread: executions that come one after the other share one.
_threads = ThreadPoolExecutor(8, thread_name_prefix="execution")

Call = Callable[["Execution", str, Any, Scope], Any]
Pick = Callable[[Sequence["Execution"]], "Execution"]


class _OwnTime(Clock):
    """The stage's time as one execution sees it."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    def now(self) -> float:
        return self._execution.stage.now + self._execution.skew

    def wait(self, seconds: float, stopped: threading.Event) -> None:
        self._execution.sleep(seconds)


class _OwnRun(Run):
    """Gives others their turn before every state."""

    execution: Execution

    def check(self) -> None:
        self.execution.yield_turn()
        super().check()


@dataclass(eq=False)
class Execution:
    """One execution of table_export; `skew` is what its clock is ahead by, in seconds."""

    stage: Stage
    number: int
    skew: float
    document: Any
    status: str = "RUNNING"
    output: Any = None
    error: str | None = None
    cause: str | None = None
    wake_at: float = 0.0

    def __post_init__(self) -> None:
        self.name = f"run-{self.number}"
        self.arn = f"{ACCOUNT}:execution:sluice-table_export:{self.name}"
        self.events: list[Record] = []
        clock = _OwnTime(self)
        self.run = _OwnRun({}, {}, History(self.events), clock)
        self.run.execution = self
        self.run.call = lambda resource, given, scope: self.stage.call(self, resource, given, scope)
        self.run.context = {
            "Execution": {"Id": self.arn, "Name": self.name, "Input": self.document, "StartTime": self.run.now_iso()},
            "StateMachine": {"Id": MACHINE, "Name": "sluice-table_export"},
        }
        self.ended_at: float | None = None
        self._mine, self._stages = threading.Semaphore(0), threading.Semaphore(0)
        self._walk: Future[None] | None = None

    @property
    def is_running(self) -> bool:
        return self.status == "RUNNING"

    @property
    def states(self) -> list[str]:
        """The names of the states that it has entered."""
        return [each["stateEnteredEventDetails"]["name"] for each in self.events if "stateEnteredEventDetails" in each]

    def kill(self) -> None:
        """As StopExecution does: no state runs any more."""
        self.run.stopped.set()
        while self.is_running:
            self.take_turn()

    def take_turn(self) -> None:
        """Walk until it waits, yields or ends. Raises what broke the test's own parts."""
        if self._walk is None:
            self._walk = _threads.submit(self._run_to_end)
        else:
            self._mine.release()
        self._stages.acquire()
        if not self.is_running:
            self._walk.result()

    def yield_turn(self) -> None:
        """Let the stage choose who continues."""
        if self.is_running and not self.stage.is_left_to(self):
            self._hand_over()

    def sleep(self, seconds: float) -> None:
        """Wait in virtual time."""
        self.wake_at = self.stage.now + seconds
        if self.stage.is_left_to(self) and self.wake_at <= self.stage.until:
            self.stage.now = self.wake_at
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        self._stages.release()
        self._mine.acquire()
        if self.run.stopped.is_set():
            raise StoppedError

    def _run_to_end(self) -> None:
        definition = self.stage.definition
        try:
            scope = Scope(self.run, definition["QueryLanguage"], {})
            self.output = walk(definition["States"], definition["StartAt"], self.document, scope)
            compact_json(self.output)
            self._end("SUCCEEDED")
        except StoppedError:
            self._end("ABORTED")
        except StateError as error:
            self.error, self.cause = error.error, error.cause  # type: ignore[attr-defined]
            self._end("FAILED")
        finally:
            self.status = "BROKEN" if self.is_running else self.status
            self._stages.release()

    def _end(self, status: str) -> None:
        self.status, self.ended_at = status, self.stage.now


class Stage:
    """Where executions run. `call` answers their Tasks; `pick` says whose turn it is when several could continue."""

    def __init__(self, definition: dict[str, Any], call: Call, now: float) -> None:
        self.definition = definition
        self.call = call
        self.now = now
        self.until = now
        self.executions: list[Execution] = []
        self.pick: Pick = lambda ready: ready[0]

    def start(self, document: Any, skew: float = 0.0) -> Execution:
        """An execution that has not entered a state yet."""
        execution = Execution(self, len(self.executions), skew, document)
        self.executions.append(execution)
        return execution

    @property
    def running(self) -> list[Execution]:
        """Those that have not ended."""
        return [each for each in self.executions if each.is_running]

    def is_left_to(self, execution: Execution) -> bool:
        """Whether nobody else is there to be given a turn."""
        return self.running == [execution]

    def run_until(self, time: float, ending: Execution | None = None) -> None:
        """Let all of them continue until then, or until this one has ended."""
        self.until = time
        while (running := self.running) and (ending is None or ending.is_running):
            ready = [each for each in running if each.wake_at <= self.now]
            if ready:
                self.pick(ready).take_turn()
                continue
            soonest = min(each.wake_at for each in running)
            if soonest > time:
                break
            self.now = soonest
        if ending is None:
            self.now = time

    def close(self) -> None:
        """End what still runs, so that no thread is left waiting."""
        for each in self.running:
            each.kill()
