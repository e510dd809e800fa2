"""One slice of a segment: what earlier ones left, then page after page of items, until the segment or the time ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import Protocol

from sluice.dynamodb.plain import Attributes
from sluice.errors import RejectError
from sluice.limits import REJECTS_MAX_BYTES
from sluice.rejects import Reason
from sluice.workflows.table_transform.announced import item_of
from sluice.workflows.table_transform.batches import Batch, Planner, announced_line, close_batch, foresee, left_line
from sluice.workflows.table_transform.change_writer import ChangeWriter, Conflict
from sluice.workflows.table_transform.changes import Change, Transfer
from sluice.workflows.table_transform.journal import EntryKind, JournalEntry, SliceJournal
from sluice.workflows.table_transform.progress import StartKey, TransformProgress, Unsettled
from sluice.workflows.table_transform.replay import Replay
from sluice.workflows.table_transform.scan import Item, ItemPage
from sluice.workflows.table_transform.slice_log import (
    TRANSFORMED_AGAIN,
    UNCHANGED,
    Entry,
    ItemResult,
    Outcome,
    SliceLog,
)

# The clock is read once for so many items.
ITEMS_PER_CHECK = 64
# A slice that is tried again reads its journal: this bounds how much that is.
SLICE_PAGES_MAX = 500
# The first and the last entry of its journal, and the segment's cursor.
PUTS_PER_SLICE = 3


class ItemSource(Protocol):
    """Where items come from, page by page; `entry` is an item's path through the slice, `position` the key after it."""

    def first(self) -> ItemPage: ...

    def prepare(self, start_key: StartKey | None) -> None: ...

    def next(self) -> ItemPage | None: ...

    def end(self) -> float: ...

    def entry(self, item: Item) -> Entry: ...

    def position(self, item: Item) -> StartKey: ...


@dataclass(frozen=True, slots=True)
class SegmentSliceResult:
    """The segment's progress after the slice, and what the slice leaves as JSON Lines.

    `left`: changes that were announced and not settled. `void`: puts that other writers' items were kept for.
    """

    progress: TransformProgress
    rejects: bytes
    sample: bytes
    left: Sequence[bytes] = ()
    void: bytes = b""


@dataclass(frozen=True, slots=True)
class SliceParts:
    """What a slice works with. `name`: the run's; `executor` writes journal entries while others' changes are sent.

    `open_source` opens the source at the position where the scan continues.
    """

    name: str
    progress: TransformProgress
    open_source: Callable[[StartKey | None], ItemSource]
    planner: Planner
    log: SliceLog
    executor: Executor


class BatchReader:
    """Reads pages into batches, from where the log has come."""

    def __init__(self, parts: SliceParts) -> None:
        self._source = parts.open_source(parts.log.start_key)
        self._planner = parts.planner
        self._batch = Batch(parts.log.start_key)
        self._has_begun = False
        self._units = 0.0

    def read(self, take: Callable[[Batch], bool], is_over: Callable[[], bool]) -> Batch:
        """Hand over batches that are full, or end with their page, until `take` returns False or the segment ends.

        Returns the last batch, which has not been handed over. One item at least is read, or an empty page.
        Raises what the wire raises.
        """
        page: ItemPage | None = self._source.first()
        while page is not None and self._read_page(page, take, is_over):
            if page.last_evaluated is None or is_over():
                break
            page = self._source.next()
        return self._batch

    def end(self) -> float:
        """The read units of pages that are in no batch: one may have been read ahead for nothing."""
        return self._source.end() - self._units

    def _read_page(self, page: ItemPage, take: Callable[[Batch], bool], is_over: Callable[[], bool]) -> bool:
        """Plan the page's items; False when that ended before they did."""
        self._source.prepare(page.last_evaluated)
        self._batch.read_units += page.units
        self._units += page.units
        for number, item in enumerate(page.items):
            if number % ITEMS_PER_CHECK == 0 and self._has_begun and is_over():
                return False
            self._has_begun = True
            if self._batch.is_full and not self._hand_over(take):
                return False
            self._planner.take(self._batch, self._source.entry(item))
            self._batch.passed(self._source.position(item))
            # The next page is in flight: an item that needs no change is held no longer than it takes to see that.
            page.items[number] = None
        self._batch.end_page(page, len(page.items))
        return not self._batch.changes or self._hand_over(take)

    def _hand_over(self, take: Callable[[Batch], bool]) -> bool:
        batch, self._batch = self._batch, self._batch.following()
        return take(batch)


class DrySlice:
    """Foresees what would become of items, and writes nothing."""

    def __init__(self, parts: SliceParts) -> None:
        self._parts = parts

    def run(self, is_time_up: Callable[[], bool]) -> SegmentSliceResult:
        """Work through pages; an item at least, or an empty page, is done however little time there is."""
        log = self._parts.log

        def take(batch: Batch) -> bool:
            foresee(batch, log)
            return True

        def is_over() -> bool:
            return is_time_up() or log.reject_bytes > REJECTS_MAX_BYTES

        batches = BatchReader(self._parts)
        foresee(batches.read(take, is_over), log)
        log.plan_puts(PUTS_PER_SLICE)
        progress = log.progress(batches.end(), 0.0)
        return SegmentSliceResult(progress, b"".join(log.reject_lines), log.sample_lines)


class AppliedSlice:
    """Announces changes in the journal, then makes them. For one thread."""

    def __init__(self, parts: SliceParts, replay: Replay, writer: ChangeWriter, journal: SliceJournal) -> None:
        self._parts = parts
        self._log = parts.log
        self._planner = parts.planner
        self._replay = replay
        self._writer = writer
        self._journal = journal
        self._coming: tuple[Batch, Future[JournalEntry]] | None = None
        self._ready: Batch | None = None

    def run(self, is_time_up: Callable[[], bool]) -> SegmentSliceResult:
        """Settle what is left, then work through pages; one item at least is settled however little time there is.

        Raises what the wire raises; a slice that raised is begun again from where it began. When DynamoDB throttles or
        fails after an item was settled, that is the slice's end: what was done stays done.
        """
        self._is_time_up = is_time_up
        read_units = 0.0
        if self._settle_left() and not self._log.is_scan_ended:
            batches = BatchReader(self._parts)
            self._end(batches.read(self._announce, self._is_over))
            read_units = batches.end()
        self._flush()
        stopped_by = self._writer.stopped_by
        if stopped_by is not None and not self._log.settled:
            raise stopped_by
        return self._result(read_units)

    def _result(self, read_units: float) -> SegmentSliceResult:
        left, number = list(self._log.unsettled), self._journal.next_number
        own = [Unsettled(self._parts.name, self._parts.progress.slices, number, number + 1)] if left else []
        log, late_until = self._log, self._journal.late_until
        progress = log.progress(read_units, self._writer.write_units, own + self._replay.rest, late_until)
        lines = [left_line(each, is_first_attempt=self._journal.is_first_attempt) for each in left]
        return SegmentSliceResult(
            progress, b"".join(log.reject_lines), log.sample_lines, lines, b"".join(self._writer.void)
        )

    def _settle_left(self) -> bool:
        """Make what was announced before; False when the time is up before."""
        for entries in self._replay.pages():
            if not self._send(entries):
                return False
            self._flush()
            if self._replay.rest and self._is_over():
                return False
        return not self._log.unsettled and not self._is_over_after_work()

    def _is_over_after_work(self) -> bool:
        return bool(self._log.settled) and self._is_over()

    def _is_over(self) -> bool:
        return (
            self._is_time_up()
            or self._writer.stopped_by is not None
            or self._log.reject_bytes > REJECTS_MAX_BYTES
            or self._journal.pages >= SLICE_PAGES_MAX
        )

    def _announce(self, batch: Batch) -> bool:
        """Write the batch to the journal, while the changes of the one before are made; False when the time is up."""
        ready = self._take_ready()
        lines = batch.lines
        future = self._parts.executor.submit(lambda: self._journal.append(EntryKind.PAGE, batch.head, b"".join(lines)))
        self._coming = batch, future
        return self._make(ready)

    def _end(self, rest: Batch) -> None:
        """The batch that is not full, and the one before it."""
        is_going_on = True
        if rest.changes:
            is_going_on = self._announce(rest)
        else:
            is_going_on = self._make(self._take_ready())
            close_batch(rest, self._log)
        ready = self._take_ready()
        if is_going_on:
            self._make(ready)

    def _take_ready(self) -> Batch | None:
        """The batch whose entry in the journal is written, and whose changes are not made."""
        self._await()
        ready, self._ready = self._ready, None
        return ready

    def _await(self) -> None:
        if self._coming is None:
            return
        (batch, future), self._coming = self._coming, None
        future.result()
        for entry in batch.changes:
            self._log.announced(entry)
        close_batch(batch, self._log)
        self._ready = batch

    def _make(self, batch: Batch | None) -> bool:
        if batch is None:
            return True
        is_going_on = self._send(batch.changes)
        if self._writer.holds_puts:
            self._writer.flush()
        self._settle_conflicts()
        return is_going_on

    def _send(self, entries: Sequence[Entry]) -> bool:
        return all(self._writer.send(each) for each in entries)

    def _flush(self) -> None:
        self._writer.flush()
        while self._writer.conflicts and self._writer.stopped_by is None:
            self._settle_conflicts()
            self._writer.flush()

    def _settle_conflicts(self) -> None:
        """Plan again what others have changed, announce that, and make it."""
        if self._writer.stopped_by is not None:
            return
        conflicts, self._writer.conflicts = self._writer.conflicts, []
        again = [entry for each in conflicts if (entry := self._plan_again(each)) is not None]
        if not again:
            return
        self._await()
        self._journal.append(EntryKind.AGAIN, {}, b"".join(map(announced_line, again)))
        self._send(again)

    def _plan_again(self, conflict: Conflict) -> Entry | None:
        """The entry with its new change; None when nothing is to be done."""
        entry, put = conflict.entry, conflict.put
        self._log.conflicts += 1
        entry.item = conflict.item
        result, change = self._changed_again(entry, conflict)
        withdrawn = _withdrawn(put, change)
        if change is None and not withdrawn:
            self._log.settle(entry, result)
            return None
        entry.conflicts += 1
        if withdrawn:
            entry.then = result if change is None else None
            change = _with_withdrawn(put, change, withdrawn)
        entry.change, entry.was_sent = change, False
        return entry

    def _changed_again(self, entry: Entry, conflict: Conflict) -> tuple[ItemResult, Change | None]:
        if entry.conflicts == TRANSFORMED_AGAIN:
            problem = f"another writer changed the item each of {TRANSFORMED_AGAIN + 1} times that it was transformed"
            return ItemResult(Outcome.REJECTED, reason=Reason.WRITE_CONFLICT, message=problem), None
        try:
            return UNCHANGED, self._planner.change(entry, conflict.item)
        except RejectError as error:
            return ItemResult(Outcome.REJECTED, reason=error.reason, message=str(error)), None


def _withdrawn(put: Transfer | None, change: Change | None) -> list[Attributes]:
    """Items that were put and are not put again as they are."""
    if put is None:
        return []
    kept = {each.body for each in change.puts} if isinstance(change, Transfer) else set()
    return [item_of(each) for each in put.puts if each.body not in kept]


def _with_withdrawn(put: Transfer | None, change: Change | None, withdrawn: Sequence[Attributes]) -> Transfer:
    if isinstance(change, Transfer):
        return replace(change, withdrawn=withdrawn)
    assert put is not None
    return Transfer(puts_on=put.puts_on, withdrawn=withdrawn)
