"""What a slice came to: counts, rejects, a sample of what it changed, and the changes that it did not settle."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from sluice.dynamodb.plain import Attributes
from sluice.rejects import Reason, RejectedItem
from sluice.run_item.progress import WorkDone
from sluice.runs.counts import Counts
from sluice.workflows.table_transform.changes import Change, Transfer, Update
from sluice.workflows.table_transform.progress import Changes, Done, StartKey, TransformProgress, Unsettled

# A slice holds no more than this; a line that does not fit is left out.
SAMPLE_MAX_BYTES = 16 << 20


class Sample:
    """Up to `size` lines. `seed`: the same lines in the same order give the same sample."""

    def __init__(self, size: int, seed: str, max_bytes: int = SAMPLE_MAX_BYTES) -> None:
        self._size = size
        self._max_bytes = max_bytes
        self._random = random.Random(seed)  # noqa: S311 - nothing is to be kept secret
        self._bytes = 0
        self._offered = 0
        self.lines: list[bytes] = []

    def slot(self) -> int | None:
        """The index of the next line, None when it stays out."""
        self._offered += 1
        if len(self.lines) < self._size:
            return len(self.lines)
        slot = int(self._random.random() * self._offered)
        return slot if slot < len(self.lines) else None

    def put(self, slot: int, line: bytes) -> None:
        """Take a line in."""
        held = len(self.lines[slot]) if slot < len(self.lines) else 0
        if self._bytes - held + len(line) > self._max_bytes:
            return
        self._bytes += len(line) - held
        self.lines[slot : slot + 1] = [line]


def sample_line(key: Mapping[str, Any], before: Attributes, after: object) -> bytes:
    """One item that was changed; `after` is the item in DynamoDB JSON, several or None."""
    return json.dumps({"key": key, "before": before, "after": after}, ensure_ascii=False).encode() + b"\n"


# How often an item that another writer has changed is transformed again.
TRANSFORMED_AGAIN = 3


class Outcome(Enum):
    """SKIPPED: not changed, for another reason than that the transform returned it unchanged."""

    CHANGED = auto()
    DELETED = auto()
    UNCHANGED = auto()
    SKIPPED = auto()
    REJECTED = auto()


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one item. `planned_units`: what its change would take, in a dry run."""

    outcome: Outcome
    change: Change | None = None
    planned_units: float = 0.0
    reason: str = ""
    message: str = ""
    found: Attributes | None = None


UNCHANGED = ItemResult(Outcome.UNCHANGED)
SKIPPED = ItemResult(Outcome.SKIPPED)


def done(change: Change, planned_units: float = 0.0) -> ItemResult:
    """The change is made."""
    is_deletion = isinstance(change, Transfer) and not change.puts
    return ItemResult(Outcome.DELETED if is_deletion else Outcome.CHANGED, change, planned_units)


class Entry:
    """One item of the run. `item`: as it was read, or as far as the journal tells. `line`: what an undo takes back.

    `is_inherited`: an earlier attempt or slice may have made the change; `was_sent`: this one may have. `then`: what
    becomes of the item when its change only takes something back. `conflicts`: how often another writer changed the
    item meanwhile.
    """

    __slots__ = ("change", "conflicts", "is_inherited", "item", "key", "line", "then", "was_sent")

    def __init__(self, key: Attributes, item: Attributes, line: Any = None) -> None:
        self.key = key
        self.item = item
        self.line = line
        self.change: Change | None = None
        self.is_inherited = self.was_sent = False
        self.then: ItemResult | None = None
        self.conflicts = 0


@dataclass(frozen=True, slots=True)
class PageTally:
    """What a page had beside the changes that it announces. `start_key`: where the scan continues after it."""

    unchanged: int
    scanned: int
    read_units: float
    start_key: StartKey | None
    is_scan_ended: bool


class SliceLog:
    """One slice's items, after those of `progress`. For one thread."""

    def __init__(self, progress: TransformProgress, sample: Sample, *, is_dry_run: bool) -> None:
        self._before = progress
        self._sample = sample
        self._is_dry_run = is_dry_run
        self.start_key = progress.start_key
        self.is_scan_ended = progress.is_scan_ended
        self._outcomes: Counter[Outcome] = Counter()
        self._scanned = 0
        self._read_units = self._planned_units = 0.0
        self._planned_puts = 0
        self._reasons: Counter[str] = Counter()
        self.unsettled: dict[Entry, None] = {}
        self.settled = 0
        self.conflicts = 0
        self.reject_lines: list[bytes] = []
        self.reject_bytes = 0

    def page(self, tally: PageTally) -> None:
        """The items of a page are announced, or need not be."""
        self._outcomes[Outcome.UNCHANGED] += tally.unchanged
        self.settled += tally.unchanged
        self.start_key, self.is_scan_ended = tally.start_key, tally.is_scan_ended
        self._scanned += tally.scanned
        self._read_units += tally.read_units

    def announced(self, entry: Entry) -> None:
        """The change of the item is in the journal."""
        self.unsettled[entry] = None

    def settle(self, entry: Entry, result: ItemResult) -> None:
        """It is known what became of the item."""
        self.unsettled.pop(entry, None)
        self.settled += 1
        self._outcomes[result.outcome] += 1
        self._planned_units += result.planned_units
        if result.outcome is Outcome.REJECTED:
            self._take_reject(_reject_line(entry, result), result.reason)
        elif result.change is not None:
            self._take_sample(entry, result.change)

    def reject(self, entry: Entry, reason: str, message: str, found: Attributes | None = None) -> None:
        """The item is rejected. `found`: the item as another writer left it."""
        self.settle(entry, ItemResult(Outcome.REJECTED, reason=reason, message=message, found=found))

    def plan_puts(self, puts: int) -> None:
        """Applying would write so many objects."""
        self._planned_puts += puts

    @property
    def sample_lines(self) -> bytes:
        """Some of the items that were changed, as JSON Lines."""
        return b"".join(self._sample.lines)

    def progress(
        self, read_units: float, write_units: float, unsettled: Sequence[Unsettled] = (), late_until: int = 0
    ) -> TransformProgress:
        """The segment's progress after the slice, which has spent these units beside those that pages tell of."""
        before = self._before
        return TransformProgress(
            start_key=self.start_key,
            is_scan_ended=self.is_scan_ended,
            slices=before.slices + 1,
            is_done=self.is_scan_ended and not unsettled,
            done=before.done + self._done(read_units, write_units),
            reject_slices=(*before.reject_slices, before.slices) if self.reject_lines else before.reject_slices,
            sample_slices=(*before.sample_slices, before.slices) if self._sample.lines else before.sample_slices,
            unsettled=tuple(unsettled),
            late_until=max(before.late_until, late_until),
        )

    def work_done(self, write_units: float) -> WorkDone:
        """What the slice has done so far, for another thread: rows that are settled."""
        found = dict(self._outcomes)
        written = 0 if self._is_dry_run else found.get(Outcome.CHANGED, 0) + found.get(Outcome.DELETED, 0)
        read, rejected = sum(found.values()), found.get(Outcome.REJECTED, 0)
        return WorkDone(read, written, read - written - rejected, rejected, 0, self._read_units, write_units)

    def _done(self, read_units: float, write_units: float) -> Done:
        found = self._outcomes
        changed, deleted = found[Outcome.CHANGED], found[Outcome.DELETED]
        left = found[Outcome.UNCHANGED] + found[Outcome.SKIPPED]
        written = 0 if self._is_dry_run else changed + deleted
        return Done(
            counts=Counts(
                read=self.settled,
                written=written,
                skipped=left + changed + deleted - written,
                rejected=found[Outcome.REJECTED],
            ).check("slice"),
            changes=Changes(changed, found[Outcome.UNCHANGED], deleted, self.conflicts),
            scanned=self._scanned,
            read_units=self._read_units + read_units,
            write_units=write_units,
            planned_write_units=self._planned_units,
            planned_puts=self._planned_puts,
            reasons=self._reasons,
        )

    def _take_reject(self, line: bytes, reason: str) -> None:
        self.reject_lines.append(line)
        self.reject_bytes += len(line)
        self._reasons[reason] += 1

    def _take_sample(self, entry: Entry, change: Change) -> None:
        if (slot := self._sample.slot()) is not None:
            after = change.after()
            self._sample.put(slot, sample_line(entry.key, entry.item, after))


def _reject_line(entry: Entry, result: ItemResult) -> bytes:
    """The line of a rejected item; a conflict has what was announced, and the item as it is now."""
    if result.reason != Reason.WRITE_CONFLICT or result.found is None:
        record = entry.item if result.found is None else result.found
        return RejectedItem(entry.key, result.reason, result.message, record).to_line()
    images = {"before": entry.item, "after": entry.change.after() if entry.change else None}
    line = {"error": result.reason, "message": result.message, "key": entry.key, "record": result.found, **images}
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def announced_before(change: Change) -> Attributes:
    """The item before its change, as far as the change tells."""
    if isinstance(change, Update):
        return change.before
    return change.deletions[0] if change.deletions else {}
