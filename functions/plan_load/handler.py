"""PlanLoad: a source's header and checks, and the record-aligned ranges that its rows are loaded in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import botocore.session
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import dynamodb_client, lambda_client, s3_client
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.tables import find_table
from sluice.fields import Fields
from sluice.limits import time_is_up
from sluice.mapping.encoders import encoder_for
from sluice.reading.object_gets import ObjectGets
from sluice.reading.source import Source
from sluice.run_item.item import RunItem
from sluice.run_item.item_requests import PlanFacts, create_item
from sluice.runs.chains import WorkBefore
from sluice.runs.paths import Run
from sluice.runs.plans import leave_plan_state
from sluice.runs.workers import notes_of, read_quota, workers_for
from sluice.settings import RunSettings, Settings, own_tables_from_env
from sluice.state import FIELD, FORMAT
from sluice.step import step
from sluice.workflows.csv_load.input import LoadInput
from sluice.workflows.csv_load.plan import PlanProgress, advance, begin, cutter_for, load_state
from sluice.workflows.csv_load.ranges import Range, read_ranges, stream_ranges, write_ranges
from sluice.workflows.csv_load.resume import LoadPlan, read_earlier, request_of
from sluice.workflows.csv_load.set_plan import Inspector, SetPlanner, SetProgress, is_large

settings = Settings.from_env()
run_settings = RunSettings.from_env()
own_tables = own_tables_from_env()
gets = ObjectGets.like(botocore.session.get_session(), s3_client)
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check the input, then cut the source into ranges until it ends or the time is up, or find those that are left.

    Takes {"run", "input", "progress"}; `progress` is null, or what the call before returned.
    Raises InvalidInputError, SourceNotFoundError, TableNotFoundError, SourceMalformedError,
    SourceChangedError, AccessDeniedError, ServiceUnavailableError, StoppedError.
    """
    fields = Fields(event, ("run", "input", "progress"))
    run, load = Run.from_state(fields.raw("run")), LoadInput.from_input(fields.raw("input"))
    own_tables.refuse("table", load.table)
    planned = _resume(run, load) if load.resumed_run else _plan(run, load, event.get("progress"), time_is_up(context))
    workers = workers_for("ranges", load.max_concurrency, read_quota(lambda_client()), load.spent_limits)
    item = RunItem(run.item_key, load.spent_limits, min(workers.number, max(1, planned.ranges)))
    if planned.is_done:
        _leave(run, load, planned, item)
    logger.info(
        "planned",
        extra={"ranges": planned.ranges, "rows": planned.rows, "done": planned.is_done},
    )
    return {
        FIELD: FORMAT,
        "done": planned.is_done,
        "progress": planned.progress.to_state() if planned.progress else None,
        "inspect": planned.inspect,
        "load": _load_state(load, planned, item),
        "plan": {
            "bucket": settings.data_bucket,
            "key": run.plan_key,
            "ranges": planned.ranges,
            "rows": planned.rows,
        },
        "maxConcurrency": workers.number,
        "notes": [*notes_of([workers]), *planned.notes],
        "unreadable": planned.unreadable,
        **load.tolerated_failures.to_state(),
        "rejectsTolerated": load.rejects_tolerated,
        "resumed": {"run": load.resumed_run, "done": planned.before.to_state()} if load.resumed_run else None,
    }


@dataclass(frozen=True, slots=True)
class _Planned:
    """What has been planned so far: `progress` is None when that is all. `before`: what earlier runs have done.

    `source` is None as long as nothing is known of a set's objects. `inspect`: what the children of the next step get
    that inspect them, None where there is no such step. `first_run`: the first of the runs that continue each other.
    """

    source: Source | None
    schema: KeySchema
    first_run: str
    ranges: int = 0
    rows: int = 0
    bytes: int = 0
    progress: PlanProgress | SetProgress | None = None
    inspect: dict[str, Any] | None = None
    before: WorkBefore = field(default_factory=WorkBefore)
    notes: tuple[str, ...] = ()
    unreadable: int = 0

    @property
    def is_done(self) -> bool:
        """Whether all ranges are planned."""
        return self.progress is None


def _load_state(load: LoadInput, planned: _Planned, item: RunItem) -> dict[str, Any] | None:
    return load_state(load, planned.source, planned.schema, item, planned.first_run) if planned.source else None


def _plan(run: Run, load: LoadInput, state: Mapping[str, Any] | None, is_time_up: Callable[[], bool]) -> _Planned:
    """Plan on from where the call before has come to."""
    if state and SetProgress.is_state(state):
        return _plan_set(run, load, SetProgress.from_state(state), is_time_up)
    if load.objects.is_several:
        schema = find_table(dynamodb_client(), load.table)
        return _plan_set(run, load, _planner(run, load).begin(schema), is_time_up)
    before = PlanProgress.from_state(state) if state else begin(s3_client(), dynamodb_client(), load)
    if not state and is_large(before.source, load.source.max_rows):
        return _plan_set(run, load, _planner(run, load).begin_large(before.source, before.schema), is_time_up)
    return _plan_on(run, load, before, is_time_up)


def _plan_on(run: Run, load: LoadInput, before: PlanProgress, is_time_up: Callable[[], bool]) -> _Planned:
    """Cut ranges of the one object until it ends or the time is up."""
    ranges, after, done = advance(s3_client(), load, before, is_time_up)
    _write(run, before, ranges)
    return _Planned(
        after.source,
        after.schema,
        run.name,
        after.unfinished.index,
        after.rows,
        after.unfinished.end,
        None if done else after,
    )


def _planner(run: Run, load: LoadInput) -> SetPlanner:
    inspector = Inspector(s3_client(), gets, settings.data_bucket, run)
    return SetPlanner(inspector, load.objects, load.range_bytes, load.source.max_rows)


def _plan_set(run: Run, load: LoadInput, progress: SetProgress, is_time_up: Callable[[], bool]) -> _Planned:
    """Inspect what is little here and now; join what was inspected."""
    planner = _planner(run, load)
    if progress.is_inline and not progress.is_inspected:
        progress = planner.inspect(progress, is_time_up)
    if not progress.is_inspected:
        inspect = None if progress.is_inline else planner.children(progress)
        return _Planned(progress.source, progress.schema, run.name, progress=progress, inspect=inspect)
    plan = planner.join(progress, cutter_for(load, progress.schema))
    return _Planned(
        plan.source,
        progress.schema,
        run.name,
        plan.ranges,
        plan.rows,
        plan.bytes,
        notes=plan.notes,
        unreadable=plan.unreadable,
    )


def _resume(run: Run, load: LoadInput) -> _Planned:
    """The ranges that an earlier run has left."""
    earlier = read_earlier(s3_client(), settings.data_bucket, run, str(load.resumed_run))
    earlier.check(s3_client(), load)
    schema, source = find_table(dynamodb_client(), load.table), earlier.plan.source
    encoder_for(load_state(load, source, schema), source.header, schema, has_identity=True)
    sums = stream_ranges(s3_client(), settings.data_bucket, run.plan_key, earlier.left())
    return _Planned(source, schema, earlier.first_run, sums.ranges, sums.rows, sums.bytes, before=earlier.done)


def _leave(run: Run, load: LoadInput, planned: _Planned, item: RunItem) -> None:
    """Write what a run needs that continues this one, and the run's item."""
    if planned.source is not None:
        plan = LoadPlan(request_of(load), planned.source, planned.schema, planned.before, planned.first_run)
        leave_plan_state(s3_client(), settings.data_bucket, run, plan)
    facts = PlanFacts(run.workflow, rows=planned.rows, bytes=planned.bytes, parts=planned.ranges)
    create_item(dynamodb_client(), run_settings.table, item, facts, time.time())


def _write(run: Run, before: PlanProgress, ranges: list[Range]) -> None:
    """Put the ranges after those of the calls before; what a failed call wrote is overwritten."""
    kept = before.unfinished.index
    earlier = read_ranges(s3_client(), settings.data_bucket, run.plan_key)[:kept] if kept else []
    write_ranges(s3_client(), settings.data_bucket, run.plan_key, [*earlier, *ranges])
