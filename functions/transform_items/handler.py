"""TransformItems: one slice of a range of the source becomes items in the table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import botocore.session
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import s3_client
from sluice.aws.wire import Wire
from sluice.dynamodb.dry_writer import DryWriter
from sluice.dynamodb.writers import Writer, writer_for
from sluice.limits import time_is_up
from sluice.reading.object_gets import ObjectGets
from sluice.run_item.worker import Heartbeats, RunWorker
from sluice.runs.attempts import earlier_outcome, has_marker, leave_marker, leave_parts, was_tried_before
from sluice.runs.courses import leave_course
from sluice.settings import RunSettings, Settings
from sluice.step import step
from sluice.workflows.csv_load.findings import findings_after, sample_items, sample_lines
from sluice.workflows.csv_load.slice import (
    ROWS_PER_CHECK,
    ROWS_PER_CHECK_LIMITED,
    RangeSlice,
    RangeSliceResult,
    SliceRequest,
)
from sluice.workflows.csv_load.stretches import Stretches
from sluice.workflows.csv_load.superseded import SupersededRows

settings = Settings.from_env()
logger = Logger()
wire = Wire.from_session(botocore.session.get_session())
gets = ObjectGets.like(botocore.session.get_session(), s3_client)
heartbeats = Heartbeats.to(RunSettings.from_env().table, wire)


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Work through a range until it ends or the time is up, and return how far it has come.

    Takes {"run", "load", "range", "progress"}, as PlanLoad and the call before have returned them.
    Raises InvalidInputError, SourceChangedError, ThrottledError, ServiceUnavailableError, TableNotFoundError,
    AccessDeniedError.
    """
    request = SliceRequest.from_event(event)
    with heartbeats.worker(request.run_item, time_is_up(context)) as worker:
        state = worker.state_of(request.progress.to_state() if worker.is_stopped else _work(request, worker))
    logger.info(
        "slice done",
        extra={"range": request.range.index, "counts": state["counts"]},
    )
    return state


def _work(request: SliceRequest, worker: RunWorker) -> dict[str, Any]:
    """The range's progress after the slice, as the first attempt that ended has left it with its rejects."""
    s3, bucket = s3_client(), settings.data_bucket
    depends = request.write.depends_on_items and not request.is_dry_run
    is_repeat = depends and was_tried_before(s3, bucket, request.attempt_key)
    progress = None
    if is_repeat:
        leave_marker(s3, bucket, request.repeat_key)
        progress = earlier_outcome(s3, bucket, request.outcome_key)
    if progress is None:
        result, sample = _slice(request, worker, is_repeat=is_repeat or request.may_have_rows)
        parts = {request.rejects_key: b"".join(result.rejects), request.sample_key: sample}
        if request.range.pieces:
            parts[request.files_key] = result.files_lines()
        progress = leave_parts(s3, bucket, request.outcome_key, progress=result.progress.to_state(), parts=parts)
        leave_course(s3, bucket, request.course_key, worker)
    return progress


def _slice(request: SliceRequest, worker: RunWorker, *, is_repeat: bool) -> tuple[RangeSliceResult, bytes]:
    """What the slice came to, and a dry run's sample of items."""
    stretches, before = Stretches(s3_client(), gets, request), request.progress
    dry = DryWriter(sample_items(request.range.index, before.slices)) if request.is_dry_run else None
    superseded = SupersededRows() if request.write.last_wins else None
    rows_per_check = ROWS_PER_CHECK_LIMITED if request.run_item.is_limited else ROWS_PER_CHECK
    with dry or _writer(request, worker, is_repeat=is_repeat) as writer:
        each = RangeSlice(before, writer, superseded, rows_per_check)
        worker.watch(lambda: each.work_done)
        result = each.run(stretches, worker.is_over)
    has_read = result.progress.counts.read > before.counts.read
    findings = findings_after(before, superseded, stretches.unseen if has_read else None, dry)
    return replace(result, progress=replace(result.progress, findings=findings)), sample_lines(dry) if dry else b""


def _writer(request: SliceRequest, worker: RunWorker, *, is_repeat: bool) -> Writer:
    def may_be_repeated() -> bool:
        return is_repeat or has_marker(s3_client(), settings.data_bucket, request.repeat_key)

    return writer_for(
        wire, request.table, request.schema, request.write, may_be_repeated=may_be_repeated, limiter=worker.writes
    )
