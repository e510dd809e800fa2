"""One slice of a range: rows to items to table, until the range ends or the time is up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sluice.dynamodb.items import Row, RowEncoder
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.writers import OnConflict, Write, Writer, WriteSpec
from sluice.errors import RejectError
from sluice.fields import Fields
from sluice.limits import REJECTS_MAX_BYTES
from sluice.mapping.row_identity import RowIdentity
from sluice.reading.record_scanner import Block
from sluice.reading.rows import REPEATED_HEADER, BadRow, JoinedRow, LineOf, as_record, no_lines, parse
from sluice.reading.source import Source
from sluice.rejects import Reject
from sluice.run_item.item import RunItem
from sluice.run_item.progress import WorkDone
from sluice.runs.counts import Counts
from sluice.runs.input import DRY_RUN
from sluice.runs.paths import Run
from sluice.runs.range_progress import RangeProgress
from sluice.runs.row_findings import RowFindings
from sluice.state import readable
from sluice.workflows.csv_load.ranges import Range
from sluice.workflows.csv_load.superseded import SupersededRows


@dataclass(frozen=True, slots=True)
class SliceRequest:
    """One slice of a range; `load` is what PlanLoad made of the run's input."""

    run: Run
    load: Mapping[str, Any]
    range: Range
    progress: RangeProgress

    @classmethod
    def from_event(cls, event: object) -> SliceRequest:
        """Read the function's payload. Raises InvalidInputError."""
        fields = Fields(event, ("run", "load", "range", "progress"))
        load, planned = readable(fields.raw("load"), "the run's plan"), Range.from_state(fields.raw("range"))
        progress = RangeProgress.from_state(fields.raw("progress")) if fields.has("progress") else planned.begin
        return cls(Run.from_state(fields.raw("run")), load, planned, progress)

    @property
    def source(self) -> Source:
        """What to read; of a range of several objects, what they have in common."""
        return Source.from_state(self.load["source"])

    @property
    def key_prefix(self) -> str:
        """What the keys of several objects have in common."""
        return self.load.get("keyPrefix") or ""

    @property
    def table(self) -> str:
        """Where to write."""
        name: str = self.load["table"]["name"]
        return name

    def identity(self, key: str) -> RowIdentity:
        """What tells the rows of an object from all others."""
        return RowIdentity(self.load.get("firstRun") or self.run.name, key)

    @property
    def schema(self) -> KeySchema:
        """The table's key."""
        return KeySchema.from_state(self.load["table"]["keys"])

    @property
    def write(self) -> WriteSpec:
        """How items are written."""
        load = self.load
        write = Write(load.get("write", Write.PUT))
        return WriteSpec(write, OnConflict(load["onConflict"]), must_exist=bool(load.get("mustExist")))

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing is written."""
        return bool(self.load.get("mode") == DRY_RUN)

    @property
    def rejects_key(self) -> str:
        """Where the slice's rejects go; a repeated slice overwrites its own."""
        return self.run.reject_part_key(self.range.index, self.progress.slices)

    @property
    def attempt_key(self) -> str:
        """The marker of the slice's first attempt."""
        return self.run.attempt_key(self.range.index, self.progress.slices)

    @property
    def files_key(self) -> str:
        """What the slice has done of each of several objects."""
        return self.run.files_part_key(self.range.index, self.progress.slices)

    @property
    def repeat_key(self) -> str:
        """The marker of further attempts at the slice."""
        return self.run.repeat_key(self.range.index, self.progress.slices)

    @property
    def sample_key(self) -> str:
        """Where a dry run's sample of items goes."""
        return self.run.sample_part_key(self.range.index, self.progress.slices)

    @property
    def outcome_key(self) -> str:
        """What the slice has come to."""
        return self.run.part_outcome_key(self.range.index, self.progress.slices)

    @property
    def may_have_rows(self) -> bool:
        """Whether an earlier run may have written rows of this slice, or still does."""
        return bool(self.load.get("resumed"))

    @property
    def course_key(self) -> str:
        """Where the slice's course goes."""
        return self.run.course_key(self.range.index, self.progress.slices)

    @property
    def run_item(self) -> RunItem:
        """What there is to know of the run's item."""
        return RunItem.from_plan(self.run.item_key, self.load)


# The clock is read once for so many rows, and for each row where units may have to be waited for.
ROWS_PER_CHECK = 64
ROWS_PER_CHECK_LIMITED = 1


@dataclass(slots=True, eq=False)
class Stretch:
    """Records of one object, the range's piece of that index, from `row` at `position` on; and what became of them.

    `file`: the object's key, where a range has several, for the rejects. `line_of`: the lines of records whose quotes
    are wrong. `joined`: rows that a stray quote may have joined.
    """

    source: Source
    encode: RowEncoder
    blocks: Iterable[Block]
    position: int
    row: int
    piece: int = 0
    file: str | None = None
    read: int = 0
    written: int = 0
    skipped: int = 0
    rejected: int = 0
    line_of: LineOf = no_lines
    repeated_headers: int = 0
    omitted: int = 0
    joined: list[int] = field(default_factory=list)

    @property
    def counts(self) -> Counts:
        """What became of the rows."""
        return Counts(self.read, self.written, self.skipped, self.rejected)

    def reject(self, number: int, row: Row, reason: str, message: str) -> Reject:
        """A row that cannot become an item."""
        return Reject(number, reason, message, as_record(row, self.source.header), file=self.file)

    def row_of(self, parsed: Row | BadRow, number: int) -> Row | Reject | None:
        """The row, or its reject; None for a repeated header, which is skipped."""
        if parsed is REPEATED_HEADER:
            self.repeated_headers += 1
            self.skipped += 1
            return None
        if isinstance(parsed, BadRow):
            return Reject(number, parsed.reason, parsed.message, parsed.record, parsed.byte_offset, self.file)
        if isinstance(parsed, JoinedRow):
            self.joined.append(number)
        return parsed

    def name_of(self, number: int) -> str:
        """A row, for messages."""
        return f"row {number} of {self.file}" if self.file else f"row {number}"


class RowOrigin(NamedTuple):
    """Where an item comes from: its row, and how many items that row became."""

    number: int
    row: Row
    items: int
    stretch: Stretch


@dataclass(frozen=True, slots=True)
class RangeSliceResult:
    """The range's progress after the slice, its rejects in the order of their rows, and what it did of each object.

    `files`: the index of a piece, and the counts of its rows.
    """

    progress: RangeProgress
    rejects: list[bytes]
    files: list[tuple[int, Counts]]

    def files_lines(self) -> bytes:
        """The files as JSON Lines: [piece, read, written, skipped, rejected]."""
        lines = ([piece, each.read, each.written, each.skipped, each.rejected] for piece, each in self.files)
        return b"".join(json.dumps(line).encode() + b"\n" for line in lines) or b"\n"


class RangeSlice:
    """One slice, from `progress` on.

    `superseded` counts superseded rows, where a later row replaces an earlier one. The time is looked at once for
    `rows_per_check` rows.
    """

    def __init__(
        self,
        progress: RangeProgress,
        writer: Writer,
        superseded: SupersededRows | None = None,
        rows_per_check: int = ROWS_PER_CHECK,
    ) -> None:
        self._before = progress
        self._writer = writer
        self._stretches: list[Stretch] = []
        self._bytes = 0
        self._items_skipped: Counter[tuple[int, int]] = Counter()
        self._rejects: dict[tuple[int, int], bytes] = {}
        self._reject_bytes = 0
        self._reasons: Counter[str] = Counter()
        self._first_reject: tuple[tuple[int, int], str] | None = None
        self._superseded = superseded
        self._rows_per_check = rows_per_check

    def run(self, stretches: Iterable[Stretch], is_time_up: Callable[[], bool]) -> RangeSliceResult:
        """Work through the stretches; at least `rows_per_check` rows are done however little time there is.

        Raises what the writer raises; a slice that raised is begun again from where it began.
        """
        done = True
        for stretch in stretches:
            self._stretches.append(stretch)
            if not self._work_through(stretch, is_time_up):
                done = False
                break
        self._writer.flush()
        self._take_outcome()
        rejects = [self._rejects[row] for row in sorted(self._rejects)]
        return RangeSliceResult(
            self._after(done=done), rejects, [(each.piece, each.counts) for each in self._stretches]
        )

    @property
    def work_done(self) -> WorkDone:
        """What the slice has done so far; while it works, a little less may have been written."""
        counts = self._counts()
        return WorkDone(
            read=counts.read,
            written=counts.written,
            skipped=counts.skipped,
            rejected=counts.rejected,
            write_units=self._writer.outcome.write_units,
            bytes=self._bytes,
        )

    def _counts(self) -> Counts:
        return sum((each.counts for each in [*self._stretches]), Counts())

    def _work_through(self, stretch: Stretch, is_time_up: Callable[[], bool]) -> bool:
        """Whether all of it is done; otherwise it stands where the next slice begins."""
        for block in stretch.blocks:
            finished = self._work(stretch, parse(block, stretch.source, stretch.line_of), is_time_up)
            if finished < block.rows:
                stretch.position = block.start + stretch.source.grammar.starts(block.data)[finished]
                return False
            self._bytes += block.end - stretch.position
            stretch.position = block.end
        return True

    def _work(self, stretch: Stretch, rows: list[Row | BadRow], is_time_up: Callable[[], bool]) -> int:
        """Carry rows to the writer; returns how many of them were, before the time was up."""
        for start in range(0, len(rows), self._rows_per_check):
            if (stretch.read or len(self._stretches) > 1) and (is_time_up() or self._is_full()):
                return start
            chunk = rows[start : start + self._rows_per_check]
            for number, row in enumerate(chunk, stretch.row):
                self._carry(stretch, number, row)
            stretch.row += len(chunk)
            stretch.read += len(chunk)
        return len(rows)

    def _carry(self, stretch: Stretch, number: int, parsed: Row | BadRow) -> None:
        # A csv's usual row is a list, which costs least to find out.
        row = parsed if type(parsed) is list else stretch.row_of(parsed, number)
        if row is None or isinstance(row, Reject):
            if row is not None:
                self._reject(stretch, row)
            return
        try:
            items = stretch.encode(row, number)
        except RejectError as error:
            self._reject(stretch, stretch.reject(number, row, error.reason, str(error)))
            return
        if not items:
            stretch.skipped += 1
            stretch.omitted += 1
            return
        stretch.written += 1
        if self._superseded is not None:
            self._superseded.take((stretch.piece, number), items)
        origin = RowOrigin(number, row, len(items), stretch)
        for item in items:
            self._writer.put(item, origin)

    def _is_full(self) -> bool:
        self._take_outcome()
        return self._reject_bytes > REJECTS_MAX_BYTES

    def _take_outcome(self) -> None:
        """Rows count as written until the writer says otherwise."""
        for refused in self._writer.outcome.take_rejected():
            origin: RowOrigin = refused.origin
            stretch = origin.stretch
            reject = stretch.reject(origin.number, origin.row, refused.reason, refused.message)
            stretch.written -= self._reject(stretch, reject)
            if self._superseded is not None:
                self._superseded.refuse((stretch.piece, origin.number))
        for origin in self._writer.outcome.take_skipped():
            stretch, row = origin.stretch, (origin.stretch.piece, origin.number)
            self._items_skipped[row] += 1
            if self._items_skipped[row] == origin.items:
                del self._items_skipped[row]
                stretch.written -= 1
                stretch.skipped += 1

    def _reject(self, stretch: Stretch, reject: Reject) -> bool:
        """Keep the row's first reject, however many of its items have one; returns whether this was it."""
        row = stretch.piece, reject.row
        if row in self._rejects:
            return False
        line = reject.to_line()
        self._rejects[row] = line
        self._reject_bytes += len(line)
        self._reasons[reject.reason] += 1
        stretch.rejected += 1
        if self._first_reject is None or row < self._first_reject[0]:
            self._first_reject = row, f"{stretch.name_of(reject.row)}: {reject.reason}: {reject.message}"
        return True

    @property
    def _found(self) -> RowFindings:
        joined = [each.name_of(number) for each in self._stretches for number in each.joined]
        return RowFindings(
            repeated_headers=sum(each.repeated_headers for each in self._stretches),
            joined_rows=len(joined),
            first_joined=next(iter(joined), None),
            first_reject=self._first_reject[1] if self._first_reject else None,
            omitted=sum(each.omitted for each in self._stretches),
        )

    def _after(self, *, done: bool) -> RangeProgress:
        before, last = self._before, self._stretches[-1] if self._stretches else None
        counts = self._counts().check(f"slice {before.slices}")
        return RangeProgress(
            position=last.position if last else before.position,
            row=last.row if last else before.row,
            slices=before.slices + 1,
            done=done,
            counts=before.counts + counts,
            write_units=before.write_units + self._writer.outcome.write_units,
            reject_slices=(*before.reject_slices, before.slices) if self._rejects else before.reject_slices,
            reasons=before.reasons + self._reasons,
            piece=last.piece if last else before.piece,
            rows_found=before.rows_found + self._found,
        )
