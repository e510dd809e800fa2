"""StopWorkers: end the workers of a run whose execution was stopped, timed out or failed."""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import aws_errors, dynamodb_client
from sluice.run_item.item_requests import stop_run
from sluice.runs.paths import run_of_execution
from sluice.settings import RunSettings
from sluice.step import step

run_settings = RunSettings.from_env()
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Set the stop flag of the run. Raises AccessDeniedError, ServiceUnavailableError, UnexpectedResponseError.

    Takes EventBridge's event "Step Functions Execution Status Change". A run without an item has no workers.
    https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    """
    detail = event["detail"]
    run = run_of_execution(detail["executionArn"])
    with aws_errors(f"the item {run.item_key} of table {run_settings.table}"):
        is_stopped = stop_run(dynamodb_client(), run_settings.table, run.item_key, detail["status"], time.time())
    logger.info("execution ended", extra={"run": run.name, "status": detail["status"], "stopped": is_stopped})
    return {"stopped": is_stopped}
