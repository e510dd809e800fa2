"""MeasureCollection: one slice of a batch of keys becomes a part of the report on their item collections."""

from __future__ import annotations

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
from sluice.settings import RunSettings, Settings
from sluice.step import step
from sluice.workflows.distinct_keys.measure_slice import MeasureRequest, measure_slice

settings = Settings.from_env()
logger = Logger()
wire = Wire.from_session(botocore.session.get_session())
heartbeats = Heartbeats.to(RunSettings.from_env().table, wire)


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Measure the keys' item collections until all are read or the time is up, and return how far that has come.

    Takes {"run", "scan", "keys", "progress"}: scan as PlanScan has returned it, keys in DynamoDB JSON, progress as the
    call before has returned it. Raises InvalidInputError, ThrottledError, ServiceUnavailableError, TableNotFoundError,
    AccessDeniedError, UnexpectedResponseError, StoppedError.
    """
    request = MeasureRequest.from_event(event)
    item, item_bytes = RunItem.from_plan(request.run.item_key, request.scan), request.scan["itemBytes"]
    with heartbeats.worker(item, time_is_up(context), item_bytes) as worker:
        progress = request.progress.to_state() if worker.is_stopped else _work(request, worker)
        worker.check(progress)
    logger.info("slice done", extra={"keys": len(request.keys), "counts": progress["counts"]})
    return progress


def _work(request: MeasureRequest, worker: RunWorker) -> dict[str, Any]:
    """The batch's progress after the slice, as the first attempt that ended has left it."""
    result = measure_slice(
        request,
        lambda body: wire.call("Query", body),
        worker.is_over,
        worker.reads,
        lambda progress: worker.watch(lambda: request.work_done(progress)),
    )
    progress, part = result.progress.to_state(), b"".join(result.lines)
    return leave_part(s3_client(), settings.data_bucket, request.run, request.part_key, progress=progress, part=part)
