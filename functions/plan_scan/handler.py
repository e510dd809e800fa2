"""PlanScan: a table's key and size, and the segments in which its distinct keys are found."""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import dynamodb_client, lambda_client, s3_client
from sluice.dynamodb.tables import describe_table
from sluice.fields import Fields
from sluice.run_item.item_requests import PlanFacts, create_item
from sluice.runs.input import FUNCTION
from sluice.runs.paths import Run
from sluice.runs.segments import write_segments
from sluice.runs.workers import Workers, notes_of, read_quota, workers_for
from sluice.settings import ProcessorSettings, RunSettings, Settings, own_tables_from_env
from sluice.state import FIELD, FORMAT
from sluice.step import step
from sluice.workflows.distinct_keys.given_keys import copy_keys
from sluice.workflows.distinct_keys.input import MEASURE, DistinctInput
from sluice.workflows.distinct_keys.plan import plan_scan

settings = Settings.from_env()
processors = ProcessorSettings.from_env()
run_settings = RunSettings.from_env()
own_tables = own_tables_from_env()
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Check the input and plan the scan. Takes {"run", "input"}.

    Raises InvalidInputError, TableNotFoundError, SourceNotFoundError, AccessDeniedError, ServiceUnavailableError.
    """
    fields = Fields(event, ("run", "input"))
    run = Run.from_state(fields.raw("run"))
    request = DistinctInput.from_input(fields.raw("input"), processors)
    own_tables.refuse("table", request.table)
    scanning, processing = _workers(request)
    table = describe_table(dynamodb_client(), request.table)
    scan = plan_scan(request, table, run, scanning.number)
    bucket, plan = settings.data_bucket, None
    if request.keys:
        copy_keys(s3_client(), request.keys, bucket, run.given_keys_key)
    else:
        write_segments(s3_client(), bucket, run.segments_key, ({"segment": number} for number in range(scan.segments)))
        plan = {
            "bucket": bucket,
            "key": run.segments_key,
            "segments": scan.segments,
            "maxConcurrency": scan.children,
        }
    facts = PlanFacts(run.workflow, rows=None if request.keys else scan.items, parts=scan.segments if plan else None)
    create_item(dynamodb_client(), run_settings.table, scan.run_item, facts, time.time())
    logger.info("planned", extra={"segments": scan.segments, "processor": request.processor.type})
    return {
        FIELD: FORMAT,
        "scan": scan.to_state(),
        "plan": plan,
        "keys": {"bucket": bucket, "prefix": run.keys_prefix},
        "processor": request.processor.to_state(run),
        "batchSize": request.batch_size,
        "maxConcurrency": processing.number,
        "notes": notes_of([processing] if request.keys else [scanning, processing]),
        **request.tolerated_failures.to_state(),
    }


def _workers(request: DistinctInput) -> tuple[Workers, Workers]:
    """Those that scan, and those that process: state machines take no function of Sluice's or of the input's."""
    most, quota, kind = request.max_concurrency, read_quota(lambda_client()), request.processor.type
    scanning = workers_for("segments", most, quota, request.limits)
    if kind == MEASURE:
        return scanning, workers_for("batches of keys", most, quota, request.limits)
    return scanning, workers_for("batches of keys", most, quota) if kind == FUNCTION else Workers(most)
