"""PlanAggregation: check the request for the objects below a prefix before any of them is read."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import aws_errors, dynamodb_client, lambda_client, s3_client
from sluice.errors import SourceNotFoundError
from sluice.fields import Fields
from sluice.run_item.item import NO_LIMITS, RunItem
from sluice.run_item.item_requests import PlanFacts, create_item
from sluice.runs.paths import Run
from sluice.runs.workers import notes_of, read_quota, workers_for
from sluice.settings import RunSettings, Settings
from sluice.step import step
from sluice.workflows.object_aggregate.input import AggregationInput

if TYPE_CHECKING:
    from sluice.workflows.object_aggregate.aggregation import Aggregation

settings = Settings.from_env()
run_table = RunSettings.from_env().table
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Check the input, and that there is anything to aggregate. Takes {"run", "input"}.

    Raises InvalidInputError, SourceNotFoundError, AccessDeniedError, ServiceUnavailableError, StoppedError.
    """
    fields = Fields(event, ("run", "input"))
    run = Run.from_state(fields.raw("run"))
    request = AggregationInput.from_input(fields.raw("input"), run, settings.data_bucket)
    _check_objects(request.aggregation)
    workers = workers_for("batches of objects", request.max_concurrency, read_quota(lambda_client()))
    logger.info("planned", extra={"batchSize": request.batch_size})
    item = RunItem(run.item_key, NO_LIMITS, workers.number)
    create_item(dynamodb_client(), run_table, item, PlanFacts(run.workflow), time.time())
    state = replace(request, max_concurrency=workers.number).to_state()
    return state | {
        "aggregation": {**state["aggregation"], "runItem": item.to_state()},
        "notes": notes_of([workers]),
    }


def _check_objects(aggregation: Aggregation) -> None:
    """A prefix without any object is nearly always a typing error: it must not look like an empty result."""
    bucket, prefix = aggregation.bucket, aggregation.prefix
    missing = SourceNotFoundError(f"there is no bucket {bucket}")
    with aws_errors(f"s3://{bucket}/{prefix}", {"NoSuchBucket": missing}):
        found = s3_client().list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
    if not found.get("Contents"):
        raise SourceNotFoundError(f"there is no object in s3://{bucket} whose key begins with {prefix}")
