"""SummarizeTransform: the result files and the cursors of the segments become the run's summary."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import aws_errors, s3_client
from sluice.fields import Fields
from sluice.report.ending import end_run
from sluice.runs.outcomes import LOST, RangeOutcome, outcomes
from sluice.runs.paths import Run
from sluice.runs.reasons import with_examples
from sluice.runs.results import RESULT_CHUNK_BYTES, map_run_records, merge_objects, read_until_complete
from sluice.runs.segments import read_segments
from sluice.runs.summary import SUBJECT, RunError, notes_in, summarize, with_subject
from sluice.settings import RunSettings, Settings
from sluice.state import readable
from sluice.step import step
from sluice.workflows.table_transform.handover import read_cursors
from sluice.workflows.table_transform.progress import SEGMENTS, TransformProgress
from sluice.workflows.table_transform.summary import done_by, reached, summarize_transform, with_own_errors

settings = Settings.from_env()
run_table = RunSettings.from_env().table
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Sum up a run, merge its rejects and its sample, and name the segments that failed. Raises InvalidInputError,
    SourceNotFoundError, AccessDeniedError, ServiceUnavailableError.

    Takes {"run", "planned": PlanTransform's result, "mapRun": TransformSegments' result, "verified": VerifySample's,
    "error": {"name", "message"}}; all but the run may be null. `subject` is what with_subject takes.
    """
    fields = Fields(event, ("run", SUBJECT, "planned", "mapRun", "verified", "error"))
    run, bucket = Run.from_state(fields.raw("run")), settings.data_bucket
    planned: Mapping[str, Any] = readable(fields.raw("planned"), "the run's plan") if fields.has("planned") else {}
    error = RunError.from_state(event.get("error"))
    with aws_errors(f"s3://{bucket}/{run.prefix}"):
        ends = _outcomes(run, planned, event.get("mapRun")) if planned else []
        common = summarize(run, bucket, ends, planned.get("rejectsTolerated"), error)
        common = with_own_errors(replace(common, notes=notes_in(planned)), planned, done_by(ends))
        _leave(run, ends)
        if common.counts.rejected:
            body = s3_client().get_object(Bucket=bucket, Key=run.rejects_key)["Body"]
            common = with_examples(common, body.iter_chunks(RESULT_CHUNK_BYTES))
        state = with_subject(summarize_transform(common, planned, ends, event.get("verified")).to_state(), event)
        s3_client().put_object(
            Bucket=bucket, Key=run.summary_key, Body=json.dumps(state, ensure_ascii=False, indent=2).encode()
        )
    end_run(bucket, run_table, run, state, context)
    logger.info("run summarized", extra={"status": state["status"], "counts": state["counts"]})
    return state


def _outcomes(run: Run, planned: Mapping[str, Any], map_run: Mapping[str, Any] | None) -> list[RangeOutcome]:
    """What became of each planned segment; waits for result files that name them all, but not for ever."""
    s3, bucket = s3_client(), settings.data_bucket
    plan = read_segments(s3, planned["plan"]["bucket"], planned["plan"]["key"])
    ends = read_until_complete(
        lambda: outcomes(SEGMENTS, plan, map_run_records(s3, bucket, run.results_prefix, map_run)),
        lambda ends: all(end.status != LOST for end in ends),
    )
    return reached(ends, read_cursors(s3, bucket, run)) if any(end.has_failed for end in ends) else ends


def _leave(run: Run, ends: Sequence[RangeOutcome]) -> None:
    """Write what the run leaves behind: its rejects, its sample, the segments that failed."""
    s3, bucket = s3_client(), settings.data_bucket
    rejects = _parts(ends, lambda progress: progress.reject_slices, run.reject_part_key)
    if rejects:
        merge_objects(s3, bucket, rejects, run.rejects_key)
    samples = _parts(ends, lambda progress: progress.sample_slices, run.sample_part_key)
    if samples:
        merge_objects(s3, bucket, samples, run.sample_key)
    failed = b"".join(end.to_failure_line() for end in ends if end.has_failed)
    if failed:
        s3.put_object(Bucket=bucket, Key=run.failures_key, Body=failed)


def _parts(
    ends: Sequence[RangeOutcome],
    slices: Callable[[TransformProgress], Sequence[int]],
    key: Callable[[int, int], str],
) -> list[str]:
    return [
        key(end.planned.index, number)
        for end in ends
        if isinstance(end.progress, TransformProgress)
        for number in slices(end.progress)
    ]
