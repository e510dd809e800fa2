"""Sends conditional changes of items, several at a time, and finds out what became of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, NamedTuple

from sluice.aws.in_flight import InFlight
from sluice.aws.wire import Attempts
from sluice.dynamodb.items import comparable, failed_write_units
from sluice.dynamodb.plain import Attributes
from sluice.dynamodb.table_writer import ITEM_REFUSALS
from sluice.errors import RejectError, ServiceUnavailableError, SluiceError, ThrottledError, WireError
from sluice.run_item.rate_limiter import RateLimiter, Spending
from sluice.workflows.table_transform.changes import Removal, Side, Update
from sluice.workflows.table_transform.requests import ChangeBodies

# At 5 to 10 ms a request this is as much as one vCPU can prepare.
CHANGES_IN_FLIGHT = 32

# The wire's: operation, body, and what it took to get the answer.
Call = Callable[[str, bytes, Attempts], dict[str, Any]]
Failure = ThrottledError | ServiceUnavailableError


class ChangeResult(Enum):
    """What became of a change.

    DONE: it is made, by this request or by an earlier one. ADDED_TO: the item was deleted, with attributes that it did
    not have when it was read. CONFLICT: attributes that the change is about have other values now. UNKNOWN: likewise,
    but the change may have been made before. LEFT: they have not, but the run's filter leaves the item out now.
    MISSING: the item no longer exists. REFUSED: the table does not take it. UNANSWERED: DynamoDB throttled, or failed.
    """

    DONE = auto()
    UNKNOWN = auto()
    ADDED_TO = auto()
    CONFLICT = auto()
    LEFT = auto()
    MISSING = auto()
    REFUSED = auto()
    UNANSWERED = auto()


Step = Update | Removal


class Answer(NamedTuple):
    """`origin` is what came with the change to `send`; `item`: as it is now, or as it was deleted; empty when gone."""

    origin: Any
    change: Step
    result: ChangeResult
    units: float = 0.0
    item: Attributes = MappingProxyType({})
    error: Failure | WireError | None = None


@dataclass(frozen=True, slots=True)
class Sending:
    """Where changes go, what they may take, and how many at a time."""

    call: Call
    requests: Mapping[Side, ChangeBodies]
    writes: RateLimiter
    threads: int = CHANGES_IN_FLIGHT


class _Task(NamedTuple):
    origin: Any
    change: Step
    side: Side
    was_sent: bool
    spending: Spending


class ChangeSender:
    """For one thread, in which `on_answer` is called; requests go out in others.

    `stopped_by`: DynamoDB's throttle or failure, after which nothing is sent any more.
    """

    def __init__(self, sending: Sending, on_answer: Callable[[Answer], None]) -> None:
        self._call = sending.call
        self._requests = sending.requests
        self._writes = sending.writes
        self._on_answer = on_answer
        threads = sending.threads
        self._in_flight: InFlight[_Task, tuple[_Task, Answer]] = InFlight(
            lambda task: (task, self._send(task)), self._answered, threads=threads, held=2 * threads - 1
        )
        self._has_begun = False
        self.stopped_by: Failure | None = None
        self.write_units = 0.0

    def send(
        self, origin: Any, change: Step, *, side: Side = Side.TABLE, was_sent: bool = False, is_due: bool = False
    ) -> bool:
        """Send when the run's rate admits it; False when the time is up before.

        The first change, and one that is due, are sent even then. `was_sent`: another request may have made the change
        before. Raises TableNotFoundError, AccessDeniedError, UnexpectedResponseError, WireError, also for changes
        before.
        """
        is_due = is_due or not self._has_begun
        spending = self._writes.admit(1) if is_due else self._writes.before(1)
        if spending is None:
            return False
        self._has_begun = True
        self._in_flight.submit(_Task(origin, change, side, was_sent, spending), keys=())
        return True

    def drain(self) -> None:
        """Return when all is answered. Raises what `send` raises."""
        self._in_flight.drain()

    def put_back(self, item: Attributes, side: Side = Side.TABLE) -> str | None:
        """Put an item back that should not have been deleted, under what was written since; returns what prevents it.

        Nothing else holds the item: whatever goes wrong, it must not be lost.
        """
        try:
            answer = self._call("UpdateItem", self._requests[side].restoration(item), Attempts())
        except SluiceError as error:
            return f"deleted while another writer added to it, and not to be put back: {error}"
        self.write_units += consumed(answer)
        return None

    def take_back(self, item: Attributes, side: Side) -> bool:
        """Delete an item that the run put, unless another writer changed it; False when it is too wide for that.

        Raises what the wire raises.
        """
        try:
            answer = self._call("DeleteItem", self._requests[side].delete(Removal(item)), Attempts())
        except RejectError:
            return False
        except WireError as error:
            if error.name == "ConditionalCheckFailedException":
                return True
            if error.name in ITEM_REFUSALS:
                return False
            raise
        self.write_units += consumed(answer)
        deleted: Attributes = answer.get("Attributes", item)
        if deleted.keys() != item.keys():
            self.put_back(deleted, side)
        return True

    def close(self) -> None:
        """End the threads."""
        self._in_flight.close()

    def _answered(self, ended: tuple[_Task, Answer]) -> None:
        task, answer = ended
        self.write_units += answer.units
        task.spending.ended(answer.units)
        self._on_answer(answer)

    def _send(self, task: _Task) -> Answer:
        """In a thread of its own."""
        origin, change, side, *_ = task
        if self.stopped_by is not None:
            return Answer(origin, change, ChangeResult.UNANSWERED, error=self.stopped_by)
        attempts = Attempts()
        try:
            if isinstance(change, Update):
                answer = self._call("UpdateItem", self._requests[side].update(change), attempts)
            else:
                answer = self._call("DeleteItem", self._requests[side].delete(change), attempts)
        except (ThrottledError, ServiceUnavailableError) as error:
            self.stopped_by = error
            return Answer(origin, change, ChangeResult.UNANSWERED, error=error)
        except WireError as error:
            return self._refused(task, error, attempts)
        # The condition says nothing of attributes that were added.
        deleted: Attributes = answer.get("Attributes", change.before)
        result = ChangeResult.DONE if deleted.keys() == change.before.keys() else ChangeResult.ADDED_TO
        return Answer(origin, change, result, consumed(answer), deleted)

    def _refused(self, task: _Task, error: WireError, attempts: Attempts) -> Answer:
        origin, change, side, was_sent, _ = task
        if error.name == "ConditionalCheckFailedException":
            item: Attributes = error.details.get("Item") or {}
            # The answer does not tell what the refused write cost: at most the item that is there.
            units = float(failed_write_units(change.before, item))
            is_filtered = self._requests[side].is_filtered
            result = _result_of(change, item, is_filtered=is_filtered, was_sent=was_sent or attempts.may_have_run)
            return Answer(origin, change, result, units, item)
        if error.name in ITEM_REFUSALS:
            return Answer(origin, change, ChangeResult.REFUSED, error=error)
        raise error


def consumed(answer: Mapping[str, Any]) -> float:
    """The capacity units of an answer."""
    units: float = answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)
    return units


def _result_of(change: Step, item: Attributes, *, is_filtered: bool, was_sent: bool) -> ChangeResult:
    """Why the condition did not hold. `was_sent`: an earlier request may have made the change."""
    if isinstance(change, Removal):
        return _removal_result(change, item, is_filtered=is_filtered, was_sent=was_sent)
    if not item:
        return ChangeResult.UNKNOWN if was_sent else ChangeResult.MISSING
    if was_sent and agree(change.after(), item, change.names):
        return ChangeResult.DONE
    if is_filtered and agree(change.before, item, change.names):
        return ChangeResult.LEFT
    return ChangeResult.UNKNOWN if was_sent else ChangeResult.CONFLICT


def _removal_result(change: Removal, item: Attributes, *, is_filtered: bool, was_sent: bool) -> ChangeResult:
    if not item:
        return ChangeResult.DONE if was_sent else ChangeResult.MISSING
    if is_filtered and agree(change.before, item, change.before):
        return ChangeResult.LEFT
    return ChangeResult.UNKNOWN if was_sent else ChangeResult.CONFLICT


def agree(one: Attributes, other: Attributes, names: Iterable[str]) -> bool:
    """Whether each of these attributes has the same value in both items, or is in neither."""
    return all(_value(one, name) == _value(other, name) for name in names)


def _value(item: Attributes, name: str) -> object:
    return comparable(item[name]) if name in item else None
