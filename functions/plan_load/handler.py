"""PlanLoad: a source's header and checks, and the record-aligned ranges that its rows are loaded in."""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import dynamodb_client, lambda_client, s3_client
from sluice.fields import Fields
from sluice.limits import time_is_up
from sluice.run_item.item import NO_LIMITS, RunItem
from sluice.run_item.item_requests import PlanFacts, create_item
from sluice.runs.paths import Run
from sluice.runs.workers import notes_of, read_quota, workers_for
from sluice.settings import RunSettings, Settings, own_tables_from_env
from sluice.state import FIELD, FORMAT
from sluice.workflows.csv_load.input import LoadInput
from sluice.workflows.csv_load.plan import PlanProgress, Range, advance, begin, load_state, read_ranges, write_ranges

settings = Settings.from_env()
run_settings = RunSettings.from_env()
own_tables = own_tables_from_env()
logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Check the input, then cut the source into ranges until it ends or the time is up.

    Takes {"run", "input", "progress"}; `progress` is null, or what the call before returned.
    Raises InvalidInputError, SourceNotFoundError, TableNotFoundError, SourceMalformedError,
    SourceChangedError, AccessDeniedError, ServiceUnavailableError, StoppedError.
    """
    fields = Fields(event, ("run", "input", "progress"))
    run, load = Run.from_state(fields.raw("run")), LoadInput.from_input(fields.raw("input"))
    own_tables.refuse("table", load.table)
    before = (
        PlanProgress.from_state(event["progress"])
        if fields.has("progress")
        else begin(s3_client(), dynamodb_client(), load)
    )
    ranges, after, done = advance(s3_client(), load, before, time_is_up(context))
    _write(run, before, ranges)
    workers = workers_for("ranges", load.max_concurrency, read_quota(lambda_client()))
    item = RunItem(run.item_key, NO_LIMITS, min(workers.number, max(1, after.unfinished.index)))
    facts = PlanFacts(run.workflow, rows=after.rows, bytes=after.unfinished.end, parts=after.unfinished.index)
    if done:
        create_item(dynamodb_client(), run_settings.table, item, facts, time.time())
    logger.info("planned", extra={"run": run.name, "ranges": after.unfinished.index, "rows": after.rows, "done": done})
    return {
        FIELD: FORMAT,
        "done": done,
        "progress": None if done else after.to_state(),
        "load": load_state(load, after.source, after.schema, item),
        "plan": {
            "bucket": settings.data_bucket,
            "key": run.plan_key,
            "ranges": after.unfinished.index,
            "rows": after.rows,
        },
        "maxConcurrency": workers.number,
        "notes": notes_of([workers]),
        "toleratedFailurePercentage": load.tolerated_failure_percentage,
        "rejectsTolerated": load.rejects_tolerated,
    }


def _write(run: Run, before: PlanProgress, ranges: list[Range]) -> None:
    """Put the ranges after those of the calls before; what a failed call wrote is overwritten."""
    kept = before.unfinished.index
    earlier = read_ranges(s3_client(), settings.data_bucket, run.plan_key)[:kept] if kept else []
    write_ranges(s3_client(), settings.data_bucket, run.plan_key, [*earlier, *ranges])
