"""The summary of a run: what became of its objects and rows, why it failed, and where the result is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from sluice.errors import (
    BatchesFailedError,
    CountsDoNotReconcileError,
    IncompleteResultError,
    StoppedError,
)
from sluice.runs.columns_found import ColumnsFound, column_not_found
from sluice.runs.counts import Counts
from sluice.runs.input import ToleratedFailures
from sluice.runs.outcomes import PENDING, SUCCEEDED, message_in
from sluice.runs.paths import Run
from sluice.runs.reasons import REJECT_ERRORS, Reasons, rejects_state
from sluice.runs.summary import RunError, Status, summary_state, too_many_rejects
from sluice.state import FIELD, VersionedState
from sluice.workflows.object_aggregate.batch_outcomes import BatchOutcomes
from sluice.workflows.object_aggregate.input import REPORT
from sluice.workflows.object_aggregate.merge_plan import MergeProgress
from sluice.workflows.object_aggregate.progress import RowCounts

# A run that fails because of its rejects has a result all the same, of the other rows.


@dataclass(frozen=True, slots=True)
class ObjectsSummary:
    """What an object_aggregate run did. `reduced`: how far the last merge has come, None if there was no merge."""

    run: Run
    bucket: str
    collected: Collected
    reduced: MergeProgress | None
    error: RunError | None

    @property
    def status(self) -> Status:
        """FAILED with an error; else PARTIAL when objects are missing from the result."""
        return Status.of(self.error, is_partial=bool(self.collected.missing))

    def to_state(self) -> dict[str, Any]:
        """The summary object, with what only this workflow has."""
        run, collected = self.run, self.collected
        objects, rows = collected.objects, collected.rows
        common = summary_state(
            run,
            self.bucket,
            status=self.status,
            counts=objects,
            error=self.error,
            rejects=rejects_state(run.rejects_key, collected.rejects) if rows.rejected else None,
            failures=self._failures(),
            notes=collected.notes,
        )
        return common | {
            "rows": asdict(rows),
            "bytes": collected.bytes,
            "groups": self.reduced.groups if self.reduced else 0,
            "unreadable": self._unreadable(),
            "result": self._result(),
        }

    def _failures(self) -> dict[str, Any] | None:
        """The file of objects in batches that failed. `errors` are counted by batch."""
        failures, batches = self.collected.failures, self.collected.failed_batches
        listed = {"errors": dict(failures.counts), "examples": failures.examples}
        return {"key": self.run.failures_key, "batches": batches, **listed} if batches else None

    def _unreadable(self) -> dict[str, Any] | None:
        unreadable, objects = self.collected.unreadable, self.collected.objects.rejected
        state = rejects_state(self.run.unreadable_key, unreadable)
        return {**state, "objects": objects} if objects else None

    def _result(self) -> dict[str, Any] | None:
        """Where the result is. None for a run that failed for another reason than its rejects."""
        is_written = not self.error or self.error.name in REJECT_ERRORS
        if not is_written or not self.reduced:
            return None
        missing = self.collected.missing
        is_complete = missing is None
        return {
            "complete": is_complete,
            "missing": missing,
            "groups": self.reduced.listed,
            "csv": self.run.result_key("csv", is_complete=is_complete),
            "json": self.run.result_key("json", is_complete=is_complete),
        }


def merge_error(records: Iterable[Mapping[str, Any]]) -> RunError | None:
    """The error of the first merge that failed."""
    for record in records:
        if record["Status"] not in (SUCCEEDED, PENDING):
            name = json.loads(record["Input"])["merge"]["name"]
            return RunError(record.get("Error", record["Status"]), f"merge {name}: {message_in(record.get('Cause'))}")
    return None


def checked(collected: Collected, reduced: MergeProgress | None, error: RunError | None) -> RunError | None:
    """The run's error, or that of its result: rows that the groups lack, or too many rejects."""
    if error or not reduced:
        return error
    rows = collected.rows
    if reduced.rows != rows.aggregated:
        problem = f"{rows.aggregated} rows were aggregated, {reduced.rows} are in the result's groups"
        return RunError(CountsDoNotReconcileError.__name__, problem)
    counts = Counts(read=rows.read, rejected=rows.rejected)
    return collected.rejects.explain(too_many_rejects(counts, collected.rejects_tolerated))


@dataclass(frozen=True, slots=True)
class Collected(VersionedState):
    """What the batches of a run did. `listed`: objects that the Map Run had; None if there was no Map Run.

    `rejects`: reasons of rejected rows; `unreadable`: of unreadable objects; `failures`: of failed batches.
    `rejects_tolerated` and `notes` are those of the plan.
    """

    what: ClassVar = "the outcome of the batches"

    listed: int | None
    objects: Counts
    rows: RowCounts
    bytes: int
    failed_batches: int
    rejects: Reasons = field(default_factory=Reasons)
    unreadable: Reasons = field(default_factory=Reasons)
    failures: Reasons = field(default_factory=Reasons)
    columns: ColumnsFound = field(default_factory=ColumnsFound)
    rejects_tolerated: Mapping[str, float] | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def from_plan(cls, state: Mapping[str, Any] | None) -> Collected:
        """Read what PlanReduction left, if it came so far; earlier versions left less."""
        usual = cls(None, Counts(), RowCounts(), 0, 0)
        if not state:
            return usual
        rejects = {"counts": state.get("reasons", {}), "messages": {}}
        known = {name: each for name, each in usual.to_state().items() if name != FIELD}
        return cls.from_state({**known, "rejects": rejects, **state})

    @classmethod
    def of(cls, outcomes: BatchOutcomes, listed: int | None) -> Collected:
        """What is known of all batches. The messages of rejects and unreadable objects are in their files only."""
        return cls(
            listed,
            outcomes.objects,
            outcomes.rows,
            outcomes.bytes,
            outcomes.failed_batches,
            rejects=Reasons(outcomes.reasons),
            failures=outcomes.errors,
            columns=outcomes.columns,
        )

    @property
    def missing(self) -> dict[str, int] | None:
        """Objects that a result would lack; None when there are none."""
        unreadable, failed = self.objects.rejected, self.objects.failed
        if not unreadable + failed:
            return None
        return {"objects": unreadable + failed, "unreadable": unreadable, "failed": failed}


def failure_reason(collected: Collected, planned: Mapping[str, Any], error: RunError | None) -> RunError | None:
    """Why the run has no result; None if it has one."""
    if StoppedError.__name__ in collected.failures.counts:
        return RunError(
            StoppedError.__name__, f"the run was stopped: {collected.failed_batches:,} batches are not done"
        )
    if error:
        return _first_cause(collected, error)
    return _unaccounted(collected) or _column_not_found(collected) or _incomplete(collected, planned)


def _first_cause(collected: Collected, error: RunError) -> RunError:
    """The children's own error instead of "threshold exceeded"."""
    failures = collected.failures
    if not error.exceeds_threshold or not failures.messages:
        return error
    first, message = next(iter(failures.messages.items()))
    name = first if len(failures.messages) == 1 else BatchesFailedError.__name__
    return RunError(name, f"{collected.failed_batches} batches of objects failed; the first: {first}: {message}")


def _unaccounted(collected: Collected) -> RunError | None:
    try:
        objects, rows = collected.objects.check("run"), collected.rows
    except CountsDoNotReconcileError as mismatch:
        return RunError(type(mismatch).__name__, str(mismatch))
    problem = None
    if objects.read != collected.listed:
        problem = f"{collected.listed} objects were listed, {objects.read} are in the result files"
    elif rows.read != rows.aggregated + rows.filtered + rows.rejected:
        problem = f"{rows.read} rows were read, but the counts of what became of them differ: {rows}"
    return RunError(CountsDoNotReconcileError.__name__, problem) if problem else None


def _column_not_found(collected: Collected) -> RunError | None:
    """JSON rows may lack a column, but a column that no row has is a misspelt one."""
    return column_not_found(collected.columns, f"none of the {collected.rows.read:,} rows has")


def _incomplete(collected: Collected, planned: Mapping[str, Any]) -> RunError | None:
    missing, objects = collected.missing, collected.objects
    if missing is None:
        return None
    reported = (
        f"{missing['objects']} of {objects.read} objects are missing from the result: "
        f"{missing['unreadable']} could not be read (unreadable.jsonl), {missing['failed']} are in batches that failed "
        f"(failed.jsonl){_why(collected)}"
    )
    if planned["onIncomplete"] != REPORT:
        return RunError(IncompleteResultError.__name__, f"{reported}; set onIncomplete to report to get the rest")
    limit = ToleratedFailures.from_state(planned).exceeded(missing["objects"], objects.read)
    if limit:
        return RunError(IncompleteResultError.__name__, f"{reported}; more than the {limit} tolerated")
    return None if objects.written else RunError(IncompleteResultError.__name__, f"{reported}; nothing is left")


def _why(collected: Collected) -> str:
    """The most frequent reasons: nobody should have to open a file to learn them."""
    reasons = {"unreadable": collected.unreadable, "failed": collected.failures}
    return "".join(f"; {name}: {each}" for name, each in reasons.items() if each.counts)
