"""PlanTransform: the input is checked, and the table cut into segments, or what an earlier run has left of them."""

from __future__ import annotations

import time
from typing import Any

import botocore.session
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import dynamodb_client, lambda_client, s3_client
from sluice.aws.wire import Wire
from sluice.fields import Fields
from sluice.run_item.item_requests import PlanFacts, create_item
from sluice.runs.paths import Run
from sluice.runs.segments import write_segments
from sluice.runs.workers import notes_of, read_quota, workers_for
from sluice.settings import RunSettings, Settings, own_tables_from_env
from sluice.state import FIELD, FORMAT
from sluice.workflows.table_transform.input import TransformInput
from sluice.workflows.table_transform.plan import EarlierRun, TransformPlan, leave_plan, plan_transform, read_earlier
from sluice.workflows.table_transform.progress import Done

settings = Settings.from_env()
run_settings = RunSettings.from_env()
own_tables = own_tables_from_env()
logger = Logger()
wire = Wire.from_session(botocore.session.get_session())


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Check the input and plan the segments. Takes {"run", "input"}.

    Raises InvalidInputError, TableNotFoundError, PointInTimeRecoveryError, AccessDeniedError, ServiceUnavailableError,
    ThrottledError.
    """
    fields = Fields(event, ("run", "input"))
    run = Run.from_state(fields.raw("run"))
    request = TransformInput.from_input(fields.raw("input"))
    own_tables.refuse("table", request.table)
    own_tables.refuse("target", request.target)
    earlier = read_earlier(s3_client(), settings.data_bucket, run, request.resumed_run) if request.resumed_run else None
    workers = workers_for("segments", request.max_concurrency, read_quota(lambda_client()), request.spent_limits)
    plan = plan_transform(
        dynamodb_client(),
        wire.call,
        request,
        run,
        children=workers.number,
        earlier=earlier,
    )
    _leave(run, plan, earlier)
    logger.info("planned", extra={"run": run.name, "segments": len(plan.segments), "mode": plan.job.mode})
    return {
        FIELD: FORMAT,
        **plan.to_state(run, settings.data_bucket),
        "toleratedFailurePercentage": request.tolerated_failure_percentage,
        "rejectsTolerated": request.rejects_tolerated,
        "verify": {"sample": request.verify_sample} if request.verify_sample and not plan.job.is_dry_run else None,
        "notes": notes_of([workers]),
        "resumed": {"run": earlier.name, "done": earlier.done.to_state()} if earlier else None,
    }


def _leave(run: Run, plan: TransformPlan, earlier: EarlierRun | None) -> None:
    """Write the segments, what a run needs that continues this one, and the run's item."""
    s3, bucket = s3_client(), settings.data_bucket
    lines = [
        {"segment": number, "progress": progress.to_state() if earlier else None}
        for number, progress in plan.segments.items()
    ]
    write_segments(s3, bucket, run.segments_key, lines)
    leave_plan(s3, bucket, run, plan.job, segments=plan.segments, before=earlier.done if earlier else Done())
    facts = PlanFacts(run.workflow, rows=None if earlier else plan.items, parts=len(plan.segments))
    create_item(dynamodb_client(), run_settings.table, plan.run_item, facts, time.time())
