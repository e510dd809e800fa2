"""MirrorSegment: one slice of a copy's segment, whose items that are no longer in the source become tombstones."""

from __future__ import annotations

from typing import Any

import botocore.session
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.wire import Wire
from sluice.limits import time_is_up
from sluice.run_item.item import RunItem
from sluice.run_item.worker import Heartbeats
from sluice.settings import RunSettings
from sluice.step import step
from sluice.workflows.export_process.mirror import MirrorRequest, MirrorSlice

logger = Logger()
wire = Wire.from_session(botocore.session.get_session())
heartbeats = Heartbeats.to(RunSettings.from_env().table, wire)


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Work through a segment until it ends or the time is up, and return how far it has come.

    Takes {"run", "process", "mirror", "segment", "progress"}, as CheckExport and the call before have returned them.
    Raises InvalidInputError, ThrottledError, ServiceUnavailableError, TableNotFoundError, AccessDeniedError,
    UnexpectedResponseError, WireError.
    """
    request = MirrorRequest.from_event(event)
    item = RunItem.from_plan(request.run.item_key, {"runItem": request.process.run_item})
    with heartbeats.worker(item, time_is_up(context)) as worker:
        progress = request.progress
        if not worker.is_stopped:
            each = MirrorSlice(wire, request.copy, request.segment, worker.writes)
            worker.watch(lambda: each.work_done)
            progress = each.run(request.progress, worker.is_over)
        state = worker.state_of(progress.to_state())
    logger.info(
        "slice done",
        extra={"segment": request.segment, "deleted": progress.done.deleted},
    )
    return state
