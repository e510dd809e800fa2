"""One slice of a batch: object after object, until the batch ends, the time is up, or the groups are many."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from sluice.errors import AccessDeniedError, SourceMalformedError
from sluice.limits import REJECTS_MAX_BYTES
from sluice.reading.object_gets import ObjectGets
from sluice.reading.object_reads import UNREADABLE, WHOLE_MAX_BYTES, ObjectRead, ObjectReads, Unreadable
from sluice.reading.record_scanner import BLOCK_BYTES
from sluice.reading.source import Source
from sluice.run_item.progress import WorkDone
from sluice.runs.attempts import leave_parts
from sluice.runs.counts import Counts
from sluice.workflows.object_aggregate.clean_rows import clean_rows_for
from sluice.workflows.object_aggregate.engines import ColumnEngine
from sluice.workflows.object_aggregate.object_records import (
    CleanRowsOf,
    ObjectRecords,
    PendingObject,
    RecordPiece,
)
from sluice.workflows.object_aggregate.progress import BatchObject, BatchProgress, BatchRequest
from sluice.workflows.object_aggregate.row_rules import columns_of
from sluice.workflows.object_aggregate.tally import ColumnTally, Tally

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# Reads sources ahead, and yields them in their order.
Read = Callable[[Sequence[Source]], Iterable[ObjectRead | Unreadable]]


@dataclass(frozen=True, slots=True)
class SliceBounds:
    """What bounds a slice's memory.

    `numbers_max`: it ends early rather than hold more of them, one for each group and each of its measures.
    `whole_max_bytes`: larger objects are read block by block. `together_bytes`: small ones are read together.
    """

    numbers_max: int = 400_000
    whole_max_bytes: int = WHOLE_MAX_BYTES
    together_bytes: int = 256 << 10
    block_bytes: int = BLOCK_BYTES


class Engine(Protocol):
    """What tallies pieces."""

    def tally(self, pieces: Sequence[RecordPiece], into: Tally) -> None:
        """Add the rows of all pieces."""


@dataclass(frozen=True, slots=True)
class BatchSliceResult:
    """The batch's progress after the slice, the tally of whole objects, and that of a pending object."""

    progress: BatchProgress
    tally: Tally
    unreadable: bytes
    pending: Tally | None
    number: int

    @property
    def pending_number(self) -> int:
        """The pending object's part comes after the whole objects'."""
        return self.number + 1


class BatchSlice:
    """One slice, from the request's progress on."""

    def __init__(
        self,
        request: BatchRequest,
        engine: Engine,
        clean_rows_of: CleanRowsOf,
        bounds: SliceBounds,
    ) -> None:
        self._aggregation = aggregation = request.aggregation
        self._all = request.objects
        self._before = before = request.progress
        self._engine = engine
        self._records = ObjectRecords(columns_of(aggregation), clean_rows_of, bounds.block_bytes)
        self._bounds = bounds
        self._progress = replace(before, position=None, pending_slices=())
        self._next_object = before.next_object
        self._earlier = PendingObject.from_state(before.position)
        self._tally = self._new_tally()
        self._pending: Tally | None = None
        self._waiting: list[tuple[BatchObject, ObjectRead]] = []
        self._waiting_bytes = 0
        self._unreadable: list[bytes] = []
        self._answered = 0
        self._denied: AccessDeniedError | None = None

    def run(self, read: Read, is_time_up: Callable[[], bool]) -> BatchSliceResult:
        """Work through the objects; a block of records at least is done however little time there is.

        Raises AccessDeniedError when no object may be read, and what reading raises that is not about one object.
        """
        planned = [(each, self._planned(each)) for each in self._all[self._next_object :]]
        reads = iter(read([source for _, source in planned if isinstance(source, Source)]))
        for each, source in planned:
            if self._next_object > self._before.next_object and self._is_over(is_time_up):
                break
            if not self._take(each, source, reads, is_time_up):
                break
            self._next_object += 1
        self._tally_waiting()
        if self._denied and not self._answered and not self._before.objects.written:
            raise self._denied
        return self._result()

    @property
    def work_done(self) -> WorkDone:
        """What the slice has done so far, in objects and bytes of theirs."""
        objects, before = self._progress.objects, self._before
        return WorkDone(
            read=objects.read - before.objects.read,
            written=objects.written - before.objects.written,
            skipped=objects.skipped - before.objects.skipped,
            rejected=objects.rejected - before.objects.rejected,
            bytes=self._progress.bytes - before.bytes,
        )

    def _planned(self, each: BatchObject) -> Source | SourceMalformedError | None:
        """What is to be read; None where nothing is."""
        if each.is_skipped(self._aggregation.suffix) or not each.size:
            return None
        try:
            return each.source(self._aggregation)
        except SourceMalformedError as error:
            return error

    def _take(
        self,
        each: BatchObject,
        source: Source | SourceMalformedError | None,
        reads: Iterator[ObjectRead | Unreadable],
        is_time_up: Callable[[], bool],
    ) -> bool:
        """Tally an object, now or together with others; False when its end was not reached."""
        if source is None:
            is_skipped = each.is_skipped(self._aggregation.suffix)
            self._count(Counts(read=1, skipped=1) if is_skipped else Counts(read=1, written=1))
            return True
        found = next(reads) if isinstance(source, Source) else source
        if isinstance(found, ObjectRead) and found.data is not None and not self._earlier.position:
            self._waiting.append((each, found))
            self._waiting_bytes += len(found.data)
            if self._waiting_bytes >= self._bounds.together_bytes:
                self._tally_waiting()
            return True
        self._tally_waiting()
        return self._attempt(each, lambda: self._read_apart(found, is_time_up))

    def _attempt(self, each: BatchObject, read: Callable[[], bool]) -> bool:
        """Read an object, and note when it cannot be; False when its end was not reached."""
        try:
            if not read():
                return False
        except UNREADABLE as error:
            self._refuse(each, error)
        else:
            self._answered += 1
            self._count(Counts(read=1, written=1), each.size)
        self._earlier = PendingObject()
        return True

    def _tally_waiting(self) -> None:
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        by_head: dict[bytes, list[tuple[BatchObject, ObjectRead]]] = {}
        for each, found in waiting:
            data = found.data or b""
            by_head.setdefault(data[: data.find(b"\n") + 1], []).append((each, found))
        for head, alike in by_head.items():
            self._tally_alike(head, alike)

    def _tally_alike(self, head: bytes, alike: Sequence[tuple[BatchObject, ObjectRead]]) -> None:
        """Tally whole objects with the same header together, if all of them are clean."""
        source = alike[0][1].source
        bodies = [part for _, each in alike for part in _body(each, head)]
        piece = self._records.together(source, head, bodies) if source.header is None else None
        if piece is None:
            for each, found in alike:
                self._attempt(each, lambda found=found: self._read_whole(found))  # type: ignore[misc]
            return
        self._engine.tally([piece], self._tally)
        self._answered += len(alike)
        self._count(Counts(read=len(alike), written=len(alike)), sum(each.size for each, _ in alike))

    def _read_whole(self, found: ObjectRead) -> bool:
        # Only once all of it could be read do its rows count.
        self._engine.tally(list(self._records.pieces(found.open_at, found.source, None)), self._tally)
        return True

    def _read_apart(self, found: ObjectRead | Unreadable, is_time_up: Callable[[], bool]) -> bool:
        """Tally an object whose end may prove unreadable, or too far for this slice."""
        if not isinstance(found, ObjectRead):
            raise found
        apart = self._new_tally()
        for piece in self._records.pieces(found.open_at, found.source, self._earlier.position):
            self._engine.tally([piece], apart)
            if self._is_over(is_time_up, apart):
                self._pending = apart
                self._earlier = self._earlier.after(piece.end, apart, self._before.slices + 1)
                return False
        self._tally.merge(apart)
        earlier, progress = self._earlier, self._progress
        self._progress = replace(
            progress,
            part_slices=(*progress.part_slices, *self._before.pending_slices)
            if earlier.position
            else progress.part_slices,
            reject_slices=(*progress.reject_slices, *earlier.reject_slices),
            rows=progress.rows + earlier.rows,
            reasons=progress.reasons + earlier.reasons,
            columns=progress.columns + earlier.columns,
        )
        return True

    def _refuse(self, each: BatchObject, error: Unreadable) -> None:
        line = {"key": each.key, "error": type(error).__name__, "message": str(error)}
        self._unreadable.append(json.dumps(line).encode() + b"\n")
        if isinstance(error, AccessDeniedError):
            self._denied = error
        else:
            self._answered += 1
        self._count(Counts(read=1, rejected=1))

    def _count(self, counts: Counts, size: int = 0) -> None:
        progress = self._progress
        self._progress = replace(progress, objects=progress.objects + counts, bytes=progress.bytes + size)

    def _is_over(self, is_time_up: Callable[[], bool], apart: Tally | None = None) -> bool:
        tallies = [self._tally, apart] if apart else [self._tally]
        numbers = sum(len(each.groups) for each in tallies) * (1 + len(self._aggregation.measures))
        reject_bytes = sum(each.reject_bytes for each in tallies)
        return numbers > self._bounds.numbers_max or reject_bytes > REJECTS_MAX_BYTES or is_time_up()

    def _new_tally(self) -> Tally:
        return Tally(len(self._aggregation.measures))

    def _result(self) -> BatchSliceResult:
        before, tally, number = self._before, self._tally, self._before.slices
        progress, next_object = self._progress, self._next_object
        pending_slices = before.pending_slices if before.next_object == next_object else ()
        if self._pending and self._pending.groups:
            pending_slices = (*pending_slices, number + 1)
        return BatchSliceResult(
            replace(
                progress,
                done=next_object == len(self._all),
                slices=number + (2 if self._pending else 1),
                next_object=next_object,
                position=self._earlier.to_state(),
                pending_slices=pending_slices,
                part_slices=(*progress.part_slices, number) if tally.groups else progress.part_slices,
                reject_slices=(*progress.reject_slices, number) if tally.rejects else progress.reject_slices,
                unreadable_slices=(*progress.unreadable_slices, number)
                if self._unreadable
                else progress.unreadable_slices,
                rows=progress.rows + tally.rows,
                reasons=progress.reasons + tally.reasons,
                columns=progress.columns + tally.columns,
            ),
            tally,
            b"".join(self._unreadable),
            self._pending,
            number,
        )


def _body(found: ObjectRead, head: bytes) -> list[bytes | memoryview]:
    """The bytes after those, to be joined: the last line has its newline."""
    data = found.data or b""
    return [memoryview(data)[len(head) :], b"" if data.endswith(b"\n") else b"\n"]


BOUNDS = SliceBounds()


def work(
    s3: S3Client,
    gets: ObjectGets,
    data_bucket: str,
    request: BatchRequest,
    is_time_up: Callable[[], bool],
    *,
    bounds: SliceBounds = BOUNDS,
    watch: Callable[[Callable[[], WorkDone]], None] = lambda _: None,
) -> dict[str, Any]:
    """Do the slice. Returns the progress of the batch, which is that of the first attempt to end.

    `watch` learns what tells how much is done.

    Raises AccessDeniedError, ServiceUnavailableError.
    """
    aggregation, progress = request.aggregation, request.progress
    # Shared by both: each text is parsed once.
    columns = ColumnTally(aggregation)
    batch = BatchSlice(request, ColumnEngine(aggregation, columns), clean_rows_for(aggregation, columns), bounds)
    watch(lambda: batch.work_done)
    with ObjectReads(s3, gets, bounds.whole_max_bytes) as reads:
        result = batch.run(reads.each, is_time_up)
    outcome_key = request.run.outcome_key(request.run.batch_part_key(progress.batch, progress.slices))
    return leave_parts(s3, data_bucket, outcome_key, progress=result.progress.to_state(), parts=_parts(request, result))


def _parts(request: BatchRequest, result: BatchSliceResult) -> dict[str, bytes]:
    run, batch = request.run, request.progress.batch
    parts = {run.batch_unreadable_key(batch, result.number): result.unreadable}
    numbered = [(result.number, result.tally), (result.number + 1, result.pending)]
    for number, tally in numbered:
        if tally is not None:
            parts[run.batch_part_key(batch, number)] = _zipped(tally)
            parts[run.batch_reject_key(batch, number)] = b"".join(tally.rejects)
    return parts


def _zipped(tally: Tally) -> bytes:
    # The same groups are the same bytes, whenever they are written. They are read once.
    return gzip.compress(tally.part(), compresslevel=1, mtime=0) if tally.groups else b""
