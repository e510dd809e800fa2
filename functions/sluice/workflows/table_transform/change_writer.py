"""Makes the changes that the journal announces, and never undoes what another writer has written meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from sluice.dynamodb.items import equal
from sluice.dynamodb.plain import Attributes
from sluice.errors import RejectError
from sluice.rejects import Reason
from sluice.workflows.table_transform.announced import item_of
from sluice.workflows.table_transform.change_sender import Answer, ChangeResult, ChangeSender, Failure, Sending, Step
from sluice.workflows.table_transform.changes import Change, Removal, Side, Transfer, Update
from sluice.workflows.table_transform.put_stage import PutRow, PutStage
from sluice.workflows.table_transform.slice_log import SKIPPED, UNCHANGED, Entry, SliceLog, done

UNKNOWN_CHANGE = (
    "another writer changed the item, and whether before or after this run's change cannot be known: "
    "before and after are what the run announced, record is the item as it was found"
)
NOT_MOVED = (
    "another writer changed the source or its copy while the run was interrupted, and the item was left as it is: "
    "before and after are what the run announced, record is the item as it was found"
)

# The stage of a side; `is_repeat`: an item that is there already as it is put counts as put.
PutStages = Callable[[Side, bool, Callable[[PutRow], None]], PutStage]
# What becomes of an item that another writer has changed to this: None where it stays. Raises RejectError.
Again = Callable[[Entry, Attributes], Change | None]


class Conflict(NamedTuple):
    """Another writer changed the item to `item` before the run's change. `put` is what the run put by then."""

    entry: Entry
    item: Attributes
    put: Transfer | None


@dataclass(slots=True, eq=False)
class _Deletions:
    """The deletions of one entry: how many are not answered, and the answers."""

    entry: Entry
    transfer: Transfer
    open: int
    answers: list[Answer] = field(default_factory=list)


class ChangeWriter:
    """For one thread. `conflicts`: what is to be planned again. `again` is called only for items just deleted."""

    def __init__(
        self, sending: Sending, stages: PutStages, log: SliceLog, again: Again, *, put_always_repeats: bool
    ) -> None:
        self._log = log
        self._again = again
        self._sender = ChangeSender(sending, self._answered)
        self._make_stage = stages
        self._stages: dict[tuple[Side, bool], PutStage] = {}
        self._put_always_repeats = put_always_repeats
        self._has_begun = False
        self.conflicts: list[Conflict] = []
        self.void: list[bytes] = []

    @property
    def stopped_by(self) -> Failure | None:
        """DynamoDB's throttle or failure, after which nothing is settled any more."""
        stopped = (each.stopped_by for each in self._stages.values())
        return next((each for each in stopped if each), None) or self._sender.stopped_by

    @property
    def write_units(self) -> float:
        """What was spent."""
        return self._sender.write_units + sum(each.write_units for each in self._stages.values())

    def send(self, entry: Entry) -> bool:
        """Make the announced change; False when the time is up before, or nothing is written any more.

        The first change is made however little time there is. Raises TableNotFoundError, AccessDeniedError,
        UnexpectedResponseError, WireError.
        """
        entry.was_sent = self._send(entry)
        return entry.was_sent

    def _send(self, entry: Entry) -> bool:
        is_due, self._has_begun = not self._has_begun, True
        change = entry.change
        if isinstance(change, Update):
            return self._sender.send(entry, change, was_sent=entry.is_inherited, is_due=is_due)
        assert change is not None
        if not self._take_back(entry, change):
            return True
        if change.puts:
            return self._stage(change.puts_on, entry).put(entry, change, is_due=is_due)
        return self._delete(entry, change, is_due=is_due)

    def flush(self) -> None:
        """Return when what was sent is settled, or nothing more can be done about it. Raises what `send` raises."""
        for stage in list(self._stages.values()):
            stage.flush()
        self._sender.drain()

    @property
    def holds_puts(self) -> bool:
        """Whether puts are settled only when they are flushed."""
        return bool(self._stages)

    def close(self) -> None:
        """End the threads."""
        for stage in self._stages.values():
            stage.close()
        self._sender.close()

    def _stage(self, side: Side, entry: Entry) -> PutStage:
        is_repeat = self._put_always_repeats or entry.is_inherited
        if (side, is_repeat) not in self._stages:
            self._stages[side, is_repeat] = self._make_stage(side, is_repeat, self._put)
        return self._stages[side, is_repeat]

    def _take_back(self, entry: Entry, transfer: Transfer) -> bool:
        """Take back what was put of an earlier version of the item; False when the entry is settled with that."""
        took = [self._sender.take_back(item, transfer.puts_on) for item in transfer.withdrawn]
        if not all(took):
            self._log.reject(entry, Reason.WRITE_CONFLICT, "the item was put, and is too wide to be taken back")
            return False
        if entry.then is not None:
            self._log.settle(entry, entry.then)
            return False
        if not transfer.puts and not transfer.deletions:
            self._log.settle(entry, UNCHANGED)
            return False
        return True

    def _put(self, row: PutRow) -> None:
        """The puts of an item are settled."""
        entry, transfer = row.entry, row.transfer
        if row.skipped or row.refused:
            indexes = sorted({*row.skipped, *row.refused})
            self.void.append(json.dumps({"key": entry.key, "puts": indexes}).encode() + b"\n")
        if row.rejected is not None:
            self._log.reject(entry, row.rejected.reason, row.rejected.message)
        elif len(row.skipped) == len(transfer.puts) or (row.skipped and transfer.deletions):
            self._log.settle(entry, SKIPPED)
        elif transfer.deletions:
            self._delete(entry, transfer, is_due=True)
        else:
            self._log.settle(entry, done(transfer))

    def _delete(self, entry: Entry, transfer: Transfer, *, is_due: bool) -> bool:
        """After the puts also when the time is up: until the next slice, the item could become another."""
        deletions = _Deletions(entry, transfer, len(transfer.deletions))
        for item in transfer.deletions:
            step, side = Removal(item), transfer.deletes_on
            if not self._sender.send(deletions, step, side=side, was_sent=entry.is_inherited, is_due=is_due):
                return False
            is_due = True
        return True

    def _answered(self, answer: Answer) -> None:
        if isinstance(answer.origin, _Deletions):
            deletions = answer.origin
            deletions.open -= 1
            deletions.answers.append(answer)
            if not deletions.open:
                self._deleted(deletions)
        else:
            self._updated(answer.origin, answer)

    def _updated(self, entry: Entry, answer: Answer) -> None:
        assert entry.change is not None
        match answer.result:
            case ChangeResult.DONE:
                self._log.settle(entry, done(entry.change))
            case ChangeResult.MISSING | ChangeResult.LEFT:
                self._log.settle(entry, SKIPPED)
            case ChangeResult.REFUSED:
                self._log.reject(entry, *refusal(answer.change, answer.error))
            case ChangeResult.UNKNOWN:
                self._log.reject(entry, Reason.WRITE_CONFLICT, UNKNOWN_CHANGE, answer.item)
            case ChangeResult.CONFLICT:
                self.conflicts.append(Conflict(entry, answer.item, None))

    def _deleted(self, deletions: _Deletions) -> None:
        """All deletions of an item are answered."""
        entry, transfer = deletions.entry, deletions.transfer
        by_result = {each.result: each for each in deletions.answers}
        if ChangeResult.UNANSWERED in by_result:
            return
        if refused := by_result.get(ChangeResult.REFUSED):
            self._withdraw(transfer)
            self._log.reject(entry, *refusal(refused.change, refused.error))
        elif unknown := by_result.get(ChangeResult.UNKNOWN):
            self._log.reject(entry, Reason.WRITE_CONFLICT, NOT_MOVED if transfer.puts else UNKNOWN_CHANGE, unknown.item)
        elif added := by_result.get(ChangeResult.ADDED_TO):
            self._added_to(entry, transfer, added)
        elif conflict := by_result.get(ChangeResult.CONFLICT):
            self._conflict(entry, transfer, conflict, len(deletions.answers))
        elif transfer.puts or ChangeResult.DONE in by_result:
            # Gone: another attempt at the slice may have moved it, so that the put must stay.
            self._log.settle(entry, done(transfer))
        else:
            self._log.settle(entry, SKIPPED)

    def _conflict(self, entry: Entry, transfer: Transfer, answer: Answer, deletions: int) -> None:
        if deletions > 1:
            problem = "another writer changed one of the items in this moment; the others are deleted"
            self._log.reject(entry, Reason.WRITE_CONFLICT, problem, answer.item)
        else:
            self.conflicts.append(Conflict(entry, answer.item, transfer))

    def _added_to(self, entry: Entry, transfer: Transfer, answer: Answer) -> None:
        """An item was deleted as a writer added to it: it goes back, unless the same becomes of it as it is now."""
        is_known = not entry.is_inherited and len(transfer.deletions) == 1
        if is_known and self._same_becomes_of(entry, transfer, answer.item):
            self._log.settle(entry, done(transfer))
            return
        problem = self._sender.put_back(answer.item, transfer.deletes_on)
        if problem is not None:
            self._log.reject(entry, Reason.WRITE_CONFLICT, problem, answer.item)
        elif is_known:
            self.conflicts.append(Conflict(entry, answer.item, transfer))
        else:
            self._log.reject(entry, Reason.WRITE_CONFLICT, NOT_MOVED, answer.item)

    def _same_becomes_of(self, entry: Entry, transfer: Transfer, item: Attributes) -> bool:
        try:
            change = self._again(entry, item)
        except RejectError:
            return False
        if not isinstance(change, Transfer) or not change.deletions or len(change.puts) != len(transfer.puts):
            return False
        pairs = zip(change.puts, transfer.puts, strict=True)
        return all(equal(item_of(one), item_of(other)) for one, other in pairs)

    def _withdraw(self, transfer: Transfer) -> None:
        for put in transfer.puts:
            self._sender.take_back(item_of(put), transfer.puts_on)


def refusal(change: Step, error: object) -> tuple[Reason, str]:
    """Why the table does not take a change: Sluice's reason where it knows one, else DynamoDB's words."""
    try:
        change.write_units()
    except RejectError as too_large:
        return Reason(too_large.reason), str(too_large)
    return Reason.WRITE_REJECTED, str(error)


def is_already_made(transfer: Transfer, deleted: list[Attributes | None], put: list[Attributes | None]) -> bool:
    """Whether an interrupted move is made: nothing is left to be deleted, and all that it puts is there.

    `deleted`, `put`: the items as they are now, in the transfer's order. Raises RejectError when another writer
    changed either of them, so that nobody can know.
    """
    if all(_is(item, announced) for item, announced in zip(deleted, transfer.deletions, strict=True)):
        return False
    arrived = all(_is(item, item_of(each)) for item, each in zip(put, transfer.puts, strict=True))
    if arrived and not any(deleted):
        return True
    raise RejectError(Reason.WRITE_CONFLICT, NOT_MOVED)


def _is(item: Attributes | None, other: Attributes) -> bool:
    return item is not None and equal(item, other)
