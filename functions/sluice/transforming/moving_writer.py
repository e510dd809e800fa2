"""Moves items into another table: each is deleted only when it has arrived there, as it was read."""

from __future__ import annotations

import json

from sluice.encoding.item import Item
from sluice.encoding.plain_values import Attributes
from sluice.errors import RejectError, WireError
from sluice.rejects import Reason
from sluice.transforming.change_sender import Answer, Call, ChangeSender, Failure, Sending, Verdict, consumed
from sluice.transforming.changes import Removal
from sluice.transforming.delete import Delete
from sluice.transforming.in_place_writer import refusal
from sluice.transforming.ledger import Entry, Fate, Ledger, Outcome
from sluice.transforming.puts import Puts
from sluice.transforming.target_transforms import IntoTarget
from sluice.transforming.target_writer import TargetWriter
from sluice.transforming.update_requests import UpdateRequests
from sluice.writing.stored_items import equal
from sluice.writing.table_writer import ITEM_REFUSALS
from sluice.writing.wire import Attempts
from sluice.writing.writers import Writer


class MovingWriter:
    """Its writes are settled at the end of each page. For one thread.

    Where a writer changes an item between its put and its deletion, the put is taken back, and the item moved anew.
    """

    pages_held = 0

    def __init__(
        self, writer: Writer, transform: IntoTarget, source: Sending, target: UpdateRequests, ledger: Ledger
    ) -> None:
        self._transform = transform
        self._ledger = ledger
        self._puts = TargetWriter(writer, transform, ledger, source.writes, self._arrived)
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
                self._ledger.reject(entry, *refusal(answer.change, answer.error))
            case Verdict.CONFLICT | Verdict.ADDED_TO:
                self._conflicts.append(answer)

    def _settle_moved(self, entry: Entry, puts: Puts) -> None:
        self._ledger.settle(entry, Fate(Outcome.CHANGED if puts.items else Outcome.DELETED, puts))

    def _settle_conflict(self, answer: Answer) -> None:
        entry, puts = answer.origin
        if answer.verdict is Verdict.ADDED_TO and not self._goes_back(answer):
            return
        self._withdrawal.withdraw(puts)
        if self._ledger.conflict(entry, answer.item):
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
            self._ledger.reject(entry, Reason.WRITE_CONFLICT, problem)
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
