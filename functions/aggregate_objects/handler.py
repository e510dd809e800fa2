"""AggregateObjects: one slice of a batch of objects becomes groups with exact statistics."""

from __future__ import annotations

import gc
from typing import Any

import botocore.session
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import s3_client
from sluice.aws.wire import Wire
from sluice.limits import time_is_up
from sluice.reading.object_gets import ObjectGets
from sluice.run_item.item import RunItem
from sluice.run_item.worker import Heartbeats
from sluice.settings import RunSettings, Settings
from sluice.step import step
from sluice.workflows.distinct_keys.slice import COLLECTOR_THRESHOLD
from sluice.workflows.object_aggregate.progress import BatchRequest
from sluice.workflows.object_aggregate.slice import work

gc.set_threshold(COLLECTOR_THRESHOLD)

settings = Settings.from_env()
heartbeats = Heartbeats.to(RunSettings.from_env().table, Wire.from_session(botocore.session.get_session()))
logger = Logger()
gets = ObjectGets.like(botocore.session.get_session(), s3_client)


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Aggregate a batch of objects until it ends or the time is up, and return how far it has come.

    Takes {"run", "aggregation", "objects", "progress"}, as PlanAggregation, the listing and the call before have them.
    Raises InvalidInputError, ServiceUnavailableError, AccessDeniedError, StoppedError.
    """
    request = BatchRequest.from_event(event)
    item, progress = RunItem.from_plan(request.run.item_key, event["aggregation"]), request.progress.to_state()
    with heartbeats.worker(item, time_is_up(context)) as worker:
        if not worker.is_stopped:
            progress = work(s3_client(), gets, settings.data_bucket, request, worker.is_over, watch=worker.watch)
        worker.check(progress)
    logger.info(
        "slice done",
        extra={"batch": progress["batch"], "rows": progress["rows"]},
    )
    return progress
