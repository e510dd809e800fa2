"""PlanQuery: checks the input before a query costs anything."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import aws_errors, dynamodb_client, lambda_client, s3_client
from sluice.errors import SourceNotFoundError
from sluice.fields import Fields
from sluice.run_item.item import NO_LIMITS, RunItem
from sluice.run_item.item_requests import PlanFacts, create_item
from sluice.runs.destination import looked_up
from sluice.runs.input import FUNCTION
from sluice.runs.paths import Run
from sluice.runs.workers import Workers, notes_of, read_quota, workers_for
from sluice.settings import QuerySettings, RunSettings, Settings
from sluice.state import FIELD, FORMAT
from sluice.step import step
from sluice.workflows.athena_map.input import MapInput, RowsObject

settings = Settings.from_env()
allowed = QuerySettings.from_env()
run_table = RunSettings.from_env().table
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Check the input. Takes {"run", "input"}; returns StartQueryExecution's arguments and what to do with the rows.

    Raises InvalidInputError, SourceNotFoundError, AccessDeniedError, ServiceUnavailableError, StoppedError.
    """
    fields = Fields(event, ("run", "input"))
    run = Run.from_state(fields.raw("run"))
    request = MapInput.from_input(fields.raw("input"), settings.data_bucket, allowed)
    action = request.action
    if action.destination:
        action = replace(action, destination=looked_up(s3_client(), action.destination))
    if request.rows:
        _check_rows(request.rows)
    workers = _workers(request)
    # Each batch counts its rows in the item once: one shard takes a thousand batches per second.
    create_item(dynamodb_client(), run_table, RunItem(run.item_key, NO_LIMITS, 1), PlanFacts(run.workflow), time.time())
    logger.info("planned", extra={"action": request.action.type})
    return {
        FIELD: FORMAT,
        "query": request.query and request.query.to_arguments(run, settings.data_bucket),
        "format": request.query and str(request.query.format),
        "rows": request.rows and {"bucket": request.rows.bucket, "key": request.rows.key},
        "action": action.to_state(),
        "needed": request.action.columns,
        "batchSize": request.batch_size,
        "maxConcurrency": workers.number,
        "notes": notes_of([workers]),
        **request.tolerated_failures.to_state(),
        "rejectsTolerated": request.rejects_tolerated,
    }


def _workers(request: MapInput) -> Workers:
    """Copies need no function."""
    if request.action.type != FUNCTION:
        return Workers(request.max_concurrency)
    return workers_for("batches of rows", request.max_concurrency, read_quota(lambda_client()))


def _check_rows(rows: RowsObject) -> None:
    name = f"s3://{rows.bucket}/{rows.key}"
    missing = SourceNotFoundError(f"there is no object {name}")
    with aws_errors(name, {"404": missing, "NoSuchKey": missing, "NoSuchBucket": missing}):
        s3_client().head_object(Bucket=rows.bucket, Key=rows.key)
