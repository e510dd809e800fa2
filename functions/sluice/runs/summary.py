"""A run's summary: one object of the same shape for every workflow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sluice.errors import (
    CountsDoNotReconcileError,
    FilesFailedError,
    NothingWrittenError,
    RangesFailedError,
    SegmentsFailedError,
    StoppedError,
    TooManyRejectsError,
)
from sluice.runs.counts import Counts
from sluice.runs.outcomes import LOST, STOPPED, RangeOutcome, message_in
from sluice.runs.paths import Run
from sluice.runs.range_progress import RangeProgress
from sluice.runs.row_findings import RowFindings


class Status(StrEnum):
    """How a run ended: in PARTIAL something failed, but no more than the run's input tolerates.

    STOPPED: by `sluice stop` or after the execution had ended, before all was done.
    """

    COMPLETE = "COMPLETE"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    STOPPED = "STOPPED"

    @classmethod
    def of(cls, error: RunError | None, *, is_partial: bool) -> Status:
        """FAILED with an error, whatever else there is; STOPPED when that is StoppedError."""
        if error:
            return cls.STOPPED if error.is_stop else cls.FAILED
        return cls.PARTIAL if is_partial else cls.COMPLETE


@dataclass(frozen=True, slots=True)
class RunError:
    """Why a run failed, as its Fail state shows it."""

    name: str
    message: str

    @property
    def is_stop(self) -> bool:
        """Whether the run was stopped before it was done."""
        return self.name == StoppedError.__name__

    @property
    def exceeds_threshold(self) -> bool:
        """Whether more children failed than are tolerated: Step Functions' own error, which does not say of what."""
        return self.name == "States.ExceedToleratedFailureThreshold"

    @classmethod
    def from_state(cls, state: Mapping[str, str] | None) -> RunError | None:
        """Read the error that a Catch handed on, if any; of Lambda's cause only the message."""
        return cls(state["name"], message_in(state["message"])) if state else None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did, as it is returned, printed and kept in summary.json.

    `resumed`: {"run": the run that this one continues, "total": what they did together}.
    `files` and `unreadable`: {"key", "objects"} of the files that list a run's objects, and those that it skipped.
    `mirror`: what became of the items that a full export lacks. `omitted`: rows of which the transform made nothing;
    `row_noun` is what messages call them.
    `examples`: a message of each of the most frequent reasons of rejects.
    """

    run: Run
    bucket: str
    counts: Counts
    write_units: float
    reasons: Counter[str]
    failed_batches: int
    error: RunError | None
    notes: Sequence[str] = ()
    resumed: Mapping[str, Any] | None = None
    files: Mapping[str, Any] | None = None
    unreadable: Mapping[str, Any] | None = None
    read_units: float = 0
    mirror: Mapping[str, Any] | None = None
    omitted: int = 0
    row_noun: str = "rows"
    examples: Mapping[str, str] = field(default_factory=dict)

    @property
    def nothing_written(self) -> RunError | None:
        """The error of a run whose transform made nothing of any row that was not rejected."""
        counts = self.counts
        if not self.omitted or self.omitted + counts.rejected != counts.read:
            return None
        others = f"; the other {counts.rejected:,} were rejected" if counts.rejected else ""
        problem = (
            f"the transform skipped {self.omitted:,} of {counts.read:,} {self.row_noun}{others}, so nothing was written"
        )
        return RunError(NothingWrittenError.__name__, problem)

    @property
    def status(self) -> Status:
        """FAILED with an error; else PARTIAL when anything failed."""
        return Status.of(self.error, is_partial=bool(self.counts.failed or self.failed_batches or self.unreadable))

    def to_state(self) -> dict[str, Any]:
        """The summary object that every workflow ends with."""
        common = summary_state(
            self.run,
            self.bucket,
            status=self.status,
            counts=self.counts,
            error=self.error,
            capacity={"readUnits": self.read_units, "writeUnits": self.write_units},
            rejects=self._rejects_state if self.counts.rejected else None,
            failures={"key": self.run.failures_key, "batches": self.failed_batches} if self.failed_batches else None,
            notes=self.notes,
        )
        return {**common, "resumed": self.resumed, **{name: each for name, each in self._optional.items() if each}}

    @property
    def _rejects_state(self) -> dict[str, Any]:
        return {"key": self.run.rejects_key, "reasons": dict(self.reasons), "examples": dict(self.examples)}

    @property
    def _optional(self) -> dict[str, Mapping[str, Any] | None]:
        """What only some runs have."""
        return {"files": self.files, "unreadable": self.unreadable, "mirror": self.mirror}


def summarize(
    run: Run,
    bucket: str,
    outcomes: Sequence[RangeOutcome],
    rejects_tolerated: Mapping[str, float] | None,
    error: RunError | None,
) -> Summary:
    """Sum up the outcomes; a run whose counts do not reconcile is a failed one, whatever else is known of it."""
    failed = [each for each in outcomes if each.has_failed]
    try:
        counts = sum((each.counts for each in outcomes), Counts()).check("run")
        if error is None:
            _check_none_lost(failed)
    except CountsDoNotReconcileError as mismatch:
        counts = sum((each.known_counts for each in outcomes), Counts())
        error = RunError(type(mismatch).__name__, str(mismatch))
    reached = [each.progress for each in outcomes if each.progress]
    found = RowFindings.total(each.rows_found for each in reached if isinstance(each, RangeProgress))
    rejected = too_many_rejects(counts, rejects_tolerated, first_reject=found.first_reject)
    return Summary(
        run=run,
        bucket=bucket,
        counts=counts,
        write_units=sum(each.write_units for each in reached),
        reasons=sum((each.reasons for each in reached), Counter()),
        failed_batches=len(failed),
        error=_first_cause(error, failed) or _stop(outcomes) or rejected,
        notes=found.notes,
        omitted=found.omitted,
    )


def _check_none_lost(failed: Sequence[RangeOutcome]) -> None:
    lost = [each.planned for each in failed if each.status == LOST]
    if lost:
        first = lost[0]
        raise CountsDoNotReconcileError(
            f"{len(lost)} {first.kind}s are missing from the result files, first {first.name}"
        )


def _stop(outcomes: Sequence[RangeOutcome]) -> RunError | None:
    """The error of a run with parts that are not done because it was stopped."""
    stopped = [each.planned for each in outcomes if each.status == STOPPED]
    if not stopped:
        return None
    left = f"{len(stopped):,} of {len(outcomes):,} {stopped[0].kind}s are not done"
    return RunError(StoppedError.__name__, f"the run was stopped: {left}")


def _first_cause(error: RunError | None, failed: Sequence[RangeOutcome]) -> RunError | None:
    """The children's own error instead of "threshold exceeded", if they all ended with one."""
    if error is None or not error.exceeds_threshold:
        return error
    ended = [each for each in failed if each.error]
    names = {each.error for each in ended if each.error}
    if not ended:
        return error
    first = ended[0]
    several = {"range": RangesFailedError, "file": FilesFailedError, "segment": SegmentsFailedError}[first.planned.kind]
    name = names.pop() if len(names) == 1 else several.__name__
    where = f"{first.planned.label}: {first.error}: {first.cause}"
    return RunError(name, f"{len(ended)} of the {first.planned.kind}s failed; the first is {where}")


def too_many_rejects(
    counts: Counts,
    tolerated: Mapping[str, float] | None,
    *,
    what: str = "rows",
    done: str = "written",
    first_reject: str | None = None,
) -> RunError | None:
    """The error of a run with more rejects than its input tolerates: a count, a percentage, or None for any number.

    A run all of whose rows were rejected fails even if its input tolerates that. `what` and `done` say for messages
    what the run counts, and what it does with it. `first_reject`: the message of the first one, where it is known.
    """
    first = f"; the first is {first_reject}" if first_reject else ""
    if tolerated is not None and counts.rejected > _most_rejects(counts, tolerated):
        limit = f"{tolerated['count']}" if "count" in tolerated else f"{tolerated['percentage']} %"
        were = "was" if counts.rejected == 1 else "were"
        problem = f"{counts.rejected:,} of {counts.read:,} {what} {were} rejected, more than {limit} tolerated{first}"
        return RunError(TooManyRejectsError.__name__, problem)
    if counts.rejected and counts.rejected == counts.read:
        whole = f"the only {what[:-1]} was" if counts.read == 1 else f"all {counts.read:,} {what} were"
        problem = f"{whole} rejected, so nothing was {done}{first}"
        return RunError(NothingWrittenError.__name__, problem)
    return None


def _most_rejects(counts: Counts, tolerated: Mapping[str, float]) -> float:
    return tolerated["count"] if "count" in tolerated else counts.read * tolerated["percentage"] / 100


def summary_state(
    run: Run,
    bucket: str,
    *,
    status: Status,
    counts: Counts,
    error: RunError | None,
    capacity: Mapping[str, float] | None = None,
    rejects: Mapping[str, Any] | None = None,
    failures: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """The fields that the summaries of all workflows have, in their order.

    `capacity`: read and write units, None where no table is read or written.

    `notes`: where the run was planned otherwise than its input asks for, a sentence each.
    """
    return {
        "workflow": run.workflow,
        "status": str(status),
        "execution": run.name,
        "counts": counts.to_state(),
        "capacity": capacity,
        "results": {"bucket": bucket, "prefix": run.prefix},
        "rejects": rejects,
        "failures": failures,
        "error": {"name": error.name, "message": error.message} if error else None,
        "notes": list(notes),
    }


def notes_in(planned: Mapping[str, Any]) -> tuple[str, ...]:
    """The notes in a Plan step's result, which is empty where that has failed; format 1 has none."""
    return tuple(planned.get("notes") or ())


SUBJECT = "subject"
_SUBJECT_CHARACTERS = 1_000


def with_subject(summary: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    """The summary with what the run worked on, as the state machine takes it from the execution's input.

    The event's `subject` has texts such as "source", "table" and "target"; whatever is not a text is left out. The
    summary's own fields stay.
    """
    subject = event.get(SUBJECT) or {}
    texts = {name: text[:_SUBJECT_CHARACTERS] for name, text in subject.items() if isinstance(text, str) and text}
    return {**summary, **{name: text for name, text in texts.items() if name not in summary}}
