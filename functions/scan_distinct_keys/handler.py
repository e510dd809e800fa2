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
from sluice.run_item.budget_item import heartbeat_wire
from sluice.run_item.worker_rate import RunPace
from sluice.runs.attempts import leave_part
from sluice.settings import Settings
from sluice.workflows.distinct_keys.slice import COLLECTOR_THRESHOLD, ScanRequest

gc.set_threshold(COLLECTOR_THRESHOLD)

settings = Settings.from_env()
logger = Logger()
wire = Wire.from_session(botocore.session.get_session())
heartbeats = heartbeat_wire(wire)


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Scan a segment until it ends, the time is up or the keys are many, and return how far it has come.

    Takes {"run", "scan", "segment", "progress"}, as PlanScan and the call before have returned them.
    Raises InvalidInputError, TableNotFoundError, ThrottledError, ServiceUnavailableError, AccessDeniedError,
    UnexpectedResponseError, WireError.
    """
    request, is_time_up = ScanRequest.from_event(event), time_is_up(context)
    with RunPace.from_state(heartbeats, request.scan["budget"], is_time_up, request.scan["itemBytes"]) as pace:
        result = request.slice(pace.reads).run(wire.call, is_time_up)
    progress = leave_part(
        s3_client(),
        settings.data_bucket,
        request.run,
        request.part_key,
        progress=result.progress.to_state(),
        part=result.keys,
    )
    logger.info(
        "slice done",
        extra={"run": request.run.name, "segment": request.segment, "counts": progress["counts"]},
    )
    return progress
