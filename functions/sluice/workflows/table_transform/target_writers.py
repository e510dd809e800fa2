"""What one item becomes in another table."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.aws.wire import Attempts
from sluice.dynamodb.items import Item, equal, item_size
from sluice.dynamodb.plain import Attributes
from sluice.dynamodb.table_writer import ITEM_REFUSALS
from sluice.dynamodb.writers import RejectedWrite, Writer
from sluice.errors import RejectError, ServiceUnavailableError, ThrottledError, WireError
from sluice.mapping.delete import Delete
from sluice.rejects import Reason
from sluice.run_item.rate_limiter import RateLimiter, Spending
from sluice.workflows.table_transform.change_sender import (
    Answer,
    Call,
    ChangeSender,
    Failure,
    Sending,
    Verdict,
    consumed,
)
from sluice.workflows.table_transform.changes import Removal, UpdateRequests, write_units
from sluice.workflows.table_transform.in_place_writer import refusal
from sluice.workflows.table_transform.slice_log import SKIPPED, UNCHANGED, Entry, ItemResult, Outcome, SliceLog
from sluice.workflows.table_transform.transforms import IntoTarget


@dataclass(frozen=True, slots=True)
class Puts:
    """The items that one becomes in another table."""

    items: Sequence[Item]

    def after(self) -> Any:
        """The item, all of several, or None."""
        items = [json.loads(each.body) for each in self.items]
        return items if len(items) > 1 else next(iter(items), None)

    def write_units(self) -> float:
        """What the puts take where nothing is replaced that is larger."""
        return sum(write_units(item_size(json.loads(each.body))) for each in self.items)


@dataclass(slots=True, eq=False)
class _Row:
    """One item of the source on its way. `skipped`: how many of its puts the target's own items were kept for."""

    entry: Entry
    puts: Puts
    spending: Spending
    skipped: int = 0
    rejected: RejectedWrite | None = None


class TargetWriter:
    """Its writes are settled at the end of each page. For one thread.

    `on_arrival` is called for each item that is in the target in full, or that need not be there: Puts of nothing.
    Without it that is all that becomes of an item.
    """

    pages_held = 0

    def __init__(
        self,
        writer: Writer,
        transform: IntoTarget,
        log: SliceLog,
        writes: RateLimiter,
        on_arrival: Callable[[Entry, Puts], None] | None = None,
    ) -> None:
        self._writer = writer
        self._transform = transform
        self._log = log
        self._writes = writes
        self._on_arrival = on_arrival
        self._rows: list[_Row] = []
        self._has_begun = False
        self._units_accounted = 0.0
        self.stopped_by: Failure | None = None

    @property
    def write_units(self) -> float:
        """What was spent."""
        return self._writer.outcome.write_units

    def take(self, entry: Entry) -> bool:
        """Put what the item becomes; False when the time is up before, or nothing is written any more.

        Raises TableNotFoundError, AccessDeniedError, UnexpectedResponseError, WireError.
        """
        try:
            items = self._transform(entry.item)
        except RejectError as error:
            self._log.reject(entry, error.reason, str(error))
            return True
        if isinstance(items, Delete):
            self._arrive(entry, Puts(()))
            return True
        if not items:
            self._log.settle(entry, UNCHANGED)
            return True
        return self._put(entry, Puts(items))

    def flush(self) -> None:
        """Return when what was taken is settled, unless nothing is written any more. Raises what `take` raises."""
        if self.stopped_by is not None:
            return
        try:
            self._writer.flush()
        except (ThrottledError, ServiceUnavailableError) as error:
            self.stopped_by = error
            return
        self._take_outcome()
        rows, self._rows = self._rows, []
        for row in rows:
            self._end(row)

    def close(self) -> None:
        """End the threads."""
        self._writer.close()

    def _put(self, entry: Entry, puts: Puts) -> bool:
        count = len(puts.items)
        spending = self._writes.before(count) if self._has_begun else self._writes.admit(count)
        if spending is None:
            return False
        self._has_begun = True
        row = _Row(entry, puts, spending)
        self._rows.append(row)
        try:
            for item in puts.items:
                self._writer.put(item, row)
        except (ThrottledError, ServiceUnavailableError) as error:
            self.stopped_by = error
            return False
        return True

    def _take_outcome(self) -> None:
        outcome = self._writer.outcome
        for refused in outcome.take_rejected():
            row: _Row = refused.origin
            row.rejected = row.rejected or refused
        for row in outcome.take_skipped():
            row.skipped += 1
        units = outcome.write_units - self._units_accounted
        self._units_accounted = outcome.write_units
        puts = sum(len(row.puts.items) for row in self._rows)
        for row in self._rows:
            row.spending.ended(units * len(row.puts.items) / puts)

    def _end(self, row: _Row) -> None:
        if row.rejected is not None:
            self._log.reject(row.entry, row.rejected.reason, row.rejected.message)
        elif row.skipped == len(row.puts.items) or (row.skipped and self._on_arrival):
            self._log.settle(row.entry, SKIPPED)
        else:
            self._arrive(row.entry, row.puts)

    def _arrive(self, entry: Entry, puts: Puts) -> None:
        if self._on_arrival:
            self._on_arrival(entry, puts)
        else:
            self._log.settle(entry, ItemResult(Outcome.CHANGED, puts))


class MovingWriter:
    """Its writes are settled at the end of each page. For one thread.

    Where a writer changes an item between its put and its deletion, the put is taken back, and the item moved anew.
    """

    pages_held = 0

    def __init__(
        self, writer: Writer, transform: IntoTarget, source: Sending, target: UpdateRequests, log: SliceLog
    ) -> None:
        self._transform = transform
        self._log = log
        self._puts = TargetWriter(writer, transform, log, source.writes, self._arrived)
        self._sender = ChangeSender(source, self._take)
        self._withdrawal = _Withdrawal(source.call, target)
        self._conflicts: list[Answer] = []

    @property
    def stopped_by(self) -> Failure | None:
        """Why nothing is written any more."""
        return self._puts.stopped_by or self._sender.stopped_by

    @property
    def write_units(self) -> float:
        """What was spent."""
        return self._puts.write_units + self._sender.write_units + self._withdrawal.write_units

    def take(self, entry: Entry) -> bool:
        """Put what the item becomes; False when the time is up before, or nothing is written any more.

        Raises TableNotFoundError, AccessDeniedError, UnexpectedResponseError, WireError.
        """
        return self._puts.take(entry)

    def flush(self) -> None:
        """Return when what was taken is settled, or nothing more can be done about it. Raises what `take` raises."""
        self._settle()
        while self._conflicts and self.stopped_by is None:
            conflicts, self._conflicts = self._conflicts, []
            for each in conflicts:
                self._settle_conflict(each)
            self._settle()

    def close(self) -> None:
        """End the threads."""
        self._puts.close()
        self._sender.close()

    def _settle(self) -> None:
        self._puts.flush()
        self._sender.drain()

    def _arrived(self, entry: Entry, puts: Puts) -> None:
        """Also when the time is up: until the next slice, the item could become another."""
        self._sender.send((entry, puts), Removal(entry.item), is_due=True)

    def _take(self, answer: Answer) -> None:
        entry, puts = answer.origin
        match answer.verdict:
            # Gone: another attempt at the slice may have moved it, so that the put must stay.
            case Verdict.DONE | Verdict.GONE | Verdict.LEFT:
                self._settle_moved(entry, puts)
            case Verdict.REFUSED:
                self._log.reject(entry, *refusal(answer.change, answer.error))
            case Verdict.CONFLICT | Verdict.ADDED_TO:
                self._conflicts.append(answer)

    def _settle_moved(self, entry: Entry, puts: Puts) -> None:
        self._log.settle(entry, ItemResult(Outcome.CHANGED if puts.items else Outcome.DELETED, puts))

    def _settle_conflict(self, answer: Answer) -> None:
        entry, puts = answer.origin
        if answer.verdict is Verdict.ADDED_TO and not self._goes_back(answer):
            return
        self._withdrawal.withdraw(puts)
        if self._log.conflict(entry, answer.item):
            self._puts.take(entry)

    def _goes_back(self, answer: Answer) -> bool:
        """An item was deleted as a writer added to it: it goes back, unless it becomes what it has become already."""
        entry, puts = answer.origin
        if _is_same(puts, self._becomes(answer.item)):
            self._settle_moved(entry, puts)
            return False
        problem = self._sender.put_back(answer.item)
        if problem is not None:
            entry.item = answer.item
            self._log.reject(entry, Reason.WRITE_CONFLICT, problem)
        return problem is None

    def _becomes(self, item: Attributes) -> list[Item] | None:
        """The items, none for the marker; None where the item is not moved at all."""
        try:
            items = self._transform(item)
        except RejectError:
            return None
        return [] if isinstance(items, Delete) else list(items) or None


class _Withdrawal:
    """Takes puts back that nobody has changed since."""

    def __init__(self, call: Call, requests: UpdateRequests) -> None:
        self._call = call
        self._requests = requests
        self.write_units = 0.0

    def withdraw(self, puts: Puts) -> None:
        """Delete the items from the target, where they are as they were put. Raises what the wire raises."""
        for put in puts.items:
            self._delete(json.loads(put.body))

    def _delete(self, item: Attributes) -> None:
        try:
            answer = self._call("DeleteItem", self._requests.delete(Removal(item)), Attempts())
        except WireError as error:
            if error.name == "ConditionalCheckFailedException" or error.name in ITEM_REFUSALS:
                return
            raise
        self.write_units += consumed(answer)
        deleted: Attributes = answer.get("Attributes", item)
        if deleted.keys() != item.keys():
            answer = self._call("UpdateItem", self._requests.restoration(deleted), Attempts())
            self.write_units += consumed(answer)


def _is_same(puts: Puts, items: list[Item] | None) -> bool:
    if items is None or len(items) != len(puts.items):
        return False
    pairs = zip(puts.items, items, strict=True)
    return all(equal(json.loads(one.body), json.loads(other.body)) for one, other in pairs)
