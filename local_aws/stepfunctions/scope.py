"""What a running execution consists of: its record, its history, and the scope of a state."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import now_iso

from local_aws.stepfunctions.errors import (
    MAXIMUM_PAYLOAD_BYTES,
    QUERY_EVALUATION,
    TIMEOUT,
    StoppedError,
    result_too_large,
    state_error,
)

MAXIMUM_HISTORY_EVENTS = 25_000
EXECUTION_ENDS = ("ExecutionFailed", "ExecutionSucceeded", "ExecutionAborted", "ExecutionTimedOut")
# Events that no other one comes after.
DEAD_ENDS = ("ExecutionStarted", "MapIterationFailed", "MapStateSucceeded", "ParallelStateSucceeded")

# json.dumps makes a new one for each value.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

State = dict[str, Any]
Record = dict[str, Any]


def compact_json(value: Any) -> str:
    """JSON as Step Functions writes it."""
    return _ENCODER.encode(value)


class History:
    """The events of one execution, appended by all of its branches, each with what it came after."""

    def __init__(self, events: list[Record], lock: "threading.Lock | None" = None, last: int = 0) -> None:
        self._events = events
        self._lock = lock or threading.Lock()
        self._last = last
        # What the last MapIterationSucceeded came after: the next iteration comes after the same.
        self._iterated: int | None = None

    def branch(self) -> "History":
        """The history for a branch or an iteration that runs beside others."""
        return History(self._events, self._lock, self._last)

    def join(self, branches: "list[History]") -> None:
        """Go on after branches that have ended."""
        self._last = max([self._last, *(branch._last for branch in branches)])

    def add(self, kind: str, **details: Any) -> int:
        """Append an event and return its id; the details' name follows from the kind. The last is the execution's."""
        with self._lock:
            number = len(self._events) + 1
            if number >= MAXIMUM_HISTORY_EVENTS and kind not in EXECUTION_ENDS:
                raise state_error(
                    "States.Runtime",
                    f"The execution reached the maximum number of history events ({MAXIMUM_HISTORY_EVENTS}).",
                )
            event: Record = {
                "id": number,
                "previousEventId": self._link(kind, number),
                "type": kind,
                "timestamp": now_iso(),
            }
            if details or kind == "ExecutionFailed":
                event[_details_name(kind)] = details
            self._events.append(event)
            return number

    def _link(self, kind: str, number: int) -> int:
        """What the event comes after, as recorded on AWS; some events have none after them."""
        previous = self._last
        if kind == "MapIterationStarted" and self._iterated is not None:
            previous = self._iterated
        self._iterated = previous if kind == "MapIterationSucceeded" else None
        if kind not in DEAD_ENDS:
            self._last = number
        return previous


class NoHistory(History):
    """An Express workflow has none."""

    def __init__(self) -> None:
        super().__init__([])

    def branch(self) -> "History":
        return self

    def add(self, kind: str, **details: Any) -> int:
        return 0


def _details_name(kind: str) -> str:
    for suffix in ("StateEntered", "StateExited"):
        if kind.endswith(suffix):
            return f"s{suffix[1:]}EventDetails"
    return f"{kind[0].lower()}{kind[1:]}EventDetails"


class Clock:
    """The time that an execution sees, and how it waits: tests replace it with their own."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def wait(self, seconds: float, stopped: threading.Event) -> None:
        """Return when the time is over, or once the execution was stopped."""
        stopped.wait(seconds)


@dataclass
class Run:
    """One execution while it runs. `context` holds the context object's Execution and StateMachine.

    `call` stands for everything that Task states call, where it is not what `integrations` knows.
    """

    record: Record
    context: Record
    history: History
    clock: Clock = field(default_factory=Clock)
    call: "Callable[[str, Any, Scope], Any] | None" = None
    stopped: threading.Event = field(default_factory=threading.Event)
    deadline: float | None = None
    role_arn: str = ""
    ended: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raises StoppedError once the execution was stopped, and States.Timeout past an own deadline."""
        if self.stopped.is_set():
            raise StoppedError
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise state_error(TIMEOUT, None)

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than the execution lasts."""
        if self.deadline is not None:
            seconds = min(seconds, max(0.0, self.deadline - time.monotonic()) + 0.001)
        self.clock.wait(max(0.0, seconds), self.stopped)
        self.check()

    def now_iso(self) -> str:
        """The time as the context object has it."""
        return datetime.fromtimestamp(self.clock.now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Scope:
    """Where a state is evaluated: its execution, its variables, and the context object's changing parts.

    A Task that waits after its call tells `submitted` what the call gave. `assigned` holds what the current state has
    assigned, as JSON; `variable_bytes` how large each variable is.
    """

    run: Run
    query_language: str
    variables: dict[str, Any]
    state: Record = field(default_factory=dict)
    extra: Record = field(default_factory=dict)
    entered_event_id: int = 0
    assigned: dict[str, str] = field(default_factory=dict)
    variable_bytes: dict[str, int] = field(default_factory=dict)
    submitted: "Callable[[Any], None]" = lambda output: None

    @property
    def context(self) -> Record:
        """The context object."""
        return {**self.run.context, "State": self.state, **self.extra}

    @property
    def name(self) -> str:
        """The current state's."""
        return str(self.state.get("Name", ""))

    def is_jsonata(self, state: State) -> bool:
        """Whether the state is written in JSONata."""
        return bool(state.get("QueryLanguage", self.query_language) == "JSONata")

    def inner(self, **extra: Any) -> "Scope":
        """A scope for a branch or an iteration: it reads these variables, its own do not escape."""
        return replace(
            self,
            variables=dict(self.variables),
            variable_bytes=dict(self.variable_bytes),
            assigned={},
            extra={**self.extra, **extra},
        )

    def failure(self, error: str, message: str, location: str = "") -> Exception:
        """An error of the state itself, in the words of Step Functions; one of evaluation has an event, too."""
        subject = f"the state '{self.name}' (entered at the event id #{self.entered_event_id})"
        cause = f"An error occurred while executing {subject}. {message}"
        if error == QUERY_EVALUATION:
            where = {"location": location} if location else {}
            self.run.history.add("EvaluationFailed", error=error, cause=cause, state=self.name, **where)
        return state_error(error, cause)


def check_size(text: str, state_name: str) -> None:
    """Raises States.DataLimitExceeded for a payload over 256 KiB of UTF-8."""
    if len(text) * 4 <= MAXIMUM_PAYLOAD_BYTES or len(text.encode()) <= MAXIMUM_PAYLOAD_BYTES:
        return
    raise result_too_large(state_name)


Handler = Callable[[State, Any, Scope], tuple[Any, str | None]]
