"""The end of a run: its item is closed, its metrics are reported, its report is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import dynamodb_client, s3_client
from sluice.dynamodb.prices import units_usd
from sluice.limits import time_is_up
from sluice.report.facts import ItemFacts, read_facts
from sluice.report.page import render
from sluice.runs.closing import close_run
from sluice.runs.paths import Run
from sluice.runs.summary import Status
from sluice.step import report

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# The metric by outcome, of rows: items, records, keys or objects, whatever the workflow counts.
ROW_METRICS = {
    "read": "RowsRead",
    "written": "RowsWritten",
    "skipped": "RowsSkipped",
    "rejected": "RowsRejected",
    "failed": "RowsFailed",
}

logger = Logger(child=True)


def end_run(bucket: str, run_table: str, run: Run, summary: Mapping[str, Any], context: LambdaContext) -> None:
    """What is done once the summary is written. No run depends on it, and nothing of it fails a run."""
    item = close_run(dynamodb_client(), run_table, run, summary)
    report(run.workflow, run_metrics(summary))
    leave_report(s3_client(), bucket, run, summary, item, is_time_up=time_is_up(context))


def run_metrics(summary: Mapping[str, Any]) -> dict[str, tuple[MetricUnit, float]]:
    """One of RunsComplete, RunsPartial, RunsFailed and RunsStopped is 1; rows by outcome; units, and their USD."""
    ended = {f"Runs{each.capitalize()}": int(summary["status"] == each) for each in Status}
    counts, capacity = summary.get("counts") or {}, summary.get("capacity") or {}
    rows = {metric: int(counts.get(name, 0)) for name, metric in ROW_METRICS.items()}
    units = {"ReadUnits": float(capacity.get("readUnits") or 0), "WriteUnits": float(capacity.get("writeUnits") or 0)}
    usd = {"UnitsUsd": units_usd(units["ReadUnits"], units["WriteUnits"])}
    return {
        **{name: (MetricUnit.Count, value) for name, value in (ended | rows | units).items()},
        **{name: (MetricUnit.NoUnit, value) for name, value in usd.items()},
    }


def leave_report(
    s3: S3Client,
    bucket: str,
    run: Run,
    summary: Mapping[str, Any],
    item: Mapping[str, Any],
    *,
    is_time_up: Callable[[], bool],
) -> None:
    """Write report.html below the run's prefix. `item` is shard 0 of the run's item in DynamoDB JSON, or empty.

    A report that would take too long lacks children. Whatever goes wrong is logged: `sluice report` can make the page.
    """
    known = ItemFacts.from_shards([item] if item else [])
    try:
        page = render(read_facts(s3, bucket, run, summary, known, is_time_up=is_time_up)).encode()
        s3.put_object(Bucket=bucket, Key=run.report_page_key, Body=page, ContentType="text/html; charset=utf-8")
    except Exception:
        logger.exception("the run has no report", extra={"run": run.name})
