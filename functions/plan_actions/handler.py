"""PlanActions: checks the input before any object is touched, and creates the run's item."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import dynamodb_client, lambda_client, s3_client
from sluice.fields import Fields
from sluice.run_item.item import RunItem
from sluice.run_item.item_requests import PlanFacts, create_item
from sluice.runs.destination import looked_up
from sluice.runs.input import FUNCTION
from sluice.runs.paths import Run
from sluice.runs.workers import Workers, notes_of, read_quota, workers_for
from sluice.settings import ObjectSettings, RunSettings, Settings
from sluice.step import step
from sluice.workflows.object_map.input import ObjectAction, ObjectMapInput
from sluice.workflows.object_map.plan import ActionPlan, check_resumed, check_source, read_earlier

settings = Settings.from_env()
run_settings = RunSettings.from_env()
allowed = ObjectSettings.from_env()
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Check the input. Takes {"run", "input"}; returns what the listing, the batches and the summary need.

    Raises InvalidInputError, StoppedError, TableNotFoundError, AccessDeniedError, ServiceUnavailableError.
    """
    fields = Fields(event, ("run", "input"))
    run = Run.from_state(fields.raw("run"))
    request = ObjectMapInput.from_input(fields.raw("input"), run, settings.data_bucket, allowed)
    if request.resumed_run:
        check_resumed(request, read_earlier(s3_client(), settings.data_bucket, run, request.resumed_run))
    request = replace(request, action=_looked_up(request.action))
    workers = _workers(request)
    plan = ActionPlan.of(request, run, workers.number, tuple(notes_of([workers])))
    check_source(s3_client(), plan)
    item = RunItem.from_plan(run.item_key, {"runItem": plan.run_item})
    create_item(dynamodb_client(), run_settings.table, item, PlanFacts(run.workflow), time.time())
    logger.info("planned", extra={"action": request.action.type, "mode": request.mode})
    return plan.to_state()


def _looked_up(action: ObjectAction) -> ObjectAction:
    return replace(action, destination=looked_up(s3_client(), action.destination)) if action.destination else action


def _workers(request: ObjectMapInput) -> Workers:
    """S3's own actions need no function."""
    if request.action.type != FUNCTION:
        return Workers(request.max_concurrency)
    return workers_for("batches of objects", request.max_concurrency, read_quota(lambda_client()))
