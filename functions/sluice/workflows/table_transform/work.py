"""What TransformSegment does with its event: a slice of a segment, its journal, its files and the segment's cursor."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sluice.aws.clients import aws_errors
from sluice.aws.wire import Wire
from sluice.dynamodb.plain import Attributes
from sluice.dynamodb.writers import OnConflict, WriteSpec, writer_for
from sluice.errors import AttemptExistsError
from sluice.mapping.delete import Delete
from sluice.run_item.item import RunItem
from sluice.run_item.worker import Heartbeats, RunWorker
from sluice.runs.columns_found import ALL_COLUMNS, ColumnsFound
from sluice.runs.courses import leave_course
from sluice.workflows.table_transform.batches import Plan, Planner
from sluice.workflows.table_transform.change_sender import CHANGES_IN_FLIGHT, Sending
from sluice.workflows.table_transform.change_writer import ChangeWriter, PutStages
from sluice.workflows.table_transform.changes import Change, Side, Transfer, deletion
from sluice.workflows.table_transform.checks import Checks
from sluice.workflows.table_transform.input import Table, TransformJob
from sluice.workflows.table_transform.journal import EntryKind, JournalEntry, JournalStore, SliceJournal, end_body
from sluice.workflows.table_transform.progress import Done, SegmentRequest, StartKey, TransformProgress, Unsettled
from sluice.workflows.table_transform.put_stage import PutStage
from sluice.workflows.table_transform.reads import ConsistentReads, CurrentItems
from sluice.workflows.table_transform.replay import Replay
from sluice.workflows.table_transform.requests import ChangeBodies
from sluice.workflows.table_transform.scan import ItemScan, Pages
from sluice.workflows.table_transform.slice import AppliedSlice, DrySlice, ItemSource, SegmentSliceResult, SliceParts
from sluice.workflows.table_transform.slice_log import Entry, Sample, SliceLog
from sluice.workflows.table_transform.transforms import InPlace, IntoTarget, in_place, into_target
from sluice.workflows.table_transform.undo import UndoPlan, UndoSource

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def plan_for(job: TransformJob) -> Plan:
    """What becomes of the job's items. Raises InvalidInputError for a transform or a mapping that is of no use."""
    if job.undoes:
        return UndoPlan(job.schemas)
    if job.target is None:
        return PlanInPlace(in_place(job.item_source, job.table.schema))
    return PlanIntoTarget(_into_target(job, job.target), job.deletes_source)


@dataclass(frozen=True, slots=True)
class PlanInPlace:
    """Items change in place."""

    transform: InPlace

    @property
    def columns(self) -> ColumnsFound:
        """Those that the transform takes."""
        return self.transform.columns

    def __call__(self, _entry: Entry, item: Attributes) -> Change | None:
        """The item's change. Raises RejectError."""
        return self.transform(item)


@dataclass(frozen=True, slots=True)
class PlanIntoTarget:
    """Items are put into the target, and deleted from the source where they are moved."""

    transform: IntoTarget
    deletes_source: bool

    @property
    def columns(self) -> ColumnsFound:
        """Those that the transform takes."""
        return self.transform.columns

    def __call__(self, _entry: Entry, item: Attributes) -> Transfer | None:
        """What is put and deleted for the item. Raises RejectError."""
        items = self.transform(item)
        if isinstance(items, Delete):
            return deletion(item)
        if not items:
            return None
        return Transfer(tuple(items), deletions=(item,) if self.deletes_source else ())


def _into_target(job: TransformJob, target: Table) -> IntoTarget:
    return into_target(job.item_source, target.schema, deletes=job.deletes_source)


@dataclass(frozen=True, slots=True)
class SliceContext:
    """What a slice reads and writes through. `threads`: how many requests of a kind are in flight at a time."""

    wire: Wire
    store: JournalStore
    executor: Executor
    worker: RunWorker
    threads: int = CHANGES_IN_FLIGHT


@dataclass(frozen=True, slots=True)
class SliceWork:
    """One attempt at a slice of a job, from `progress` on."""

    job: TransformJob
    segment: int
    progress: TransformProgress
    plan: Plan
    context: SliceContext

    def run(self, is_time_up: Callable[[], bool]) -> JournalEntry:
        """Do the slice, unless an earlier attempt has; returns the entry that ends its journal.

        Raises what TransformSegment raises.
        """
        journal = SliceJournal(self.context.store, self.progress.slices)
        ended = journal.begin()
        if ended is not None:
            return ended
        result = self._slice(journal, is_time_up)
        # What an earlier attempt has announced is not looked at again.
        columns = self.plan.columns if journal.is_first_attempt else ALL_COLUMNS
        progress = replace(result.progress, done=result.progress.done + Done(columns=columns))
        parts = {"rejects": result.rejects, "sample": result.sample, "void": result.void}
        head = {
            "progress": progress.to_state(),
            "parts": {name: len(part) for name, part in parts.items()},
        }
        return journal.append(EntryKind.END, head, end_body(parts, result.left))

    def _slice(self, journal: SliceJournal, is_time_up: Callable[[], bool]) -> SegmentSliceResult:
        job, context = self.job, self.context
        requests = job.requests
        seed = context.store.run.journal_key(self.segment, self.progress.slices, 0)
        log = SliceLog(self.progress, Sample(job.sample_per_segment, seed), is_dry_run=job.is_dry_run)
        items = CurrentItems(ConsistentReads(context.wire, context.worker.reads), job.tables)
        parts = SliceParts(
            name=context.store.run.name,
            progress=self.progress,
            open_source=lambda start_key: self._source(start_key, items),
            planner=Planner(self.plan, Checks(requests, job.index_keys)),
            log=log,
            executor=context.executor,
        )
        context.worker.watch(lambda: log.work_done(0.0))
        if job.is_dry_run:
            return DrySlice(parts).run(is_time_up)
        with closing(self._writer(requests, parts)) as writer:
            context.worker.watch(lambda: log.work_done(writer.write_units))
            is_repeat = not journal.is_first_attempt
            unsettled = self._unsettled(journal)
            replay = Replay(context.store, items, log, unsettled, schemas=job.schemas, is_repeat=is_repeat)
            return AppliedSlice(parts, replay, writer, journal).run(is_time_up)

    def _unsettled(self, journal: SliceJournal) -> list[Unsettled]:
        """What earlier slices left, and what earlier attempts at this one announced before its own first entry."""
        name, own = self.context.store.run.name, journal.next_number - 1
        announced = [Unsettled(name, self.progress.slices, 0, own)] if own else []
        return [*self.progress.unsettled, *announced]

    def _source(self, start_key: StartKey | None, items: CurrentItems) -> ItemSource:
        job, context = self.job, self.context
        if job.undoes:
            are_copies = job.target is not None and not job.deletes_source
            return UndoSource(
                context.store,
                job.undoes,
                job.schemas,
                start_key,
                items,
                executor=context.executor,
                are_copies=are_copies,
            )
        scan = ItemScan(job.table, self.segment, job.total_segments, job.where)
        return Pages(scan, start_key, context.wire.call, context.worker.reads, context.executor)

    def _writer(self, requests: Mapping[Side, ChangeBodies], parts: SliceParts) -> ChangeWriter:
        job, context = self.job, self.context
        sending = Sending(context.wire.call, requests, context.worker.writes, context.threads)
        # What is there already as it should be has arrived: the other side may be deleted.
        repeats = job.deletes_source or bool(job.undoes)
        return ChangeWriter(sending, self._stages(), parts.log, parts.planner.change, put_always_repeats=repeats)

    def _stages(self) -> PutStages:
        job, context = self.job, self.context
        on_conflict = OnConflict.REJECT if job.undoes else job.on_conflict

        def stage(side: Side, is_repeat: bool, on_end: Any) -> PutStage:
            table = job.tables[side]
            spec = WriteSpec(on_conflict=on_conflict)
            writer = writer_for(context.wire, table.name, table.schema, spec, may_be_repeated=lambda: is_repeat)
            return PutStage(writer, context.worker.writes, on_end)

        return stage


class SegmentWork:
    """One slice of TransformSegment. `bucket` is the data bucket."""

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
        """The segment's progress after the slice, as the first attempt that ended has left it."""
        request, job = self._request, self._request.job
        store = JournalStore(self._s3, self._bucket, request.run, request.segment)
        # One thread reads ahead, one writes the journal.
        with ThreadPoolExecutor(2) as executor:
            context = SliceContext(self._wire, store, executor, worker)
            work = SliceWork(job, request.segment, request.progress, plan_for(job), context)
            end = work.run(worker.is_over)
        leave_course(self._s3, self._bucket, request.course_key, worker)
        self._write_parts(end)
        self._write_cursor(end.head["progress"])
        progress: dict[str, Any] = end.head["progress"]
        return progress

    def _write_parts(self, end: JournalEntry) -> None:
        """Every attempt writes the same, so it does not matter which is the last."""
        sizes, body = end.head["parts"], end.body
        rejects, sample = body[: sizes["rejects"]], body[sizes["rejects"] :][: sizes["sample"]]
        for key, part in ((self._request.rejects_key, rejects), (self._request.sample_key, sample)):
            if part:
                with aws_errors(f"s3://{self._bucket}/{key}"):
                    self._s3.put_object(Bucket=self._bucket, Key=key, Body=part, ContentType="application/jsonl")

    def _write_cursor(self, progress: Mapping[str, Any]) -> None:
        """Write how far the segment has come, unless it has come further: this attempt may have been given up."""
        key = self._request.run.cursor_key(self._request.segment)
        changed = AttemptExistsError()
        named = {"PreconditionFailed": changed, "ConditionalRequestConflict": changed}
        while True:
            slices, condition = self._cursor(key)
            if slices >= progress["slices"]:
                return
            try:
                with aws_errors(f"s3://{self._bucket}/{key}", named):
                    body = json.dumps(progress).encode()
                    self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, **condition)
            except AttemptExistsError:
                continue
            return

    def _cursor(self, key: str) -> tuple[int, Any]:
        """How many slices the cursor counts, and the condition on which it may be replaced."""
        with aws_errors(f"s3://{self._bucket}/{key}"):
            try:
                stored = self._s3.get_object(Bucket=self._bucket, Key=key)
            except self._s3.exceptions.NoSuchKey:
                return 0, {"IfNoneMatch": "*"}
            return int(json.loads(stored["Body"].read())["slices"]), {"IfMatch": stored["ETag"]}
