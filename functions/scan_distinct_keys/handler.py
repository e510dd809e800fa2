"""ScanDistinctKeys: one slice of a segment's distinct partition keys goes to S3."""

from __future__ import annotations

import gc
from typing import Any

import botocore.session
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import s3_client
from sluice.aws.wire import Wire
from sluice.limits import time_is_up
from sluice.run_item.item import RunItem
from sluice.run_item.worker import Heartbeats, RunWorker
from sluice.runs.attempts import leave_part
from sluice.runs.courses import leave_course
from sluice.settings import RunSettings, Settings
from sluice.step import step
from sluice.workflows.distinct_keys.slice import COLLECTOR_THRESHOLD, ScanRequest

gc.set_threshold(COLLECTOR_THRESHOLD)

settings = Settings.from_env()
logger = Logger()
wire = Wire.from_session(botocore.session.get_session())
heartbeats = Heartbeats.to(RunSettings.from_env().table, wire)


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Scan a segment until it ends, the time is up or the keys are many, and return how far it has come.

    Takes {"run", "scan", "segment", "progress"}, as PlanScan and the call before have returned them.
    Raises InvalidInputError, TableNotFoundError, ThrottledError, ServiceUnavailableError, AccessDeniedError,
    UnexpectedResponseError, WireError, StoppedError.
    """
    request = ScanRequest.from_event(event)
    item, item_bytes = RunItem.from_plan(request.run.item_key, request.scan), request.scan["itemBytes"]
    with heartbeats.worker(item, time_is_up(context), item_bytes) as worker:
        progress = request.progress.to_state() if worker.is_stopped else _work(request, worker)
        worker.check(progress)
    logger.info(
        "slice done",
        extra={"segment": request.segment, "counts": progress["counts"]},
    )
    return progress


def _work(request: ScanRequest, worker: RunWorker) -> dict[str, Any]:
    """The segment's progress after the slice, as the first attempt that ended has left it."""
    each = request.slice(worker.reads)
    worker.watch(lambda: each.work_done)
    result = each.run(wire.call, worker.is_over)
    s3, bucket = s3_client(), settings.data_bucket
    leave_course(s3, bucket, request.course_key, worker)
    progress = result.progress.to_state()
    return leave_part(s3, bucket, request.run, request.part_key, progress=progress, part=result.keys)
