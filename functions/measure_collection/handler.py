"""MeasureCollection: one slice of a batch of keys becomes a part of the report on their item collections."""

from __future__ import annotations

from typing import Any

import botocore.session
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import s3_client
from sluice.aws.wire import Wire
from sluice.limits import time_is_up
from sluice.run_item.budget_item import heartbeat_wire
from sluice.run_item.worker_rate import RunPace
from sluice.runs.attempts import leave_part
from sluice.settings import Settings
from sluice.workflows.distinct_keys.measure_slice import MeasureRequest, measure_slice

settings = Settings.from_env()
logger = Logger()
wire = Wire.from_session(botocore.session.get_session())
heartbeats = heartbeat_wire(wire)


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Measure the keys' item collections until all are read or the time is up, and return how far that has come.

    Takes {"run", "scan", "keys", "progress"}: scan as PlanScan has returned it, keys in DynamoDB JSON, progress as the
    call before has returned it. Raises InvalidInputError, ThrottledError, ServiceUnavailableError, TableNotFoundError,
    AccessDeniedError, UnexpectedResponseError.
    """
    request, is_time_up = MeasureRequest.from_event(event), time_is_up(context)
    with RunPace.from_state(heartbeats, request.scan["budget"], is_time_up, request.scan["itemBytes"]) as pace:
        result = measure_slice(request, lambda body: wire.call("Query", body), is_time_up, pace.reads)
    progress = leave_part(
        s3_client(),
        settings.data_bucket,
        request.run,
        request.part_key,
        progress=result.progress.to_state(),
        part=b"".join(result.lines),
    )
    logger.info("slice done", extra={"run": request.run.name, "keys": len(request.keys), "counts": progress["counts"]})
    return progress
