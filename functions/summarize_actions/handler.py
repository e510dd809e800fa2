"""SummarizeActions: the result files of the Map Run become the run's summary, and files of objects and results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import IO, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import aws_errors, s3_client
from sluice.fields import Fields
from sluice.report.ending import end_run
from sluice.runs.input import APPLY
from sluice.runs.paths import Run
from sluice.runs.results import empty, map_run_records, read_until_complete, spool, upload
from sluice.runs.summary import SUBJECT, RunError, with_subject
from sluice.runs.undone import ItemsDone
from sluice.settings import RunSettings, Settings
from sluice.state import readable
from sluice.step import step
from sluice.workflows.object_map.listing import Listing
from sluice.workflows.object_map.summary import ObjectMapSummary, failure_reason_of_objects, result_lines

settings = Settings.from_env()
run_table = RunSettings.from_env().table
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Sum up a run. Raises InvalidInputError, AccessDeniedError, ServiceUnavailableError.

    Takes {"run", "planned": PlanActions' result, "listing": ListObjects', "mapRun": the Map's, "error": {"name",
    "message"}}; all but the run may be null. `subject` is what with_subject takes.
    """
    fields = Fields(event, ("run", SUBJECT, "planned", "listing", "mapRun", "error"))
    run = Run.from_state(fields.raw("run"))
    planned: Mapping[str, Any] = readable(fields.raw("planned"), "the run's plan") if fields.has("planned") else {}
    listing = Listing.from_state(fields.raw("listing")) if fields.has("listing") else None
    listing = listing if listing and listing.done else None
    with aws_errors(f"s3://{settings.data_bucket}/{run.prefix}"):
        state = with_subject(_summarize(run, planned, listing, event).to_state(), event)
        body = json.dumps(state, ensure_ascii=False, indent=2).encode()
        s3_client().put_object(Bucket=settings.data_bucket, Key=run.summary_key, Body=body)
    end_run(settings.data_bucket, run_table, run, state, context)
    logger.info("run summarized", extra={"status": state["status"], "counts": state["counts"]})
    return state


def _summarize(
    run: Run, planned: Mapping[str, Any], listing: Listing | None, event: Mapping[str, Any]
) -> ObjectMapSummary:
    error = RunError.from_state(event.get("error"))
    done, results = ItemsDone(), 0
    if listing and listing.batches and planned["mode"] == APPLY:
        done, results = _gather_files(run, listing, event.get("mapRun"))
    summary = ObjectMapSummary(run, settings.data_bucket, planned, listing, done, results, error)
    return replace(summary, error=failure_reason_of_objects(summary))


@dataclass(slots=True)
class _Files:
    """Objects that were not done: rejects and failures with their errors, the failed ones alone; and results."""

    rejects: IO[bytes]
    failures: IO[bytes]
    failed_objects: IO[bytes]
    results: IO[bytes]
    result_count: int = 0

    def empty(self) -> None:
        """Start again with empty files."""
        self.result_count = 0
        for each in (self.rejects, self.failures, self.failed_objects, self.results):
            empty(each)


def _gather_files(run: Run, listing: Listing, map_run: Mapping[str, Any] | None) -> tuple[ItemsDone, int]:
    """What became of each object; waits for result files that have every batch, but not for ever."""
    with ExitStack() as stack:
        rejects, failures, failed_objects, results = (stack.enter_context(spool()) for _ in range(4))
        files = _Files(rejects, failures, failed_objects, results)
        done = read_until_complete(
            lambda: _gather(run, map_run, files), lambda gathered: gathered.batches >= listing.batches
        )
        for is_there, file, key in (
            (done.rejected, files.rejects, run.rejects_key),
            (done.failed, files.failures, run.failures_key),
            (done.failed, files.failed_objects, run.failed_objects_key),
            (files.result_count, files.results, run.function_results_key),
        ):
            if is_there:
                upload(s3_client(), file, settings.data_bucket, key)
        return done, files.result_count


def _gather(run: Run, map_run: Mapping[str, Any] | None, files: _Files) -> ItemsDone:
    files.empty()
    done = ItemsDone()
    for record in map_run_records(s3_client(), settings.data_bucket, run.results_prefix, map_run):
        for undone in done.add(record):
            (files.rejects if undone.is_reject else files.failures).write(undone.to_line())
            if not undone.is_reject:
                files.failed_objects.write(json.dumps(undone.item, ensure_ascii=False).encode() + b"\n")
        for line in result_lines(record):
            files.results.write(line)
            files.result_count += 1
    return done
