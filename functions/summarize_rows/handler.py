"""SummarizeRows: the result files of the Map Run become the run's summary, and two files of the rows not done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import IO, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import aws_errors, s3_client, stepfunctions_client
from sluice.errors import CountsNotFinalError
from sluice.fields import Fields
from sluice.report.ending import end_run
from sluice.runs.paths import Run
from sluice.runs.results import MapRunCounts, empty, map_run_records, read_until_complete, spool, upload
from sluice.runs.summary import SUBJECT, RunError, with_subject
from sluice.runs.undone import ItemsDone
from sluice.settings import RunSettings, Settings
from sluice.state import readable
from sluice.step import step
from sluice.workflows.athena_map.inspection import ResultInspection, RowsReader
from sluice.workflows.athena_map.query_figures import QueryFigures, query_end
from sluice.workflows.athena_map.summary import RowsSummary, failure_reason_of_rows

CHUNK_BYTES = 1 << 20

settings = Settings.from_env()
run_table = RunSettings.from_env().table
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Sum up a run. Raises InvalidInputError, AccessDeniedError, ServiceUnavailableError.

    Takes {"run", "planned": PlanQuery's result, "query": RunQuery's, "inspection": InspectResult's, "mapRun": the
    Map's, "error": {"name", "message"}}; all but the run may be null. `subject` is what with_subject takes.
    """
    fields = Fields(event, ("run", SUBJECT, "planned", "query", "inspection", "mapRun", "error"))
    run = Run.from_state(fields.raw("run"))
    planned: Mapping[str, Any] = readable(fields.raw("planned"), "the run's plan") if fields.has("planned") else {}
    with aws_errors(f"s3://{settings.data_bucket}/{run.prefix}"):
        state = with_subject(_summarize(run, planned, event).to_state(), event)
        body = json.dumps(state, ensure_ascii=False, indent=2).encode()
        s3_client().put_object(Bucket=settings.data_bucket, Key=run.summary_key, Body=body)
    end_run(settings.data_bucket, run_table, run, state, context)
    logger.info("run summarized", extra={"status": state["status"], "counts": state["counts"]})
    return state


def _summarize(run: Run, planned: Mapping[str, Any], event: Mapping[str, Any]) -> RowsSummary:
    inspected = event.get("inspection")
    query, error = _query(planned, event.get("query"), RunError.from_state(event.get("error")))
    inspection = ResultInspection.from_state(inspected) if inspected and inspected["done"] else None
    found, error = _found(run, inspection, 0, error)
    done = _done(run, inspection, found, event.get("mapRun"))
    if found is not None and found < done.done:
        found, error = _found(run, inspection, done.done, error)
    summary = RowsSummary(run, settings.data_bucket, planned, query, inspection, found, done, error)
    return replace(summary, error=failure_reason_of_rows(summary))


def _query(
    planned: Mapping[str, Any], query: Mapping[str, Any] | None, error: RunError | None
) -> tuple[QueryFigures | None, RunError | None]:
    """The query's figures, and the error in Athena's words where it was the query that failed."""
    if query:
        return QueryFigures.from_state(query), error
    if not planned.get("query") or error is None:
        return None, error
    end = query_end(error.name, error.message)
    return end.figures, RunError(end.name, end.message)


def _found(
    run: Run, inspection: ResultInspection | None, least: int, error: RunError | None
) -> tuple[int | None, RunError | None]:
    """How many rows the Map was to read: as they were counted, else as many as the Map Run says it has read.

    Waits until the Map Run's counts are final, and not below `least`, but not for ever. Gives the run's error as well.
    """
    if inspection is None:
        return None, error
    if inspection.rows is not None:
        return inspection.rows - inspection.rejected, error
    counts = read_until_complete(
        lambda: _map_run_counts(run), lambda counts: counts is not None and counts.are_final and counts.total >= least
    )
    if counts is None:
        return None, error
    if not counts.are_final:
        return None, error or RunError(CountsNotFinalError.__name__, f"the Map Run's counts are not final: {counts}")
    return counts.total, error


def _map_run_counts(run: Run) -> MapRunCounts | None:
    """None when the execution has no Map Run, or none yet in a list that lags."""
    client = stepfunctions_client()
    map_runs = client.list_map_runs(executionArn=run.execution_arn)["mapRuns"]
    if not map_runs:
        return None
    return MapRunCounts.from_description(client.describe_map_run(mapRunArn=map_runs[0]["mapRunArn"]))


@dataclass(frozen=True, slots=True)
class _Files:
    """The rows that were not done: rejects and failures with their errors, and the failed ones alone."""

    rejects: IO[bytes]
    failures: IO[bytes]
    failed_rows: IO[bytes]

    def empty(self) -> None:
        """Start again with empty files."""
        for each in (self.rejects, self.failures, self.failed_rows):
            empty(each)


def _done(
    run: Run, inspection: ResultInspection | None, found: int | None, map_run: Mapping[str, Any] | None
) -> ItemsDone:
    """What became of each row; waits for result files that account for so many, but not for ever."""
    if inspection is None:
        return ItemsDone()
    with ExitStack() as stack:
        files = _Files(*(stack.enter_context(spool()) for _ in range(3)))
        done = ItemsDone()
        if inspection.reader is not RowsReader.NONE:
            done = read_until_complete(
                lambda: _gather(run, inspection, map_run, files), lambda gathered: gathered.done >= (found or 0)
            )
        else:
            _copy_reject_parts(run, inspection, files.rejects)
        if done.rejected or inspection.rejected:
            upload(s3_client(), files.rejects, settings.data_bucket, run.rejects_key)
        if done.failed:
            upload(s3_client(), files.failures, settings.data_bucket, run.failures_key)
            upload(s3_client(), files.failed_rows, settings.data_bucket, run.failed_rows_key)
    return done


def _gather(run: Run, inspection: ResultInspection, map_run: Mapping[str, Any] | None, files: _Files) -> ItemsDone:
    files.empty()
    _copy_reject_parts(run, inspection, files.rejects)
    done = ItemsDone()
    for record in map_run_records(s3_client(), settings.data_bucket, run.results_prefix, map_run):
        for undone in done.add(record):
            (files.rejects if undone.is_reject else files.failures).write(undone.to_line())
            if not undone.is_reject:
                files.failed_rows.write(json.dumps(undone.item, ensure_ascii=False).encode() + b"\n")
    return done


def _copy_reject_parts(run: Run, inspection: ResultInspection, rejects: IO[bytes]) -> None:
    for part in inspection.reject_parts:
        body = s3_client().get_object(Bucket=settings.data_bucket, Key=run.reject_part_key(part, 0))["Body"]
        rejects.writelines(body.iter_chunks(CHUNK_BYTES))
