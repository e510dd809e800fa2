"""One slice of a data file: records into the sink, until the file ends or the time is up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, Self

from sluice.aws.wire import Wire
from sluice.dynamodb.batch_writer import BATCH_ITEMS, BatchRequests, BatchWriter, ChangeBatches
from sluice.dynamodb.conditional_writers import NewerPuts
from sluice.dynamodb.items import Item
from sluice.errors import ServiceUnavailableError
from sluice.mapping.transforms import load_transform, to_item
from sluice.run_item.item import RunItem
from sluice.run_item.progress import WorkDone
from sluice.run_item.rate_limiter import RateLimiter, Spending
from sluice.run_item.worker import Heartbeats, RunWorker
from sluice.runs.attempts import earlier_outcome, leave_parts
from sluice.runs.courses import leave_course
from sluice.runs.range_progress import RangeProgress
from sluice.runs.row_findings import RowFindings
from sluice.workflows.export_process.input import REJECTED_RECORDS, ObjectsSink, Process, TableSink
from sluice.workflows.export_process.items import WRITE_MICROS, Transformation
from sluice.workflows.export_process.object_sink import GzipUpload, ObjectSink, rendering
from sluice.workflows.export_process.progress import FileProgress, FileRequest, OpenedFile, open_file
from sluice.workflows.export_process.table_sinks import (
    ChangeRequests,
    GuardedChanges,
    OrderedChanges,
    RawTableSink,
    TableChanges,
    TransformedTableSink,
    change_of,
    guarded_put_of,
)
from sluice.workflows.export_process.tally import Portion, RecordTally

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# The clock is read once for so many lines.
PORTION_LINES = 250


class Sink(Protocol):
    """Where records go. Leaving its context lets go of what was begun and not committed."""

    def take(self, portion: Portion) -> None:
        """Accept records; waits while too many are in flight."""

    def flush(self) -> None:
        """Return when everything taken is settled."""

    def commit(self) -> None:
        """Let what was taken be seen, once the slice's progress is certain."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_error: object) -> None: ...


class FileSlice:
    """One slice, from `before` on; `sink` tells `tally` what becomes of the records.

    `writes`: what they may take, and until when. At a rate each portion is settled before the next one, so that it is
    known what it took.
    """

    def __init__(self, before: RangeProgress, sink: Sink, tally: RecordTally, writes: RateLimiter) -> None:
        self._before = before
        self._sink = sink
        self._tally = tally
        self._writes = writes
        self._has_begun = False
        self._row = before.row
        self._position = before.position

    def run(self, blocks: Iterable[list[bytes]]) -> RangeProgress:
        """Work through the blocks; at least one portion is done however little time there is.

        Raises what the sink raises; a slice that raised is begun again from where it began.
        """
        done = True
        for lines in self._portions(blocks):
            spending = self._admitted(len(lines))
            if spending is None:
                done = False
                break
            self._take(lines, spending)
        self._sink.flush()
        return self._after(done=done)

    @property
    def work_done(self) -> WorkDone:
        """What the slice has done so far, for another thread; a little less may have been written."""
        read, tally = self._row - self._before.row, self._tally
        return WorkDone(
            read=read,
            written=tally.written,
            skipped=tally.skipped,
            rejected=tally.rejected,
            write_units=tally.write_units,
            bytes=self._position - self._before.position,
        )

    def _portions(self, blocks: Iterable[list[bytes]]) -> Iterator[list[bytes]]:
        for block in blocks:
            start = 0
            while start < len(block):
                lines = block[start : start + self._portion_lines]
                yield lines
                start += len(lines)

    @property
    def _portion_lines(self) -> int:
        """What a record takes is not known before the first one."""
        is_unknown = self._is_at_rate and not self._has_begun
        return 1 if is_unknown else self._writes.bounded(PORTION_LINES) or PORTION_LINES

    @property
    def _is_at_rate(self) -> bool:
        return self._writes.bounded(None) is not None

    def _admitted(self, lines: int) -> Spending | None:
        """Wait until so many may be written; None when the slice had better end, which it does not at its beginning."""
        if not self._has_begun:
            self._has_begun = True
            return self._writes.admit(lines)
        return None if self._tally.is_full else self._writes.before(lines)

    def _take(self, lines: list[bytes], spending: Spending) -> None:
        records = [line for line in lines if line] if b"" in lines else lines
        units_before = self._tally.write_units
        self._sink.take(Portion(self._row, records))
        if self._is_at_rate:
            self._sink.flush()
            spending.ended(self._tally.write_units - units_before, len(records))
        self._row += len(records)
        self._position += sum(map(len, lines)) + len(lines)

    def _after(self, *, done: bool) -> RangeProgress:
        before, tally = self._before, self._tally
        return RangeProgress(
            position=self._position,
            row=self._row,
            slices=before.slices + 1,
            done=done,
            counts=before.counts + tally.counts(self._row - before.row),
            write_units=before.write_units + tally.write_units,
            reject_slices=(*before.reject_slices, before.slices) if tally.reasons else before.reject_slices,
            reasons=before.reasons + tally.reasons,
            rows_found=before.rows_found + RowFindings(omitted=tally.omitted),
        )


def object_sink(s3: S3Client, request: FileRequest, sink: ObjectsSink, tally: RecordTally) -> Sink:
    """The sink for an object, which has the data file's name, and the slice's number but for the first one."""
    process, number = request.process, request.slice_number
    transform = None if process.transform is None else load_transform(process.transform)
    name = request.file.key.rpartition("/")[2].removesuffix(".gz").removesuffix(".json")
    if process.export.lines == REJECTED_RECORDS:
        # All runs' rejects have one name.
        name = request.run.name
    key = f"{sink.prefix}{name}{f'-{number}' if number else ''}.jsonl.gz"
    return ObjectSink(rendering(process.export, sink.values, transform), GzipUpload(s3, sink.bucket, key), tally)


def table_sink(wire: Wire, process: Process, sink: TableSink, tally: RecordTally) -> Sink:
    """The sink for a table."""
    export = process.export
    newer = ChangeRequests(wire, NewerPuts(wire, sink.name, WRITE_MICROS), tally)
    if process.transform is not None:
        transformation: Transformation[Item] = Transformation(
            load_transform(process.transform), lambda item: to_item(item, sink.schema)
        )
        changes: TableChanges = GuardedChanges(newer)
        if not sink.is_guarded:
            changes = OrderedChanges(BatchWriter(wire, sink.name, sink.schema), tally)
        return TransformedTableSink(export, transformation, sink.schema, changes, tally)
    if sink.is_guarded:
        return RawTableSink(guarded_put_of(export), newer, tally)
    batches = ChangeBatches(BatchRequests(wire, sink.name, sink.schema))
    return RawTableSink(change_of(export), ChangeRequests(wire, batches, tally), tally)


class FileWork:
    """One slice. `data_bucket` is where its rejects go.

    Of several attempts at a slice the first one to end tells how far it has come; into a table all of them write the
    same. An object is as long as the slice, so a later attempt ends where the first one did, and writes the same too.
    """

    def __init__(
        self, s3: S3Client, wire: Wire, heartbeats: Heartbeats, data_bucket: str, request: FileRequest
    ) -> None:
        self._s3 = s3
        self._wire = wire
        self._heartbeats = heartbeats
        self._data_bucket = data_bucket
        self._request = request
        self._before = request.progress.records if request.progress else RangeProgress(position=0, row=1)
        self._tally = RecordTally(request.file.key)

    def run(self, is_time_up: Callable[[], bool]) -> dict[str, Any]:
        """Do the slice, unless the run is to stop; returns the file's progress.

        Raises what ProcessExportFile raises.
        """
        request = self._request
        item = RunItem.from_plan(request.run.item_key, {"runItem": request.process.run_item})
        with self._heartbeats.worker(item, is_time_up) as worker:
            first = self._first_attempt()
            if worker.is_stopped and first is None:
                return worker.state_of((request.progress or self._before).to_state())
            return worker.state_of(self._work(worker, first))

    def _work(self, worker: RunWorker, first: dict[str, Any] | None) -> dict[str, Any]:
        """Do the slice, up to where the first attempt at it has ended, if there was one."""
        request = self._request
        opened = open_file(self._s3, request.process, request.file, request.progress)
        end = first["position"] if first else None
        writes = RateLimiter(None, lambda: False) if first else worker.writes
        with (
            self._sink() as sink,
            opened.blocks(self._s3, self._before.position, end, BATCH_ITEMS) as blocks,
        ):
            each = FileSlice(self._before, sink, self._tally, writes)
            worker.watch(lambda: each.work_done)
            after = each.run(blocks)
            progress = self._settled(opened, after) if first is None else first
            sink.commit()
        leave_course(self._s3, self._data_bucket, request.course_key, worker)
        return progress

    def _sink(self) -> Sink:
        sink = self._request.process.sink
        if isinstance(sink, ObjectsSink):
            return object_sink(self._s3, self._request, sink, self._tally)
        return table_sink(self._wire, self._request.process, sink, self._tally)

    def _first_attempt(self) -> dict[str, Any] | None:
        if not isinstance(self._request.process.sink, ObjectsSink):
            return None
        return earlier_outcome(self._s3, self._data_bucket, self._request.outcome_key)

    def _settled(self, opened: OpenedFile, after: RangeProgress) -> dict[str, Any]:
        """The slice's progress, as the first attempt that ended reported it."""
        progress = FileProgress(after, opened.source.etag, opened.source.size).to_state()
        is_object = isinstance(self._request.process.sink, ObjectsSink)
        parts = {self._request.rejects_key: self._tally.take_rejects()}
        outcome_key = self._request.outcome_key
        settled = leave_parts(self._s3, self._data_bucket, outcome_key, progress=progress, parts=parts)
        if is_object and settled != progress:
            raise ServiceUnavailableError(f"{opened.source}: another attempt at the slice finished first")
        return settled
