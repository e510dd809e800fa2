"""One slice of a segment: page after page of items, until the segment ends or the time is up."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sluice.aws.clients import aws_errors
from sluice.aws.wire import Wire
from sluice.dynamodb.writers import writer_for
from sluice.limits import REJECTS_MAX_BYTES
from sluice.run_item.item import RunItem
from sluice.run_item.rate_limiter import RateLimiter
from sluice.run_item.worker import Heartbeats, RunWorker
from sluice.runs.attempts import earlier_outcome, leave_parts, was_tried_before
from sluice.runs.courses import leave_course
from sluice.workflows.table_transform.change_sender import REQUESTS_IN_FLIGHT, Failure, Sending
from sluice.workflows.table_transform.changes import UpdateRequests
from sluice.workflows.table_transform.dry_run import DryRun, foreseen_in_place, foreseen_in_target
from sluice.workflows.table_transform.in_place_writer import InPlaceWriter
from sluice.workflows.table_transform.input import Table, TransformJob
from sluice.workflows.table_transform.progress import SegmentRequest, TransformProgress
from sluice.workflows.table_transform.scan import ItemPage, ItemScan, Pages
from sluice.workflows.table_transform.slice_log import Entry, Sample, SliceLog
from sluice.workflows.table_transform.target_writers import MovingWriter, TargetWriter
from sluice.workflows.table_transform.transforms import InPlace, IntoTarget, in_place, into_target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# The clock is read once for so many items.
ITEMS_PER_CHECK = 64


class ItemWriter(Protocol):
    """Carries out what is to become of items, and settles them in the log.

    `pages_held`: so many pages may have come to their end with items that are not settled.
    `stopped_by`: DynamoDB's throttle or failure, after which nothing is settled any more.
    """

    @property
    def pages_held(self) -> int: ...

    @property
    def stopped_by(self) -> Failure | None: ...

    @property
    def write_units(self) -> float: ...

    def take(self, entry: Entry) -> bool: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SliceResult:
    """The segment's progress after the slice, its rejects and its sample as JSON Lines."""

    progress: TransformProgress
    rejects: bytes
    sample: bytes


class TransformSlice:
    """One slice, whose pages go through the carrier into the log."""

    def __init__(self, pages: Pages, item_writer: ItemWriter, log: SliceLog) -> None:
        self._pages = pages
        self._item_writer = item_writer
        self._log = log
        self._has_begun = False

    def run(self, is_time_up: Callable[[], bool]) -> SliceResult:
        """Work through pages; an item at least, or an empty page, is done however little time there is.

        Raises what the wire raises; a slice that raised is begun again from where it began. When DynamoDB throttles or
        fails after an item was settled, that is the slice's end: what was done stays done.
        """
        page: ItemPage | None = self._pages.first()
        while page is not None and self._work(page, is_time_up):
            self._log.end_page(page)
            if self._log.pages_open > self._item_writer.pages_held:
                self._item_writer.flush()
            if page.last_evaluated is None or self._is_over(is_time_up):
                break
            page = self._pages.next()
        self._item_writer.flush()
        stopped_by = self._item_writer.stopped_by
        if stopped_by is not None and not self._log.settled:
            raise stopped_by
        progress = self._log.progress(self._pages.end(), self._item_writer.write_units)
        return SliceResult(progress, b"".join(self._log.reject_lines), self._log.sample_lines)

    def _work(self, page: ItemPage, is_time_up: Callable[[], bool]) -> bool:
        """Have the page's items carried; False when that ended before they did."""
        self._pages.prepare(page.last_evaluated)
        for number, item in enumerate(page.items):
            if number % ITEMS_PER_CHECK == 0 and self._has_begun and self._is_over(is_time_up):
                return False
            self._has_begun = True
            if not self._item_writer.take(self._log.open(item)):
                return False
        return True

    def _is_over(self, is_time_up: Callable[[], bool]) -> bool:
        return is_time_up() or self._item_writer.stopped_by is not None or self._log.reject_bytes > REJECTS_MAX_BYTES


@dataclass(frozen=True, slots=True)
class WriterContext:
    """What carriers work with. `is_repeat`: an attempt that did not end may have written the slice's items before."""

    wire: Wire
    log: SliceLog
    writes: RateLimiter
    is_repeat: bool
    threads: int = REQUESTS_IN_FLIGHT


def item_writer_for(job: TransformJob, means: WriterContext) -> ItemWriter:
    """The carrier. Raises InvalidInputError for a transform or a mapping that is of no use."""
    if job.target is None:
        return in_place_item_writer(job, in_place(job.way, job.table.schema), means)
    return target_item_writer(job, job.target, _into_target(job, job.target), means)


def check_way(job: TransformJob) -> None:
    """Raise InvalidInputError for a transform or a mapping that is of no use."""
    if job.target is None:
        in_place(job.way, job.table.schema)
    else:
        _into_target(job, job.target)


def in_place_item_writer(job: TransformJob, transform: InPlace, means: WriterContext) -> ItemWriter:
    """The carrier of changes in place."""
    if job.is_dry_run:
        return DryRun(foreseen_in_place(transform), means.log)
    requests = UpdateRequests(job.table.name, job.table.schema, job.where)
    return InPlaceWriter(Sending(means.wire.call, requests, means.writes, means.threads), transform, means.log)


def target_item_writer(job: TransformJob, target: Table, transform: IntoTarget, means: WriterContext) -> ItemWriter:
    """The carrier into another table."""
    if job.is_dry_run:
        return DryRun(foreseen_in_target(transform, deletes_source=job.deletes_source), means.log)
    # What is in the target already as it should be has arrived: its source may go.
    is_repeat = means.is_repeat or job.deletes_source
    writer = writer_for(means.wire, target.name, job.on_conflict, target.schema, is_repeat=is_repeat)
    if not job.deletes_source:
        return TargetWriter(writer, transform, means.log, means.writes)
    deletes = UpdateRequests(job.table.name, job.table.schema, None)
    source = Sending(means.wire.call, deletes, means.writes, means.threads)
    return MovingWriter(writer, transform, source, UpdateRequests(target.name, target.schema, None), means.log)


def _into_target(job: TransformJob, target: Table) -> IntoTarget:
    return into_target(job.way, target.schema, deletes=job.deletes_source)


class SegmentWork:
    """One slice. `bucket` is the data bucket."""

    def __init__(self, s3: S3Client, wire: Wire, heartbeats: Heartbeats, bucket: str, request: SegmentRequest) -> None:
        self._s3 = s3
        self._wire = wire
        self._heartbeats = heartbeats
        self._bucket = bucket
        self._request = request

    def run(self, is_time_up: Callable[[], bool]) -> dict[str, Any]:
        """Do the slice, unless an earlier attempt has or the run is to stop; returns the segment's progress.

        Raises what TransformSegment raises.
        """
        request, job = self._request, self._request.job
        item = RunItem.from_plan(request.run.item_key, {"runItem": job.run_item})
        with self._heartbeats.worker(item, is_time_up, job.item_bytes) as worker:
            return worker.state_of(request.progress.to_state() if worker.is_stopped else self._settled(worker))

    def _settled(self, worker: RunWorker) -> dict[str, Any]:
        """The segment's progress, as the first attempt that ended has left it."""
        request = self._request
        is_repeat = was_tried_before(self._s3, self._bucket, request.attempt_key)
        progress = earlier_outcome(self._s3, self._bucket, request.outcome_key) if is_repeat else None
        if progress is None:
            result = self._slice(worker, is_repeat=is_repeat)
            progress = leave_parts(
                self._s3,
                self._bucket,
                request.outcome_key,
                progress=result.progress.to_state(),
                parts={request.rejects_key: result.rejects, request.sample_key: result.sample},
            )
            leave_course(self._s3, self._bucket, request.course_key, worker)
        self._leave_cursor(progress)
        return progress

    def _slice(self, worker: RunWorker, *, is_repeat: bool) -> SliceResult:
        request, job = self._request, self._request.job
        sample = Sample(job.sample_per_segment, request.outcome_key)
        log = SliceLog(request.progress, job.table.schema, sample, is_dry_run=job.is_dry_run)
        scan = ItemScan(job.table.name, request.segment, job.total_segments, job.where)
        is_repeat = is_repeat or request.progress.is_interrupted
        with (
            ThreadPoolExecutor(1) as executor,
            closing(item_writer_for(job, WriterContext(self._wire, log, worker.writes, is_repeat))) as item_writer,
        ):
            pages = Pages(scan, request.progress.start_key, self._wire.call, worker.reads, executor)
            worker.watch(lambda: log.work_done(pages.units, item_writer.write_units))
            return TransformSlice(pages, item_writer, log).run(worker.is_over)

    def _leave_cursor(self, progress: Mapping[str, Any]) -> None:
        """Write how far the segment has come, unless it has come further: this attempt may have been given up."""
        key = self._request.run.cursor_key(self._request.segment)
        with aws_errors(f"s3://{self._bucket}/{key}"):
            if self._slices_told(key) < progress["slices"]:
                self._s3.put_object(Bucket=self._bucket, Key=key, Body=json.dumps(progress).encode())

    def _slices_told(self, key: str) -> int:
        try:
            cursor = json.loads(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())
        except self._s3.exceptions.NoSuchKey:
            return 0
        return int(cursor["slices"])
