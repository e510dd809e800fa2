"""InspectSource: whether a task's objects can be read, what columns they have, and where their records are."""

from __future__ import annotations

from typing import Any

import botocore.session
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import s3_client
from sluice.fields import Fields
from sluice.limits import time_is_up
from sluice.reading.object_gets import ObjectGets
from sluice.reading.object_set import ObjectSet
from sluice.runs.paths import Run
from sluice.settings import Settings
from sluice.step import step
from sluice.workflows.csv_load.inspection import Inspection, InspectionBounds, InspectionProgress
from sluice.workflows.csv_load.set_plan import Inspector
from sluice.workflows.csv_load.tasks import Task

settings = Settings.from_env()
logger = Logger()
gets = ObjectGets.like(botocore.session.get_session(), s3_client)


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Look through a task's objects until they end or the time is up, and return how far it has come.

    Takes {"run", "inspect", "task", "progress"}, as PlanLoad and the call before have returned them. An object that
    cannot be read is found to be so: it raises nothing. Raises InvalidInputError, AccessDeniedError and
    ServiceUnavailableError.
    """
    fields = Fields(event, ("run", "inspect", "task", "progress"))
    run, task, request = Run.from_state(fields.raw("run")), Task.from_state(fields.raw("task")), fields.raw("inspect")
    before = InspectionProgress.from_state(event["progress"]) if fields.has("progress") else InspectionProgress()
    inspection = Inspection(
        s3_client(), ObjectSet.of_spec(request["source"]), request["example"], InspectionBounds(request["rangeSize"])
    )
    inspector = Inspector(s3_client(), gets, settings.data_bucket, run)
    after = inspector.inspect(inspection, task, before, time_is_up(context))
    logger.info("inspected", extra={"task": task.index, "rows": after.rows, "done": after.done})
    return after.to_state()
