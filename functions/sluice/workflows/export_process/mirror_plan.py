"""Whether a copy is to be made equal to its source, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from sluice.dynamodb.tables import describe_table
from sluice.runs.counts import Counts
from sluice.runs.outcomes import SUCCEEDED, RangeOutcome, outcomes_of_plan
from sluice.runs.paths import Run
from sluice.runs.range_progress import RangeProgress
from sluice.runs.results import map_run_records
from sluice.runs.segments import read_segments, segments_for
from sluice.runs.summary import RunError, Status, summarize
from sluice.state import Named, State
from sluice.workflows.export_process.input import FULL, ProcessInput, TableSink
from sluice.workflows.export_process.mirror import (
    MIRRORED_SEGMENTS,
    Mirror,
    MirrorDone,
    MirrorProgress,
    check_guarded,
    has_items,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class CheckedTable:
    """The table of a run, before it. `mirror`: how it is to be made equal to the source, None if it is not.

    `warnings`: what the copy may contain that the source does not, a sentence each.
    """

    mirror: Mirror | None = None
    warnings: tuple[str, ...] = ()


# Objects, and what no full export changes.
NO_TABLE = CheckedTable()


def check_table_before(
    dynamodb: DynamoDBClient, request: ProcessInput, sink: TableSink, export_type: str, *, is_continued: bool
) -> CheckedTable:
    """Look at the table that the export goes to. `is_continued`: an earlier run may have filled it.

    Raises InvalidInputError for items that a mirror cannot know the age of, TableNotFoundError, AccessDeniedError.
    """
    if export_type != FULL:
        return NO_TABLE
    if not request.mirrors:
        is_due = request.records is None and not is_continued and has_items(dynamodb, sink.name)
        return CheckedTable(warnings=(_may_remain(sink),) if is_due else ())
    if request.records is not None:
        return CheckedTable(
            warnings=("mirror was not done: it needs all records of the export, not those of a rejects file",)
        )
    if not request.adopts:
        check_guarded(dynamodb, sink.name, sink.schema)
    items = int(describe_table(dynamodb, sink.name).get("ItemCount", 0))
    return CheckedTable(Mirror(segments_for(items, request.max_concurrency), request.adopts))


def _may_remain(sink: TableSink) -> str:
    remedy = '"mirror": true' if sink.is_guarded else '"mirror": true and "guard": "newerOnly" in the sink'
    return (
        f"{sink.name} had items before this full export, and those that were deleted in the source since may remain in "
        f"it; with {remedy} they are deleted"
    )


@dataclass(frozen=True, slots=True)
class MirrorDecision(State):
    """Whether the mirror is due after the records; `reason` if it is not."""

    is_due: Annotated[bool, Named("due")]
    reason: str | None = None


def decide(ends: Sequence[RangeOutcome], before: Counts, records: int) -> MirrorDecision:
    """Only a whole export tells what the source lacks.

    `before`: what the runs have done that this one continues; `records`: how many the export has.
    """
    left = [end for end in ends if end.status != SUCCEEDED]
    counts = sum((end.known_counts for end in ends), before)
    if left:
        reason = f"{len(left):,} of {len(ends):,} files are not processed to their end"
    elif counts.read != records:
        reason = f"{counts.read:,} records were read, and the manifest says {records:,}"
    elif counts.rejected:
        reason = f"{counts.rejected:,} records were rejected"
    elif counts.read and _omitted(ends) == counts.read:
        reason = f"the transform skipped all {counts.read:,} records"
    else:
        return MirrorDecision(is_due=True)
    return MirrorDecision(is_due=False, reason=reason)


def _omitted(ends: Sequence[RangeOutcome]) -> int:
    """How many records the transform made nothing of."""
    return sum(end.progress.rows_found.omitted for end in ends if isinstance(end.progress, RangeProgress))


@dataclass(frozen=True, slots=True)
class MirrorEnd:
    """What became of the mirror. `ends`: of its segments; `error`: what fails the run, if anything."""

    done: MirrorDone
    ends: Sequence[RangeOutcome]
    error: RunError | None
    status: str
    reason: str | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the summary says of a mirror that was not done."""
        if self.status != MIRROR_SKIPPED:
            return ()
        return (f"mirror was not done: {self.reason}; items that were deleted in the source may remain in the copy",)

    def to_state(self) -> dict[str, Any]:
        """The summary's `mirror`."""
        return {"status": self.status, "reason": self.reason, **self.done.to_state()}


MIRROR_SKIPPED = "SKIPPED"


def mirror_end(
    s3: S3Client, run: Run, planned: Mapping[str, Any], mirrored: Mapping[str, Any] | None, error: RunError | None
) -> MirrorEnd | None:
    """Sum up the mirror of a run, None for a run without. `mirrored`: PlanMirror's result, and MirrorSegments'.

    `error`: that of the run, which is the mirror's if that was due.
    """
    if not planned.get("mirror"):
        return None
    bucket = planned["mirror"]["bucket"]
    if not mirrored or not mirrored["due"]:
        reason = mirrored["reason"] if mirrored else "the run ended before"
        return MirrorEnd(MirrorDone(), (), None, MIRROR_SKIPPED, reason)
    segments = read_segments(s3, bucket, planned["mirror"]["key"])
    ends = outcomes_of_plan(
        MIRRORED_SEGMENTS,
        segments,
        lambda: map_run_records(s3, bucket, run.mirror_results_prefix, mirrored.get("mapRun")),
    )
    summed = summarize(run, bucket, ends, None, error)
    reached = [end.progress for end in ends if isinstance(end.progress, MirrorProgress)]
    done = sum((each.done for each in reached), MirrorDone())
    return MirrorEnd(done, ends, summed.error, str(Status.of(summed.error, is_partial=bool(summed.failed_batches))))
