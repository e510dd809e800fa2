"""PlanScan: a table's key and size, and the segments in which its distinct keys are found."""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws import dynamodb_client, s3_client
from sluice.fields import Fields
from sluice.format_version import FIELD, FORMAT
from sluice.pacing.budget_item import create_item
from sluice.run import Run
from sluice.scanning.distinct_input import MEASURE, DistinctInput
from sluice.scanning.given_keys import copy_keys
from sluice.scanning.scan_plan import plan_scan, write_segments
from sluice.settings import BudgetSettings, ProcessorSettings, Settings
from sluice.writing.tables import describe_table

settings = Settings.from_env()
processors = ProcessorSettings.from_env()
budgets = BudgetSettings.from_env()
logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Check the input and plan the scan. Takes {"run", "input"}.

    Raises InvalidInputError, TableNotFoundError, SourceNotFoundError, AccessDeniedError, ServiceUnavailableError.
    """
    fields = Fields(event, ("run", "input"))
    run = Run.from_state(fields.raw("run"))
    asked = DistinctInput.from_input(fields.raw("input"), processors)
    scan = plan_scan(asked, describe_table(dynamodb_client(), asked.table), run, budgets.table)
    bucket, plan = settings.data_bucket, None
    if asked.keys:
        copy_keys(s3_client(), asked.keys, bucket, run.given_keys_key)
    else:
        write_segments(s3_client(), bucket, run.segments_key, ({"segment": number} for number in range(scan.segments)))
        plan = {
            "bucket": bucket,
            "key": run.segments_key,
            "segments": scan.segments,
            "maxConcurrency": scan.children,
        }
    if scan.budget:
        create_item(dynamodb_client(), scan.budget, time.time())
    logger.info("planned", extra={"run": run.name, "segments": scan.segments, "processor": asked.processor.type})
    return {
        FIELD: FORMAT,
        "scan": scan.to_state(),
        "plan": plan,
        "keys": {"bucket": bucket, "prefix": run.keys_prefix},
        "processor": asked.processor.to_state(run),
        "batchSize": asked.batch_size,
        "maxConcurrency": scan.children if asked.processor.type == MEASURE else asked.max_concurrency,
        "toleratedFailurePercentage": asked.tolerated_failure_percentage,
    }
