"""SummarizeObjects: the outcomes of the batches and of the last merge become the run's summary."""

from __future__ import annotations

import json
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import aws_errors, s3_client
from sluice.fields import Fields
from sluice.report.ending import end_run
from sluice.runs.paths import Run
from sluice.runs.results import map_run_records, read_until_complete
from sluice.runs.summary import SUBJECT, RunError, with_subject
from sluice.settings import RunSettings, Settings
from sluice.step import step
from sluice.workflows.object_aggregate.merge_plan import MergeProgress
from sluice.workflows.object_aggregate.summary import Collected, ObjectsSummary, checked, merge_error

settings = Settings.from_env()
run_table = RunSettings.from_env().table
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Sum up a run. Raises InvalidInputError, AccessDeniedError, ServiceUnavailableError.

    Takes {"run", "collected": PlanReduction's, "reduced": ReduceAggregates' progress, "error": {"name", "message"}};
    all but the run may be null. `subject` is what with_subject takes.
    """
    fields = Fields(event, ("run", SUBJECT, "collected", "reduced", "error"))
    run, collected = Run.from_state(fields.raw("run")), Collected.from_plan(event.get("collected"))
    reduced = MergeProgress.from_state(event["reduced"]) if fields.has("reduced") else None
    error = RunError.from_state(event.get("error"))
    with aws_errors(f"s3://{settings.data_bucket}/{run.prefix}"):
        if error and error.exceeds_threshold and fields.has("collected"):
            error = _of_merge(run) or error
        summary = ObjectsSummary(run, settings.data_bucket, collected, reduced, checked(collected, reduced, error))
        state = with_subject(summary.to_state(), event)
        s3_client().put_object(
            Bucket=settings.data_bucket,
            Key=run.summary_key,
            Body=json.dumps(state, ensure_ascii=False, indent=2).encode(),
        )
    end_run(settings.data_bucket, run_table, run, state, context)
    logger.info("run summarized", extra={"status": state["status"], "counts": state["counts"]})
    return state


def _of_merge(run: Run) -> RunError | None:
    """The error of a merge that failed, instead of "threshold exceeded". PlanReduction reports those of batches."""
    prefix = f"{run.results_prefix}/merges"
    return read_until_complete(
        lambda: merge_error(map_run_records(s3_client(), settings.data_bucket, prefix, None)), bool
    )
