"""PlanReduction: what became of every batch, and the merges that turn their parts into the result."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import IO, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.aws.clients import aws_errors, s3_client, stepfunctions_client
from sluice.fields import Fields
from sluice.runs.paths import Run
from sluice.runs.reasons import Reasons, all_reasons, reasons_in_file
from sluice.runs.results import (
    RESULT_CHUNK_BYTES,
    empty,
    find_manifest,
    map_run_of,
    map_run_records,
    merge_objects,
    read_until_complete,
    spool,
    upload,
)
from sluice.runs.summary import RunError, notes_in
from sluice.settings import Settings
from sluice.state import readable
from sluice.step import step
from sluice.workflows.object_aggregate.batch_outcomes import BatchOutcomes, keys_in_order
from sluice.workflows.object_aggregate.merge_plan import LastMerge, Merge, plan_merges
from sluice.workflows.object_aggregate.summary import Collected, failure_reason

settings = Settings.from_env()
logger = Logger()


@step
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Sum up the batches, list what failed, and plan the merges unless there may be no result.

    Takes {"run", "planned": PlanAggregation's result, "hasRemainder", "error": {"name", "message"} or null}.
    Raises InvalidInputError, CountsDoNotReconcileError, AccessDeniedError, ServiceUnavailableError.
    """
    fields = Fields(event, ("run", "planned", "hasRemainder", "error"))
    run, planned = Run.from_state(fields.raw("run")), readable(fields.raw("planned"), "the run's plan")
    has_remainder = fields.boolean("hasRemainder", default=False)
    error = RunError.from_state(event.get("error"))
    with aws_errors(f"s3://{settings.data_bucket}/{run.prefix}"):
        outcomes, listed = _outcomes(run, error, has_remainder=has_remainder)
        _merge(keys_in_order(outcomes.unreadable), run.unreadable_key)
        _merge(keys_in_order(outcomes.rejects), run.rejects_key)
        collected = replace(
            Collected.of(outcomes, listed),
            rejects=_reject_reasons(run, outcomes),
            unreadable=_unreadable_reasons(run, outcomes),
            rejects_tolerated=planned.get("rejectsTolerated"),
            notes=notes_in(planned),
        )
        error = failure_reason(collected, planned, error)
        reduction = None if error else _plan(run, outcomes, collected)
    logger.info("batches collected", extra={"counts": collected.objects.to_state()})
    return {
        "collected": collected.to_state(),
        "reduction": reduction,
        "error": {"name": error.name, "message": error.message} if error else None,
    }


def _outcomes(run: Run, error: RunError | None, *, has_remainder: bool) -> tuple[BatchOutcomes, int | None]:
    """Every batch's end, and the number of objects listed; waits for result files that tell so much, not for ever.

    A Map that could not read its items, say, leaves none.
    """
    leaves_files = error is None or error.exceeds_threshold
    with spool() as failures:
        outcomes, listed = read_until_complete(
            lambda: _read(run, failures, has_remainder=has_remainder),
            lambda found: not leaves_files or _is_complete(*found, has_remainder=has_remainder),
        )
        _write(outcomes.give_up(_records(f"{run.results_prefix}/batches")), failures)
        if outcomes.failed_batches:
            upload(s3_client(), failures, settings.data_bucket, run.failures_key)
    return outcomes, listed


def _read(run: Run, failures: IO[bytes], *, has_remainder: bool) -> tuple[BatchOutcomes, int | None]:
    empty(failures)
    outcomes = BatchOutcomes(run)
    _write(outcomes.add_first(_records(f"{run.results_prefix}/batches")), failures)
    if has_remainder:
        _write(outcomes.add_finishing(_records(f"{run.results_prefix}/remainder")), failures)
    return outcomes, _listed(run)


def _is_complete(outcomes: BatchOutcomes, listed: int | None, *, has_remainder: bool) -> bool:
    return outcomes.accounted == listed and not (has_remainder and outcomes.unfinished)


def _write(failed: Iterable[Mapping[str, Any]], failures: IO[bytes]) -> None:
    for each in failed:
        failures.write(json.dumps(each, ensure_ascii=False).encode() + b"\n")


def _records(results_prefix: str) -> Iterator[dict[str, Any]]:
    """The records of a Map Run, as far as there are result files."""
    return map_run_records(s3_client(), settings.data_bucket, results_prefix, None)


def _listed(run: Run) -> int | None:
    """How many objects the Map Run had; None when there was none."""
    manifest = find_manifest(s3_client(), settings.data_bucket, f"{run.results_prefix}/batches")
    if manifest is None:
        return None
    arn = map_run_of(s3_client(), settings.data_bucket, manifest)
    return stepfunctions_client().describe_map_run(mapRunArn=arn)["itemCounts"]["total"]


def _merge(keys: list[str], merged_key: str) -> None:
    if keys:
        merge_objects(s3_client(), settings.data_bucket, keys, merged_key)


def _reject_reasons(run: Run, outcomes: BatchOutcomes) -> Reasons:
    if not outcomes.rejects:
        return Reasons(outcomes.reasons)
    body = s3_client().get_object(Bucket=settings.data_bucket, Key=run.rejects_key)["Body"]
    with closing(body):
        return reasons_in_file(body.iter_chunks(RESULT_CHUNK_BYTES), outcomes.reasons)


def _unreadable_reasons(run: Run, outcomes: BatchOutcomes) -> Reasons:
    if not outcomes.unreadable:
        return Reasons()
    body = s3_client().get_object(Bucket=settings.data_bucket, Key=run.unreadable_key)["Body"]
    return all_reasons(body.iter_lines(RESULT_CHUNK_BYTES))


def _plan(run: Run, outcomes: BatchOutcomes, collected: Collected) -> dict[str, Any]:
    """Write the plan of each level; returns where they are, and the last merge."""
    parts = keys_in_order(outcomes.parts)
    levels, last = plan_merges(run, parts, LastMerge(collected.rows.aggregated, collected.missing))
    for number, merges in enumerate(levels, 1):
        s3_client().put_object(Bucket=settings.data_bucket, Key=run.merge_plan_key(number), Body=_lines(merges))
    return {"level": 1, "levels": len(levels), "plans": run.merge_plans_prefix, "last": last.to_state()}


def _lines(merges: Iterable[Merge]) -> bytes:
    return b"".join(json.dumps(each.to_state()).encode() + b"\n" for each in merges)
