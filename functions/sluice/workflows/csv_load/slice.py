"""One slice of a range: rows to items to table, until the range ends or the time is up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sluice.dynamodb.items import Row, RowEncoder
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.writers import OnConflict, Writer
from sluice.errors import RejectError
from sluice.fields import Fields
from sluice.limits import REJECTS_MAX_BYTES
from sluice.mapping.row_identity import RowIdentity
from sluice.reading.record_scanner import Block, Grammar
from sluice.reading.rows import BadRow
from sluice.reading.source import Source
from sluice.rejects import Reject
from sluice.run_item.item import RunItem
from sluice.run_item.progress import WorkDone
from sluice.runs.counts import Counts
from sluice.runs.paths import Run
from sluice.runs.range_progress import RangeProgress
from sluice.state import readable
from sluice.workflows.csv_load.plan import Range


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
        started = RangeProgress(position=planned.start, row=planned.first_row)
        progress = RangeProgress.from_state(fields.raw("progress")) if fields.has("progress") else started
        return cls(Run.from_state(fields.raw("run")), load, planned, progress)

    @property
    def source(self) -> Source:
        """What to read."""
        return Source.from_state(self.load["source"])

    @property
    def table(self) -> str:
        """Where to write."""
        name: str = self.load["table"]["name"]
        return name

    @property
    def identity(self) -> RowIdentity:
        """What tells the object's rows from all others."""
        return RowIdentity(self.load.get("firstRun") or self.run.name, self.source.key)

    @property
    def schema(self) -> KeySchema:
        """The table's key."""
        return KeySchema.from_state(self.load["table"]["keys"])

    @property
    def on_conflict(self) -> OnConflict:
        """What becomes of a row whose key the table holds already."""
        return OnConflict(self.load["onConflict"])

    @property
    def rejects_key(self) -> str:
        """Where the slice's rejects go; a repeated slice overwrites its own."""
        return self.run.reject_part_key(self.range.index, self.progress.slices)

    @property
    def attempt_key(self) -> str:
        """The marker of the slice's first attempt."""
        return self.run.attempt_key(self.range.index, self.progress.slices)

    @property
    def outcome_key(self) -> str:
        """What the slice has come to."""
        return self.run.part_outcome_key(self.range.index, self.progress.slices)

    @property
    def may_have_rows(self) -> bool:
        """Whether an earlier run may have written rows of this slice."""
        return bool(self.load.get("resumed")) and self.progress.slices == 0

    @property
    def course_key(self) -> str:
        """Where the slice's course goes."""
        return self.run.course_key(self.range.index, self.progress.slices)

    @property
    def run_item(self) -> RunItem:
        """What there is to know of the run's item."""
        return RunItem.from_plan(self.run.item_key, self.load)


# The clock is read once for so many rows.
ROWS_PER_CHECK = 64


class Origin(NamedTuple):
    """Where an item comes from: its row, and how many items that row became."""

    number: int
    row: Row
    items: int


@dataclass(frozen=True, slots=True)
class SliceResult:
    """The range's progress after the slice, and the slice's rejects in the order of their rows."""

    progress: RangeProgress
    rejects: list[bytes]


class RangeSlice:
    """One slice, from `progress` on. `header` names the values of a csv's rows in the rejects."""

    def __init__(
        self, progress: RangeProgress, encode: RowEncoder, writer: Writer, header: tuple[str, ...] | None
    ) -> None:
        self._before = progress
        self._encode = encode
        self._writer = writer
        self._header = header
        self._row = progress.row
        self._position = progress.position
        self._written = 0
        self._skipped = 0
        self._items_skipped: Counter[int] = Counter()
        self._rejects: dict[int, bytes] = {}
        self._reject_bytes = 0
        self._reasons: Counter[str] = Counter()

    def run(
        self,
        blocks: Iterable[Block],
        parse: Callable[[Block], list[Row | BadRow]],
        grammar: Grammar,
        is_time_up: Callable[[], bool],
    ) -> SliceResult:
        """Work through the blocks; at least ROWS_PER_CHECK rows are done however little time there is.

        Raises what the writer raises; a slice that raised is begun again from where it began.
        """
        done = True
        for block in blocks:
            finished = self._work(parse(block), is_time_up)
            if finished < block.rows:
                self._position = block.start + grammar.starts(block.data)[finished]
                done = False
                break
            self._position = block.end
        self._writer.flush()
        self._take_outcome()
        return SliceResult(self._after(done=done), [self._rejects[row] for row in sorted(self._rejects)])

    @property
    def work_done(self) -> WorkDone:
        """What the slice has done so far; while it works, a little less may have been written."""
        return WorkDone(
            read=self._row - self._before.row,
            written=self._written,
            skipped=self._skipped,
            rejected=len(self._rejects),
            write_units=self._writer.outcome.write_units,
            bytes=self._position - self._before.position,
        )

    def _work(self, rows: list[Row | BadRow], is_time_up: Callable[[], bool]) -> int:
        """Carry rows to the writer; returns how many of them were, before the time was up."""
        for start in range(0, len(rows), ROWS_PER_CHECK):
            if self._row > self._before.row and (is_time_up() or self._is_full()):
                return start
            chunk = rows[start : start + ROWS_PER_CHECK]
            for number, row in enumerate(chunk, self._row):
                self._carry(number, row)
            self._row += len(chunk)
        return len(rows)

    def _carry(self, number: int, row: Row | BadRow) -> None:
        if isinstance(row, BadRow):
            self._reject(Reject(number, row.reason, row.message, row.record, row.byte_offset))
            return
        try:
            items = self._encode(row, number)
        except RejectError as error:
            self._reject(Reject(number, error.reason, str(error), self._record(row)))
            return
        if not items:
            self._skipped += 1
            return
        self._written += 1
        origin = Origin(number, row, len(items))
        for item in items:
            self._writer.put(item, origin)

    def _is_full(self) -> bool:
        self._take_outcome()
        return self._reject_bytes > REJECTS_MAX_BYTES

    def _take_outcome(self) -> None:
        """Rows count as written until the writer says otherwise."""
        for refused in self._writer.outcome.take_rejected():
            origin: Origin = refused.origin
            is_first = self._reject(Reject(origin.number, refused.reason, refused.message, self._record(origin.row)))
            self._written -= is_first
        for origin in self._writer.outcome.take_skipped():
            self._items_skipped[origin.number] += 1
            if self._items_skipped[origin.number] == origin.items:
                del self._items_skipped[origin.number]
                self._written -= 1
                self._skipped += 1

    def _reject(self, reject: Reject) -> bool:
        """Keep the row's first reject, however many of its items have one; returns whether this was it."""
        if reject.row in self._rejects:
            return False
        line = reject.to_line()
        self._rejects[reject.row] = line
        self._reject_bytes += len(line)
        self._reasons[reject.reason] += 1
        return True

    def _record(self, row: Row) -> object:
        return row if self._header is None or isinstance(row, dict) else dict(zip(self._header, row, strict=True))

    def _after(self, *, done: bool) -> RangeProgress:
        before = self._before
        read = self._row - before.row
        counts = Counts(read, self._written, self._skipped, len(self._rejects)).check(
            f"rows {before.row} to {self._row}"
        )
        return RangeProgress(
            position=self._position,
            row=self._row,
            slices=before.slices + 1,
            done=done,
            counts=before.counts + counts,
            write_units=before.write_units + self._writer.outcome.write_units,
            reject_slices=(*before.reject_slices, before.slices) if self._rejects else before.reject_slices,
            reasons=before.reasons + self._reasons,
        )
