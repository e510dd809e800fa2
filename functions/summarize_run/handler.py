"""SummarizeRun: the Map Run's result files become the run's summary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import aws_errors, s3_client
from sluice.fields import Fields
from sluice.report.ending import end_run
from sluice.runs.chains import WorkBefore
from sluice.runs.outcomes import SUCCEEDED, Planned, RangeOutcome, message_in, outcomes_of_plan
from sluice.runs.paths import Run
from sluice.runs.plans import iterate_plan
from sluice.runs.reasons import with_examples
from sluice.runs.results import RESULT_CHUNK_BYTES, map_run_records, merge_objects, upload_chunks
from sluice.runs.summary import SUBJECT, RunError, Summary, notes_in, summarize, with_subject
from sluice.settings import RunSettings, Settings
from sluice.state import readable
from sluice.step import step
from sluice.workflows.csv_load.files import FileLines, read_file_counts
from sluice.workflows.csv_load.findings import LoadFindings
from sluice.workflows.csv_load.ranges import RANGES, Range, read_brief_ranges
from sluice.workflows.export_process.files import FILES, read_files
from sluice.workflows.export_process.input import FULL
from sluice.workflows.export_process.mirror_plan import MirrorEnd, mirror_end
from sluice.workflows.export_process.recount import Counted, recounted

settings = Settings.from_env()
run_table = RunSettings.from_env().table
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Sum up a run, merge its rejects and name what failed. Raises InvalidInputError, SourceNotFoundError,
    AccessDeniedError, ServiceUnavailableError.

    Takes {"run", "planned": PlanLoad's or CheckExport's result, "mapRun": that of LoadRanges or ProcessFiles,
    "error": {"name", "message"}, "mirror": PlanMirror's result with the "mapRun" of MirrorSegments}; all but the run
    may be null. `subject` is what with_subject takes.
    """
    fields = Fields(event, ("run", SUBJECT, "planned", "mapRun", "error", "mirror"))
    run = Run.from_state(fields.raw("run"))
    planned: Mapping[str, Any] = readable(fields.raw("planned"), "the run's plan") if fields.has("planned") else {}
    with aws_errors(f"s3://{settings.data_bucket}/{run.prefix}"):
        state = _summarize(run, planned, event)
    end_run(settings.data_bucket, run_table, run, state, context)
    logger.info(
        "run summarized",
        extra={"status": state["status"], "counts": state["counts"]},
    )
    return state


def _summarize(run: Run, planned: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    """The run's summary object, after all that it names is written."""
    error = RunError.from_state(event.get("error"))
    counted = _outcomes(run, planned, event.get("mapRun")) if planned else Counted([])
    mirror = mirror_end(s3_client(), run, planned, event.get("mirror"), error)
    error = _inspection_error(run, error) if error and not planned else error
    ends, files_error = counted.ends, None if mirror and mirror.ends else error
    summary = summarize(run, settings.data_bucket, ends, planned.get("rejectsTolerated"), files_error)
    summary = replace(
        summary,
        notes=[*notes_in(planned), *counted.notes, *summary.notes],
        resumed=_resumed(planned, ends),
        files=_leave_files(run, planned, ends),
        unreadable=_unreadable(run, planned),
        error=summary.error or counted.error,
    )
    found: dict[str, Any] = {}
    if mirror:
        summary = _with_mirror(summary, mirror)
    if "load" in planned:
        findings = LoadFindings(planned, ends)
        summary = replace(summary, error=summary.error or findings.error, notes=[*summary.notes, *findings.notes])
        found = findings.to_state(run.sample_key)
        _leave_sample(run, findings.sampled)
    summary = _with_nothing_written(summary, planned)
    if summary.counts.rejected:
        _merge_rejects(run, ends)
        body = s3_client().get_object(Bucket=settings.data_bucket, Key=run.rejects_key)["Body"]
        summary = with_examples(summary, body.iter_chunks(RESULT_CHUNK_BYTES))
    state = with_subject(summary.to_state() | found, event)
    _leave(summary, state, [*ends, *(mirror.ends if mirror else ())])
    return state


def _with_nothing_written(summary: Summary, planned: Mapping[str, Any]) -> Summary:
    """A run whose transform made nothing of any row fails; a window of changes may well be of no interest to it."""
    nothing = summary.nothing_written
    if nothing is None or summary.error or planned.get("resumed"):
        return summary
    if "process" in planned and planned["process"]["export"]["type"] != FULL:
        return replace(summary, notes=[*summary.notes, nothing.message])
    return replace(summary, error=nothing)


def _merge_rejects(run: Run, ends: Sequence[RangeOutcome]) -> None:
    """Write the run's rejects in the source's order."""
    parts = [
        run.reject_part_key(end.planned.index, number)
        for end in ends
        if end.progress
        for number in end.progress.reject_slices
    ]
    merge_objects(s3_client(), settings.data_bucket, parts, run.rejects_key)


def _resumed(planned: Mapping[str, Any], ends: Sequence[RangeOutcome]) -> dict[str, Any] | None:
    """What the runs of the chain did together; None for a run that continues none."""
    resumed = planned.get("resumed")
    if not resumed:
        return None
    reached = [each.progress for each in ends if each.progress]
    return {"run": resumed["run"], "total": WorkBefore.from_state(resumed["done"]).plus(reached).to_state()}


def _inspection_error(run: Run, error: RunError) -> RunError:
    """The error of the first child that could not inspect its objects, instead of "threshold exceeded"."""
    if not error.exceeds_threshold:
        return error
    records = map_run_records(s3_client(), settings.data_bucket, run.inspections_prefix, None)
    failed = next((each for each in records if each["Status"] not in ("SUCCEEDED", "PENDING")), None)
    return RunError(failed["Error"], message_in(failed["Cause"])) if failed and failed.get("Error") else error


def _leave_files(run: Run, planned: Mapping[str, Any], ends: Sequence[RangeOutcome]) -> dict[str, Any] | None:
    """Write what became of the rows of each object; None where the run has one object, whose counts are the run's."""
    load = planned.get("load") or {}
    if load.get("keyPrefix") is None:
        return None
    bucket, key = planned["plan"]["bucket"], planned["plan"]["key"]
    # A run without rows has no children.
    ended = ends or [RangeOutcome(each, SUCCEEDED) for each in read_brief_ranges(s3_client(), bucket, key)]
    plan = iterate_plan(s3_client(), bucket, key, Range.from_state)
    files = FileLines(load["keyPrefix"], partial(read_file_counts, s3_client(), settings.data_bucket, run))
    upload_chunks(s3_client(), settings.data_bucket, run.files_key, files.lines(plan, ended))
    return {"key": run.files_key, "objects": files.number}


def _unreadable(run: Run, planned: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where the objects are listed that the run has skipped, because they could not be read."""
    number = planned.get("unreadable")
    return {"key": run.unreadable_key, "objects": number} if number else None


def _with_mirror(summary: Summary, mirror: MirrorEnd) -> Summary:
    return replace(
        summary,
        error=summary.error or mirror.error,
        failed_batches=summary.failed_batches + sum(end.has_failed for end in mirror.ends),
        read_units=mirror.done.read_units,
        write_units=summary.write_units + mirror.done.write_units,
        mirror=mirror.to_state(),
        notes=[*summary.notes, *mirror.notes],
    )


def _outcomes(run: Run, planned: Mapping[str, Any], map_run: Mapping[str, Any] | None) -> Counted:
    """What became of each planned range or file; waits for result files that name them all, but not for ever.

    A source without rows has no children: the one range of its plan is not worked through.
    """
    if planned["plan"].get("rows") == 0 or planned["plan"].get("files") == 0:
        return Counted([])
    plan_object = planned["plan"]["bucket"], planned["plan"]["key"]
    is_export = "process" in planned
    part_type = FILES if is_export else RANGES
    plan: Sequence[Planned] = (
        read_files(s3_client(), *plan_object) if is_export else read_brief_ranges(s3_client(), *plan_object)
    )
    bucket, prefix = settings.data_bucket, run.results_prefix
    ends = outcomes_of_plan(part_type, plan, lambda: map_run_records(s3_client(), bucket, prefix, map_run))
    return recounted(ends, is_verified=planned["process"]["verify"]) if is_export else Counted(ends)


def _leave_sample(run: Run, slices: Sequence[tuple[int, int]]) -> None:
    """Join the parts of a dry run's sample."""
    if slices:
        parts = [run.sample_part_key(index, number) for index, number in slices]
        merge_objects(s3_client(), settings.data_bucket, parts, run.sample_key)


def _leave(summary: Summary, state: Mapping[str, Any], ends: Sequence[RangeOutcome]) -> None:
    """Write what failed, and the summary `state`."""
    run, bucket = summary.run, summary.bucket
    if summary.failed_batches:
        lines = b"".join(end.to_failure_line() for end in ends if end.has_failed)
        s3_client().put_object(Bucket=bucket, Key=run.failures_key, Body=lines)
    body = json.dumps(state, ensure_ascii=False, indent=2).encode()
    s3_client().put_object(Bucket=bucket, Key=run.summary_key, Body=body)
