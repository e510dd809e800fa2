"""PlanTransform: the input is checked, and the table cut into segments, or what an earlier run left of them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import botocore.session
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import dynamodb_client, lambda_client, s3_client
from sluice.aws.wire import Wire
from sluice.fields import Fields
from sluice.run_item.item_requests import PlanFacts, create_item
from sluice.runs.input import APPLY
from sluice.runs.paths import Run
from sluice.runs.segments import write_segments
from sluice.runs.workers import notes_of, read_quota, workers_for
from sluice.settings import RunSettings, Settings, own_tables_from_env
from sluice.state import FIELD, FORMAT
from sluice.step import step
from sluice.workflows.table_transform.handover import EarlierRun, Purpose, RunFiles
from sluice.workflows.table_transform.input import TransformInput
from sluice.workflows.table_transform.plan import TransformPlan, plan_transform

settings = Settings.from_env()
run_settings = RunSettings.from_env()
own_tables = own_tables_from_env()
logger = Logger()
wire = Wire.from_session(botocore.session.get_session())


@step
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Check the input and plan the segments. Takes {"run", "input"}.

    Raises InvalidInputError, TableNotFoundError, PointInTimeRecoveryError, AccessDeniedError, ServiceUnavailableError,
    ThrottledError.
    """
    fields = Fields(event, ("run", "input"))
    run = Run.from_state(fields.raw("run"))
    request = TransformInput.from_input(fields.raw("input"))
    files = RunFiles(s3_client(), settings.data_bucket, run)
    undone = _undone(files, request)
    if undone:
        request = request.undoing(undone.check_undo())
    own_tables.refuse("table", request.table)
    own_tables.refuse("target", request.target)
    earlier = files.read(request.resumed_run, "resume.run") if request.resumed_run else None
    workers = workers_for("segments", request.max_concurrency, read_quota(lambda_client()), request.spent_limits)
    undoes = (*undone.runs, undone.name) if undone else ()

    def plan(earlier: EarlierRun | None) -> TransformPlan:
        return plan_transform(
            dynamodb_client(),
            wire.call,
            request,
            run,
            children=workers.number,
            earlier=earlier,
            undoes=undoes,
        )

    # Everything is checked before the earlier run is claimed, and its workers are cut off.
    planned = plan(earlier)
    if earlier:
        earlier = _taken_over(files, earlier)
        planned = plan(earlier)
    elif undone and request.mode == APPLY:
        _close(files, undone)
    _leave(files, planned, earlier)
    logger.info("planned", extra={"segments": len(planned.segments), "mode": planned.job.mode})
    verifies = request.verify_sample and not planned.job.is_dry_run
    return {
        FIELD: FORMAT,
        **planned.to_state(run, settings.data_bucket),
        **request.tolerated_failures.to_state(),
        "rejectsTolerated": request.rejects_tolerated,
        "verify": {"sample": request.verify_sample} if verifies else None,
        "notes": notes_of([workers]),
        "resumed": {"run": earlier.name, "done": earlier.done.to_state()} if earlier else None,
    }


def _undone(files: RunFiles, request: TransformInput) -> EarlierRun | None:
    return files.read(request.undone_run, "undo.run") if request.undone_run else None


def _taken_over(files: RunFiles, earlier: EarlierRun) -> EarlierRun:
    """Cut off the workers of the run that is resumed; from then on this run alone continues it."""
    files.hand_over(earlier.name, Purpose.RESUME)
    return files.seal(earlier)


def _close(files: RunFiles, undone: EarlierRun) -> None:
    """Cut off the workers of the run that is undone, and see that none of them writes any more."""
    files.hand_over(undone.name, Purpose.UNDO)
    files.seal(undone).check_quiet(datetime.now(UTC))


def _leave(files: RunFiles, planned: TransformPlan, earlier: EarlierRun | None) -> None:
    """Write the segments, what a run needs that continues this one, and the run's item."""
    lines = [
        {"segment": number, "progress": progress.to_state() if earlier else None}
        for number, progress in planned.segments.items()
    ]
    write_segments(files.s3, files.bucket, files.run.segments_key, lines)
    files.write_plan(planned.job, planned.segments, earlier)
    facts = PlanFacts(files.run.workflow, rows=None if earlier else planned.items, parts=len(planned.segments))
    create_item(dynamodb_client(), run_settings.table, planned.run_item, facts, time.time())
