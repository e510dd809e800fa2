"""ReduceAggregates: one slice of a merge of sorted parts, into another part or into the result."""

from __future__ import annotations

from typing import Any

import botocore.session
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import s3_client
from sluice.aws.wire import Wire
from sluice.limits import time_is_up
from sluice.run_item.item import RunItem
from sluice.run_item.worker import Heartbeats
from sluice.settings import RunSettings, Settings
from sluice.step import step
from sluice.workflows.object_aggregate.merge import run_slice
from sluice.workflows.object_aggregate.merge_plan import MergeRequest

settings = Settings.from_env()
heartbeats = Heartbeats.to(RunSettings.from_env().table, Wire.from_session(botocore.session.get_session()))
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Merge until all is merged or the time is up, and return how far it has come.

    Takes {"run", "aggregation", "merge", "progress"}, as PlanReduction and the call before have returned them.
    Raises InvalidInputError, SourceNotFoundError, SourceChangedError, SourceMalformedError, ServiceUnavailableError,
    AccessDeniedError, UnexpectedResponseError, CountsDoNotReconcileError, StoppedError.
    """
    request = MergeRequest.from_event(event)
    item, progress = RunItem.from_plan(request.run.item_key, event["aggregation"]), request.progress
    with heartbeats.worker(item, time_is_up(context)) as worker:
        if not worker.is_stopped:
            progress = run_slice(s3_client(), settings.data_bucket, request, worker.is_over)
        worker.check(progress.to_state())
    logger.info(
        "slice done",
        extra={"merge": request.merge.name, "groups": progress.groups, "done": progress.done},
    )
    return progress.to_state()
