"""The report as a run's last step leaves it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from sluice.report.facts import ItemFacts, read_facts
from sluice.report.page import render
from sluice.runs.paths import Run

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

logger = Logger(child=True)


def leave_report(s3: S3Client, bucket: str, run: Run, summary: Mapping[str, Any], item: Mapping[str, Any]) -> None:
    """Write report.html below the run's prefix. `item` is shard 0 of the run's item in DynamoDB JSON, or empty.

    Nothing depends on the report: whatever goes wrong is logged, and `sluice report` can make it later.
    """
    shards = [{"endedAt": {"N": f"{time.time():.3f}"}, **item}] if item else []
    try:
        page = render(read_facts(s3, bucket, run, summary, ItemFacts.from_shards(shards)))
        s3.put_object(
            Bucket=bucket, Key=run.report_page_key, Body=page.encode(), ContentType="text/html; charset=utf-8"
        )
    except Exception:
        logger.exception("the run has no report", extra={"run": run.name})
