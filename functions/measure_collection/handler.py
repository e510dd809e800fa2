"""MeasureCollection: one slice of a batch of keys becomes a part of the report on their item collections."""

from __future__ import annotations

from typing import Any

import botocore.session
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws import s3_client
from sluice.first_outcome import leave_part
from sluice.measuring.measure_request import MeasureRequest
from sluice.measuring.measure_slice import measure_slice
from sluice.pacing.budget_item import beat_wire
from sluice.pacing.run_pace import RunPace
from sluice.settings import Settings
from sluice.time_left import time_is_up
from sluice.writing.wire import Wire

settings = Settings.from_env()
logger = Logger()
wire = Wire.from_session(botocore.session.get_session())
beats = beat_wire(wire)


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Measure the keys' item collections until all are read or the time is up, and return how far that has come.

    Takes {"run", "scan", "keys", "progress"}: scan as PlanScan has returned it, keys in DynamoDB JSON, progress as the
    call before has returned it. Raises InvalidInputError, ThrottledError, ServiceUnavailableError, TableNotFoundError,
    AccessDeniedError, UnexpectedResponseError.
    """
    request, is_time_up = MeasureRequest.from_event(event), time_is_up(context)
    with RunPace.from_state(beats, request.scan["budget"], is_time_up, request.scan["itemBytes"]) as pace:
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
