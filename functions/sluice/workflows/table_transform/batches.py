"""Items to be recorded in the journal: what is to become of each, in pages of up to a megabyte."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from sluice.dynamodb.plain import Attributes
from sluice.errors import RejectError
from sluice.rejects import RejectedItem
from sluice.runs.columns_found import ColumnsFound
from sluice.workflows.table_transform.announced import Schemas, change_of, line_of
from sluice.workflows.table_transform.changes import Change
from sluice.workflows.table_transform.checks import Checks
from sluice.workflows.table_transform.journal import JournalEntry
from sluice.workflows.table_transform.progress import StartKey
from sluice.workflows.table_transform.scan import ItemPage
from sluice.workflows.table_transform.slice_log import (
    Entry,
    ItemResult,
    Outcome,
    PageTally,
    SliceLog,
    announced_before,
    done,
)

JOURNAL_PAGE_BYTES = 1 << 20


class Plan(Protocol):
    """What is to become of items. `columns`: which of the attributes that it takes the items so far have had."""

    @property
    def columns(self) -> ColumnsFound: ...

    def __call__(self, entry: Entry, item: Attributes, /) -> Change | None:
        """The change of an item as it is now: None where it stays as it is. Raises RejectError."""


class Batch:
    """The items of one entry of the journal: changes, rejects, and how many stay as they are.

    `start_key`: where the scan continues after the batch.
    """

    def __init__(self, start_key: StartKey | None) -> None:
        self.start_key = start_key
        self.is_scan_ended = False
        self.changes: list[Entry] = []
        self.rejects: list[tuple[Entry, RejectError]] = []
        self.lines: list[bytes] = []
        self.bytes = 0
        self.unchanged = 0
        self.scanned = 0
        self.read_units = 0.0

    @property
    def tally(self) -> PageTally:
        """What the batch has beside its changes and rejects."""
        return PageTally(self.unchanged, self.scanned, self.read_units, self.start_key, self.is_scan_ended)

    @property
    def head(self) -> dict[str, Any]:
        """The head of its entry of the journal."""
        return {
            "unchanged": self.unchanged,
            "scanned": self.scanned,
            "readUnits": self.read_units,
            "startKey": self.start_key,
            "scanEnded": self.is_scan_ended,
        }

    @property
    def is_full(self) -> bool:
        """Whether its entry has its size."""
        return self.bytes >= JOURNAL_PAGE_BYTES

    def passed(self, position: StartKey) -> None:
        """One more item of the page is in the batch, after which the scan continues at `position`."""
        self.start_key = position
        self.scanned += 1

    def end_page(self, page: ItemPage, passed: int) -> None:
        """All items of a page are in batches, `passed` of them counted; a filter may have left others out."""
        self.start_key = page.last_evaluated
        self.is_scan_ended = page.last_evaluated is None
        self.scanned += page.scanned - passed

    def following(self) -> Batch:
        """An empty batch after this one."""
        batch = Batch(self.start_key)
        batch.is_scan_ended = self.is_scan_ended
        return batch

    def take_change(self, entry: Entry, change: Change) -> None:
        """The item changes."""
        entry.change = change
        self.changes.append(entry)
        self._add(line_of(change, entry.key))

    def take_reject(self, entry: Entry, error: RejectError) -> None:
        """The item is rejected before anything is written."""
        self.rejects.append((entry, error))
        self._add(RejectedItem(entry.key, error.reason, str(error), entry.item).to_line())

    def _add(self, line: bytes) -> None:
        self.lines.append(line)
        self.bytes += len(line)


class Planner:
    """Finds out what becomes of items. For one thread, the only one that calls the transform."""

    def __init__(self, plan: Plan, checks: Checks) -> None:
        self._plan = plan
        self._checks = checks

    def take(self, batch: Batch, entry: Entry) -> None:
        """Add the item to the batch."""
        try:
            change = self.change(entry, entry.item)
        except RejectError as error:
            batch.take_reject(entry, error)
            return
        if change is None:
            batch.unchanged += 1
        else:
            batch.take_change(entry, change)

    def change(self, entry: Entry, item: Attributes) -> Change | None:
        """What becomes of the item as it is now. Raises RejectError, also for what DynamoDB would not take."""
        change = self._plan(entry, item)
        if change is not None:
            self._checks.check(change)
        return change


def foresee(batch: Batch, log: SliceLog) -> None:
    """Note what would become of the batch's items, instead of doing it."""
    if batch.changes:
        log.plan_puts(1)
    for entry in batch.changes:
        assert entry.change is not None
        try:
            log.settle(entry, done(entry.change, entry.change.write_units()))
        except RejectError as error:
            log.reject(entry, error.reason, str(error))
    close_batch(batch, log)


def close_batch(batch: Batch, log: SliceLog) -> None:
    """Count what the batch has beside its changes."""
    for entry, error in batch.rejects:
        log.reject(entry, error.reason, str(error))
    log.page(batch.tally)


def tally_of(head: Mapping[str, Any]) -> PageTally:
    """What a page of the journal had beside its changes and rejects."""
    return PageTally(head["unchanged"], head["scanned"], head["readUnits"], head["startKey"], head["scanEnded"])


def announced_entries(page: JournalEntry, schemas: Schemas) -> Iterator[Entry]:
    """The changes that an entry of a journal announces, as another attempt or slice finds them."""
    return (entry_of(line, schemas) for line in page.lines if "error" not in line)


def rejected_entries(page: JournalEntry) -> Iterator[tuple[Entry, RejectError]]:
    """The items that a page of the journal rejects."""
    for line in page.lines:
        if "error" in line:
            yield Entry(line["key"], line["record"]), RejectError(line["error"], line["message"])


def entry_of(line: Mapping[str, Any], schemas: Schemas) -> Entry:
    """An announced change, which may have been made unless its line says that it was never sent."""
    change = change_of(line, schemas)
    entry = Entry(line["key"], announced_before(change))
    entry.change, entry.is_inherited = change, line.get("sent", True)
    if then := line.get("then"):
        entry.then = ItemResult(Outcome[then["outcome"]], reason=then["reason"], message=then["message"])
    return entry


def line_with(line: bytes, **fields: object) -> bytes:
    """A line of a journal with more fields."""
    more = json.dumps(fields).encode().removeprefix(b"{")
    return line.removesuffix(b"}\n") + b"," + more + b"\n"


def announced_line(entry: Entry) -> bytes:
    """The line of a change, with what becomes of the item where the change only takes something back."""
    assert entry.change is not None
    line, then = line_of(entry.change, entry.key), entry.then
    if then is None:
        return line
    return line_with(line, then={"outcome": then.outcome.name, "reason": then.reason, "message": then.message})


def left_line(entry: Entry, *, is_first_attempt: bool) -> bytes:
    """The line of a change that a slice leaves to the next one; whether it was sent is known only to the first."""
    is_unsent = is_first_attempt and not (entry.was_sent or entry.is_inherited)
    line = announced_line(entry)
    return line_with(line, sent=False) if is_unsent else line
