"""PlanLoad: a source's header and checks, and the record-aligned ranges that its rows are loaded in."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import dynamodb_client, lambda_client, s3_client
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.tables import find_table
from sluice.fields import Fields
from sluice.limits import time_is_up
from sluice.mapping.encoders import encoder_for
from sluice.reading.source import Source
from sluice.run_item.item import NO_LIMITS, RunItem
from sluice.run_item.item_requests import PlanFacts, create_item
from sluice.runs.chains import WorkBefore
from sluice.runs.paths import Run
from sluice.runs.plans import leave_plan_state
from sluice.runs.workers import notes_of, read_quota, workers_for
from sluice.settings import RunSettings, Settings, own_tables_from_env
from sluice.state import FIELD, FORMAT
from sluice.workflows.csv_load.input import LoadInput
from sluice.workflows.csv_load.plan import PlanProgress, Range, advance, begin, load_state, read_ranges, write_ranges
from sluice.workflows.csv_load.resume import LoadPlan, read_earlier, request_of

settings = Settings.from_env()
run_settings = RunSettings.from_env()
own_tables = own_tables_from_env()
logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check the input, then cut the source into ranges until it ends or the time is up, or find those that are left.

    Takes {"run", "input", "progress"}; `progress` is null, or what the call before returned.
    Raises InvalidInputError, SourceNotFoundError, TableNotFoundError, SourceMalformedError,
    SourceChangedError, AccessDeniedError, ServiceUnavailableError, StoppedError.
    """
    fields = Fields(event, ("run", "input", "progress"))
    run, load = Run.from_state(fields.raw("run")), LoadInput.from_input(fields.raw("input"))
    own_tables.refuse("table", load.table)
    planned = _resume(run, load) if load.resumed_run else _plan(run, load, event, context)
    workers = workers_for("ranges", load.max_concurrency, read_quota(lambda_client()))
    item = RunItem(run.item_key, NO_LIMITS, min(workers.number, max(1, planned.ranges)))
    if planned.is_done:
        _leave(run, load, planned, item)
    logger.info(
        "planned",
        extra={"run": run.name, "ranges": planned.ranges, "rows": planned.rows, "done": planned.is_done},
    )
    return {
        FIELD: FORMAT,
        "done": planned.is_done,
        "progress": planned.progress.to_state() if planned.progress else None,
        "load": load_state(load, planned.source, planned.schema, item, planned.first_run),
        "plan": {
            "bucket": settings.data_bucket,
            "key": run.plan_key,
            "ranges": planned.ranges,
            "rows": planned.rows,
        },
        "maxConcurrency": workers.number,
        "notes": notes_of([workers]),
        "toleratedFailurePercentage": load.tolerated_failure_percentage,
        "rejectsTolerated": load.rejects_tolerated,
        "resumed": {"run": load.resumed_run, "done": planned.before.to_state()} if load.resumed_run else None,
    }


@dataclass(frozen=True, slots=True)
class _Planned:
    """What has been planned so far: `progress` is None when that is all. `before`: what earlier runs have done.

    `first_run`: the first of the runs that continue each other.
    """

    source: Source
    schema: KeySchema
    ranges: int
    rows: int
    bytes: int
    first_run: str
    progress: PlanProgress | None = None
    before: WorkBefore = field(default_factory=WorkBefore)

    @property
    def is_done(self) -> bool:
        """Whether all ranges are planned."""
        return self.progress is None


def _plan(run: Run, load: LoadInput, event: dict[str, Any], context: LambdaContext) -> _Planned:
    """Cut ranges until the source ends or the time is up."""
    progress = event.get("progress")
    before = PlanProgress.from_state(progress) if progress else begin(s3_client(), dynamodb_client(), load)
    ranges, after, done = advance(s3_client(), load, before, time_is_up(context))
    _write(run, before, ranges)
    return _Planned(
        after.source,
        after.schema,
        after.unfinished.index,
        after.rows,
        after.unfinished.end,
        run.name,
        None if done else after,
    )


def _resume(run: Run, load: LoadInput) -> _Planned:
    """The ranges that an earlier run has left."""
    earlier = read_earlier(s3_client(), settings.data_bucket, run, str(load.resumed_run))
    earlier.check(s3_client(), load)
    schema, source, left = find_table(dynamodb_client(), load.table), earlier.plan.source, earlier.left
    encoder_for(load_state(load, source, schema), source.header, schema, has_identity=True)
    write_ranges(s3_client(), settings.data_bucket, run.plan_key, left)
    rows, size = sum(each.rows for each in left), sum(each.end - each.start for each in left)
    return _Planned(source, schema, len(left), rows, size, earlier.first_run, before=earlier.done)


def _leave(run: Run, load: LoadInput, planned: _Planned, item: RunItem) -> None:
    """Write what a run needs that continues this one, and the run's item."""
    plan = LoadPlan(request_of(load), planned.source, planned.schema, planned.before, planned.first_run)
    leave_plan_state(s3_client(), settings.data_bucket, run, plan)
    facts = PlanFacts(run.workflow, rows=planned.rows, bytes=planned.bytes, parts=planned.ranges)
    create_item(dynamodb_client(), run_settings.table, item, facts, time.time())


def _write(run: Run, before: PlanProgress, ranges: list[Range]) -> None:
    """Put the ranges after those of the calls before; what a failed call wrote is overwritten."""
    kept = before.unfinished.index
    earlier = read_ranges(s3_client(), settings.data_bucket, run.plan_key)[:kept] if kept else []
    write_ranges(s3_client(), settings.data_bucket, run.plan_key, [*earlier, *ranges])
