"""Some lines of any number, each as likely as any other: of the items that a slice changes, of all slices' samples."""

from __future__ import annotations

import json
import random
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.plain import Attributes
from sluice.rejects import Reason, RejectedItem
from sluice.run_item.progress import WorkDone
from sluice.runs.counts import Counts
from sluice.workflows.table_transform.progress import Changes, Done, TransformProgress
from sluice.workflows.table_transform.scan import ItemPage, StartKey

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

    def place(self) -> int | None:
        """Where the next line goes, None when it stays out."""
        self._offered += 1
        if len(self.lines) < self._size:
            return len(self.lines)
        place = int(self._random.random() * self._offered)
        return place if place < len(self.lines) else None

    def put(self, place: int, line: bytes) -> None:
        """Take a line in."""
        held = len(self.lines[place]) if place < len(self.lines) else 0
        if self._bytes - held + len(line) > self._max_bytes:
            return
        self._bytes += len(line) - held
        self.lines[place : place + 1] = [line]


def sample_line(key: Mapping[str, Any], before: Attributes, after: object) -> bytes:
    """One item that was changed; `after` is the item in DynamoDB JSON, several or None."""
    return json.dumps({"key": key, "before": before, "after": after}, ensure_ascii=False).encode() + b"\n"


# How often an item that another writer has changed is transformed again.
TRANSFORMED_AGAIN = 3


class Outcome(Enum):
    """SKIPPED: left alone, for another reason than that the transform leaves it as it is."""

    CHANGED = auto()
    DELETED = auto()
    UNCHANGED = auto()
    SKIPPED = auto()
    REJECTED = auto()


class Planned(Protocol):
    """What is to become of an item."""

    def after(self) -> object:
        """The item in DynamoDB JSON as it becomes, several, or None."""


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one item; `planned_units`: what that would take, in a dry run."""

    outcome: Outcome
    change: Planned | None = None
    planned_units: float = 0.0
    reason: str = ""
    message: str = ""


UNCHANGED = ItemResult(Outcome.UNCHANGED)
SKIPPED = ItemResult(Outcome.SKIPPED)


class Entry:
    """One item of the scan, or the end of a page. `conflicts`: how often another writer changed the item meanwhile."""

    __slots__ = ("conflicts", "item", "item_result", "page")

    def __init__(self, item: Attributes, page: ItemPage | None = None) -> None:
        self.item = item
        self.page = page
        self.item_result: ItemResult | None = None
        self.conflicts = 0


class SliceLog:
    """One slice's entries, from `progress` on."""

    def __init__(self, progress: TransformProgress, schema: KeySchema, sample: Sample, *, is_dry_run: bool) -> None:
        self._before = progress
        self._schema = schema
        self._sample = sample
        self._is_dry_run = is_dry_run
        self._open: deque[Entry] = deque()
        self._start_key = progress.start_key
        self._last: Attributes | None = None
        self._is_done = False
        self._outcomes: Counter[Outcome] = Counter()
        self._opened = self._scanned = self._in_page = 0
        self._planned_units = 0.0
        self._reasons: Counter[str] = Counter()
        self.settled = 0
        self.conflicts = 0
        self.reject_lines: list[bytes] = []
        self.reject_bytes = 0

    def open(self, item: Attributes) -> Entry:
        """The next item of the scan."""
        entry = Entry(item)
        self._open.append(entry)
        self._opened += 1
        return entry

    def end_page(self, page: ItemPage) -> None:
        """The page's items are all open, or settled."""
        entry = Entry({}, page)
        entry.item_result = SKIPPED
        self._open.append(entry)
        self._advance()

    def settle(self, entry: Entry, item_result: ItemResult) -> None:
        """The item's fate is known."""
        entry.item_result = item_result
        if self._open[0] is entry:
            self._advance()

    def conflict(self, entry: Entry, item: Attributes) -> bool:
        """Another writer changed the item to this; False when that has happened too often, which rejects it."""
        self.conflicts += 1
        entry.item = item
        if entry.conflicts == TRANSFORMED_AGAIN:
            problem = f"another writer changed the item each of {TRANSFORMED_AGAIN + 1} times that it was transformed"
            self.reject(entry, Reason.WRITE_CONFLICT, problem)
            return False
        entry.conflicts += 1
        return True

    def reject(self, entry: Entry, reason: str, message: str) -> None:
        """The item is rejected."""
        self.settle(entry, ItemResult(Outcome.REJECTED, reason=reason, message=message))

    @property
    def pages_open(self) -> int:
        """Pages that have come to their end, with items whose fate is not known."""
        return sum(each.page is not None for each in self._open)

    @property
    def sample_lines(self) -> bytes:
        """Some of the items that were changed, as JSON Lines."""
        return b"".join(self._sample.lines)

    def key(self, item: Attributes) -> dict[str, Any]:
        """The item's primary key in DynamoDB JSON."""
        return {each.name: item[each.name] for each in self._schema.attributes}

    def progress(self, read_units: float, write_units: float) -> TransformProgress:
        """The segment's progress after the slice, which has spent these units."""
        before = self._before
        done = before.done + self._done(read_units, write_units)
        return TransformProgress(
            start_key=self._next_start_key(),
            slices=before.slices + 1,
            is_done=self._is_done,
            done=done,
            reject_slices=(*before.reject_slices, before.slices) if self.reject_lines else before.reject_slices,
            sample_slices=(*before.sample_slices, before.slices) if self._sample.lines else before.sample_slices,
            is_interrupted=bool(self._open),
        )

    def work_done(self, read_units: float, write_units: float) -> WorkDone:
        """What the slice has done so far, for another thread: rows whose fate is known."""
        found = dict(self._outcomes)
        written = 0 if self._is_dry_run else found.get(Outcome.CHANGED, 0) + found.get(Outcome.DELETED, 0)
        read, rejected = sum(found.values()), found.get(Outcome.REJECTED, 0)
        return WorkDone(read, written, read - written - rejected, rejected, 0, read_units, write_units)

    def _done(self, read_units: float, write_units: float) -> Done:
        found = self._outcomes
        changed, deleted = found[Outcome.CHANGED], found[Outcome.DELETED]
        left = found[Outcome.UNCHANGED] + found[Outcome.SKIPPED]
        written = 0 if self._is_dry_run else changed + deleted
        return Done(
            counts=Counts(
                read=self._opened - sum(each.page is None for each in self._open),
                written=written,
                skipped=left + changed + deleted - written,
                rejected=found[Outcome.REJECTED],
            ).check("slice"),
            changes=Changes(changed, found[Outcome.UNCHANGED], deleted, self.conflicts),
            scanned=self._scanned + self._in_page,
            read_units=read_units,
            write_units=write_units,
            planned_write_units=self._planned_units,
            reasons=self._reasons,
        )

    def _next_start_key(self) -> StartKey | None:
        return self._start_key if self._last is None else self.key(self._last)

    def _advance(self) -> None:
        entries = self._open
        while entries and (item_result := entries[0].item_result) is not None:
            entry = entries.popleft()
            self.settled += 1
            if entry.page is None:
                self._take(entry.item, item_result)
            else:
                self._leave(entry.page)

    def _leave(self, page: ItemPage) -> None:
        self._scanned += page.scanned
        self._in_page, self._last = 0, None
        self._start_key = page.last_evaluated
        self._is_done = page.last_evaluated is None

    def _take(self, item: Attributes, item_result: ItemResult) -> None:
        self._last = item
        self._in_page += 1
        self._outcomes[item_result.outcome] += 1
        self._planned_units += item_result.planned_units
        if item_result.outcome is Outcome.REJECTED:
            line = RejectedItem(self.key(item), item_result.reason, item_result.message, item).to_line()
            self.reject_lines.append(line)
            self.reject_bytes += len(line)
            self._reasons[item_result.reason] += 1
        elif item_result.change is not None and (place := self._sample.place()) is not None:
            self._sample.put(place, sample_line(self.key(item), item, item_result.change.after()))
