"""PlanScan: a table's key and size, and the segments in which its distinct keys are found."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws import aws_errors, dynamodb_client, s3_client
from sluice.errors import SourceNotFoundError
from sluice.fields import Fields
from sluice.run import Run
from sluice.scanning.distinct_input import DistinctInput, KeysObject
from sluice.scanning.scan_plan import plan_scan, write_segments
from sluice.settings import ProcessorSettings, Settings
from sluice.writing.tables import describe_table

settings = Settings.from_env()
processors = ProcessorSettings.from_env()
logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Check the input and plan the scan. Takes {"run", "input"}.

    Raises InvalidInputError, TableNotFoundError, SourceNotFoundError, AccessDeniedError, ServiceUnavailableError.
    """
    fields = Fields(event, ("run", "input"))
    run = Run.from_state(fields.raw("run"))
    asked = DistinctInput.from_input(fields.raw("input"), processors)
    scan = plan_scan(asked, describe_table(dynamodb_client(), asked.table))
    keys = _given_keys(asked.keys) if asked.keys else {"bucket": settings.data_bucket, "prefix": run.keys_prefix}
    if not asked.keys:
        write_segments(s3_client(), settings.data_bucket, run.segments_key, scan.segments)
    logger.info("planned", extra={"run": run.name, "segments": scan.segments, "processor": asked.processor.type})
    return {
        "scan": scan.to_state(),
        "plan": None
        if asked.keys
        else {"bucket": settings.data_bucket, "key": run.segments_key, "segments": scan.segments},
        "keys": keys,
        "processor": asked.processor.to_state(run),
        "batchSize": asked.batch_size,
        "maxConcurrency": asked.max_concurrency,
        "toleratedFailurePercentage": asked.tolerated_failure_percentage,
    }


def _given_keys(given: KeysObject) -> dict[str, str]:
    """The object as a prefix to list. Raises SourceNotFoundError when it is not there."""
    name = f"s3://{given.bucket}/{given.key}"
    missing = SourceNotFoundError(f"there is no object {name}")
    with aws_errors(name, {"404": missing, "NoSuchKey": missing, "NoSuchBucket": missing}):
        s3_client().head_object(Bucket=given.bucket, Key=given.key)
    return {"bucket": given.bucket, "prefix": given.key}
