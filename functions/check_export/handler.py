"""CheckExport: check an export's manifests and keys, and make the input of every child."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import aws_errors, dynamodb_client, lambda_client, s3_client
from sluice.fields import Fields
from sluice.run_item.item import RunItem
from sluice.run_item.item_requests import PlanFacts, create_item
from sluice.runs.chains import WorkBefore
from sluice.runs.paths import Run
from sluice.runs.plans import leave_plan_state
from sluice.runs.segments import write_segments
from sluice.runs.workers import notes_of, read_quota, workers_for
from sluice.settings import RunSettings, Settings, own_tables_from_env
from sluice.state import FIELD, FORMAT
from sluice.step import step
from sluice.workflows.export_process.files import COUNT
from sluice.workflows.export_process.input import ObjectLocation, ProcessInput, TableTarget
from sluice.workflows.export_process.mirror import Mirror
from sluice.workflows.export_process.plan import Checked, check
from sluice.workflows.export_process.resume import (
    EarlierProcess,
    ProcessPlan,
    read_earlier,
    request_of,
)

settings = Settings.from_env()
run_settings = RunSettings.from_env()
own_tables = own_tables_from_env()
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Check the input, the export that it names and the sink.

    Takes {"run", "input"}. Raises InvalidInputError, SourceNotFoundError, SourceMalformedError,
    ExportNotCompletedError, TableNotFoundError, AccessDeniedError, ServiceUnavailableError.
    """
    fields = Fields(event, ("run", "input"))
    run = Run.from_state(fields.raw("run"))
    request = ProcessInput.from_input(fields.raw("input"), settings.data_bucket)
    if isinstance(request.sink, TableTarget):
        own_tables.refuse("sink.table", request.sink.table)
    own_list = ObjectLocation(settings.data_bucket, run.plan_key)
    earlier = read_earlier(s3_client(), settings.data_bucket, run, request.resumed_run) if request.resumed_run else None
    if earlier:
        earlier.check(request)
    checked = check(s3_client(), dynamodb_client(), request, own_list)
    records = checked.items
    if earlier:
        checked = _rest(earlier, checked, own_list)
    workers = workers_for("files", request.max_concurrency, read_quota(lambda_client()), request.limits)
    mirror = checked.target.mirror
    parts = max(checked.filled, mirror.total_segments if mirror else 0)
    item = RunItem(run.item_key, request.limits, max(1, min(workers.number, parts)))
    listed_in = checked.listed_in
    if checked.manifest is not None:
        with aws_errors(f"s3://{listed_in.bucket}/{listed_in.key}"):
            s3_client().put_object(Bucket=listed_in.bucket, Key=listed_in.key, Body=checked.manifest)
    before = earlier.done if earlier else WorkBefore()
    warnings = (*(earlier.plan.warnings if earlier else ()), *checked.target.warnings)
    plan = ProcessPlan(request_of(request), checked.process, listed_in.bucket, listed_in.key, before, warnings)
    leave_plan_state(s3_client(), settings.data_bucket, run, plan)
    if mirror:
        lines = [{"segment": number} for number in range(mirror.total_segments)]
        write_segments(s3_client(), settings.data_bucket, run.mirror_segments_key, lines)
    facts = PlanFacts(run.workflow, rows=checked.items, parts=checked.files)
    create_item(dynamodb_client(), run_settings.table, item, facts, time.time())
    logger.info("checked", extra={"files": checked.files, "items": checked.items})
    return {
        FIELD: FORMAT,
        "process": replace(checked.process, run_item=item.to_state()).to_state(),
        "plan": {
            "bucket": listed_in.bucket,
            "key": listed_in.key,
            "files": checked.files,
            "items": checked.items,
        },
        "maxConcurrency": workers.number,
        "notes": [*notes_of([workers]), *warnings],
        "mirror": _mirror_state(run, mirror, records) if mirror else None,
        **request.tolerated_failures.to_state(),
        "rejectsTolerated": request.rejects_tolerated,
        "resumed": {"run": earlier.name, "done": before.to_state()} if earlier else None,
    }


def _mirror_state(run: Run, mirror: Mirror, records: int) -> dict[str, Any]:
    """`records`: how many the whole export has."""
    location = {"bucket": settings.data_bucket, "key": run.mirror_segments_key}
    return {**location, "job": mirror.to_state(), "records": records}


def _rest(earlier: EarlierProcess, checked: Checked, own_list: ObjectLocation) -> Checked:
    """What is left of an earlier run, in a list of the run's own."""
    lines = earlier.left
    return replace(
        checked,
        listed_in=own_list,
        files=len(lines),
        filled=sum(bool(each[COUNT]) for each in lines),
        items=sum(each[COUNT] for each in lines),
        manifest=b"".join(json.dumps(each).encode() + b"\n" for each in lines),
    )
