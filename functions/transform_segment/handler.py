"""TransformSegment: one slice of a segment's items is transformed and written."""

from __future__ import annotations

import gc
from typing import Any

import botocore.session
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import s3_client
from sluice.aws.retry import RetryPolicy
from sluice.aws.wire import Wire
from sluice.limits import time_is_up
from sluice.run_item.worker import Heartbeats
from sluice.settings import RunSettings, Settings
from sluice.step import step
from sluice.workflows.distinct_keys.slice import COLLECTOR_THRESHOLD
from sluice.workflows.table_transform.progress import SegmentRequest
from sluice.workflows.table_transform.work import SegmentWork

# Those in flight when a slice ends, and those that wait for them, are to be settled within the reserve.
RETRIES = RetryPolicy(give_up_seconds=20.0)

gc.set_threshold(COLLECTOR_THRESHOLD)

settings = Settings.from_env()
logger = Logger()
wire = Wire.from_session(botocore.session.get_session(), retries=RETRIES)
heartbeats = Heartbeats.to(RunSettings.from_env().table, wire)


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Transform a segment's items until it ends or the time is up, and return how far it has come.

    Takes {"run", "transform", "segment", "progress"}, as PlanTransform and the call before have returned them.
    Raises InvalidInputError, TableNotFoundError, ThrottledError, ServiceUnavailableError, AccessDeniedError,
    UnexpectedResponseError, WireError, RunContinuedError.
    """
    request = SegmentRequest.from_event(event)
    work = SegmentWork(s3_client(), wire, heartbeats, settings.data_bucket, request)
    progress = work.run(time_is_up(context))
    logger.info(
        "slice done",
        extra={"segment": request.segment, "counts": progress["counts"]},
    )
    return progress
