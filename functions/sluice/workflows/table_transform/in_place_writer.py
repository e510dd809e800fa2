"""Changes items in their place, and never what another writer has written meanwhile."""

from __future__ import annotations

from sluice.errors import RejectError
from sluice.rejects import Reason
from sluice.workflows.table_transform.change_sender import Answer, ChangeSender, Failure, Sending, Verdict
from sluice.workflows.table_transform.changes import Change, Removal
from sluice.workflows.table_transform.slice_log import SKIPPED, UNCHANGED, Entry, ItemResult, Outcome, SliceLog
from sluice.workflows.table_transform.transforms import InPlace


class InPlaceWriter:
    """Transforms and changes one item after the other. For one thread, the only one that calls the transform."""

    pages_held = 1

    def __init__(self, sending: Sending, transform: InPlace, log: SliceLog) -> None:
        self._transform = transform
        self._log = log
        self._sender = ChangeSender(sending, self._take)
        self._conflicts: list[Answer] = []

    @property
    def stopped_by(self) -> Failure | None:
        """Why nothing is written any more."""
        return self._sender.stopped_by

    @property
    def write_units(self) -> float:
        """What was spent."""
        return self._sender.write_units

    def take(self, entry: Entry) -> bool:
        """Change the item, if it is to be changed; False when the time is up before.

        Raises TableNotFoundError, AccessDeniedError, UnexpectedResponseError, WireError.
        """
        return self._carry(entry) and self._settle_conflicts()

    def flush(self) -> None:
        """Return when what was taken is settled, or nothing more can be done about it. Raises what `take` raises."""
        self._sender.drain()
        while self._conflicts and self._settle_conflicts():
            self._sender.drain()

    def close(self) -> None:
        """End the threads."""
        self._sender.close()

    def _carry(self, entry: Entry) -> bool:
        try:
            change = self._transform(entry.item)
        except RejectError as error:
            self._log.reject(entry, error.reason, str(error))
            return True
        if change is None:
            self._log.settle(entry, UNCHANGED)
            return True
        return self._sender.send(entry, change)

    def _take(self, answer: Answer) -> None:
        entry = answer.origin
        match answer.verdict:
            case Verdict.DONE:
                self._log.settle(entry, item_result_of(answer.change))
            case Verdict.GONE | Verdict.LEFT:
                self._log.settle(entry, SKIPPED)
            case Verdict.REFUSED:
                self._log.reject(entry, *refusal(answer.change, answer.error))
            case Verdict.CONFLICT | Verdict.ADDED_TO:
                self._conflicts.append(answer)

    def _settle_conflicts(self) -> bool:
        conflicts, self._conflicts = self._conflicts, []
        settled = [self._settle_conflict(each) for each in conflicts]
        return all(settled)

    def _settle_conflict(self, answer: Answer) -> bool:
        entry: Entry = answer.origin
        if answer.verdict is Verdict.ADDED_TO and not self._goes_back(entry, answer):
            return True
        return self._carry(entry) if self._log.conflict(entry, answer.item) else True

    def _goes_back(self, entry: Entry, answer: Answer) -> bool:
        """An item was deleted as a writer added to it: it goes back, unless it were deleted as it is, too."""
        try:
            is_deleted = isinstance(self._transform(answer.item), Removal)
        except RejectError:
            is_deleted = False
        if is_deleted:
            self._log.settle(entry, item_result_of(answer.change))
            return False
        problem = self._sender.put_back(answer.item)
        if problem is not None:
            entry.item = answer.item
            self._log.reject(entry, Reason.WRITE_CONFLICT, problem)
        return problem is None


def item_result_of(change: Change, planned_units: float = 0.0) -> ItemResult:
    """The fate of an item with which that was done."""
    return ItemResult(Outcome.DELETED if isinstance(change, Removal) else Outcome.CHANGED, change, planned_units)


def refusal(change: Change, error: object) -> tuple[Reason, str]:
    """Why the table does not take a change: Sluice's reason where it knows one, else DynamoDB's words."""
    try:
        change.write_units()
    except RejectError as too_large:
        return Reason(too_large.reason), str(too_large)
    return Reason.WRITE_REJECTED, str(error)
