"""The summary of an object_map run: what became of its objects and rows, and where the result is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from sluice.errors import BatchesFailedError, CountsDoNotReconcileError, IncompleteResultError, StoppedError
from sluice.runs.counts import Counts
from sluice.runs.outcomes import message_in
from sluice.runs.paths import Run
from sluice.runs.summary import RunError, Status, too_many_rejects
from sluice.state import VersionedState
from sluice.workflows.object_map.batch_outcomes import PENDING, SUCCEEDED, BatchOutcomes
from sluice.workflows.object_map.input import REPORT
from sluice.workflows.object_map.merge_plan import MergeProgress
from sluice.workflows.object_map.progress import RowCounts


@dataclass(frozen=True, slots=True)
class ObjectsSummary:
    """`reduced`: how far the last merge has come, None where there was none."""

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
        return {
            "workflow": run.workflow,
            "status": str(self.status),
            "execution": run.name,
            "counts": objects.to_state(),
            "capacity": {"readUnits": 0, "writeUnits": 0},
            "results": {"bucket": self.bucket, "prefix": run.prefix},
            "rejects": {"key": run.rejects_key, "reasons": dict(collected.reasons)} if rows.rejected else None,
            "failures": {"key": run.failures_key, "batches": collected.failed_batches}
            if collected.failed_batches
            else None,
            "error": {"name": self.error.name, "message": self.error.message} if self.error else None,
            "notes": list(collected.notes),
            "rows": asdict(rows),
            "bytes": collected.bytes,
            "groups": self.reduced.groups if self.reduced else 0,
            "unreadable": {"key": run.unreadable_key, "objects": objects.rejected} if objects.rejected else None,
            "result": self._result(),
        }

    def _result(self) -> dict[str, Any] | None:
        """None for a run that failed, whatever it has left: no answer must look like one."""
        if self.error or not self.reduced:
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
    """What the first merge that failed has ended with."""
    for record in records:
        if record["Status"] not in (SUCCEEDED, PENDING):
            name = json.loads(record["Input"])["merge"]["name"]
            return RunError(record.get("Error", record["Status"]), f"merge {name}: {message_in(record.get('Cause'))}")
    return None


def checked(collected: Collected, reduced: MergeProgress | None, error: RunError | None) -> RunError | None:
    """The run's error; a result whose rows are not those of the batches is one."""
    if error or not reduced or reduced.rows == collected.rows.aggregated:
        return error
    problem = f"{collected.rows.aggregated} rows were aggregated, {reduced.rows} are in the result's groups"
    return RunError(CountsDoNotReconcileError.__name__, problem)


@dataclass(frozen=True, slots=True)
class Collected(VersionedState):
    """What the batches of a run have come to. `listed`: objects that the Map Run had; None where there was none.

    `notes` are those of the plan.
    """

    what: ClassVar = "what the batches have come to"

    listed: int | None
    objects: Counts
    rows: RowCounts
    bytes: int
    reasons: Mapping[str, int]
    failed_batches: int
    notes: tuple[str, ...] = ()

    @classmethod
    def from_plan(cls, state: Mapping[str, Any] | None) -> Collected:
        """Read what PlanReduction left, if it came so far; format 1 has no notes."""
        return cls.from_state({"notes": [], **state}) if state else cls(None, Counts(), RowCounts(), 0, {}, 0)

    @classmethod
    def of(cls, outcomes: BatchOutcomes, listed: int | None) -> Collected:
        """What is known of all batches."""
        return cls(
            listed, outcomes.objects, outcomes.rows, outcomes.bytes, dict(outcomes.reasons), outcomes.failed_batches
        )

    @property
    def missing(self) -> dict[str, int] | None:
        """Objects that a result would lack; None when there are none."""
        unreadable, failed = self.objects.rejected, self.objects.failed
        if not unreadable + failed:
            return None
        return {"objects": unreadable + failed, "unreadable": unreadable, "failed": failed}


def failure_reason(
    collected: Collected, planned: Mapping[str, Any], errors: Mapping[str, str], error: RunError | None
) -> RunError | None:
    """Why there is no result, None when there is one. `errors`: the children's own, with their messages."""
    if StoppedError.__name__ in errors:
        return RunError(
            StoppedError.__name__, f"the run was stopped: {collected.failed_batches:,} batches are not done"
        )
    if error:
        return _first_cause(collected, errors, error)
    rows = Counts(read=collected.rows.read, rejected=collected.rows.rejected)
    return (
        _unaccounted(collected)
        or _incomplete(collected, planned)
        or too_many_rejects(rows, planned["rejectsTolerated"])
    )


def _first_cause(collected: Collected, errors: Mapping[str, str], error: RunError) -> RunError:
    """The children's own error in place of "threshold exceeded"."""
    if not error.exceeds_threshold or not errors:
        return error
    first, message = next(iter(errors.items()))
    name = first if len(errors) == 1 else BatchesFailedError.__name__
    return RunError(name, f"{collected.failed_batches} batches of objects failed; the first: {first}: {message}")


def _unaccounted(collected: Collected) -> RunError | None:
    try:
        objects, rows = collected.objects.check("run"), collected.rows
    except CountsDoNotReconcileError as mismatch:
        return RunError(type(mismatch).__name__, str(mismatch))
    problem = None
    if objects.read != collected.listed:
        problem = f"{collected.listed} objects were listed, {objects.read} stand in the result files"
    elif rows.read != rows.aggregated + rows.filtered + rows.rejected:
        problem = f"{rows.read} rows were read, but {rows} tells of others"
    return RunError(CountsDoNotReconcileError.__name__, problem) if problem else None


def _incomplete(collected: Collected, planned: Mapping[str, Any]) -> RunError | None:
    missing, objects = collected.missing, collected.objects
    if missing is None:
        return None
    reported = (
        f"{missing['objects']} of {objects.read} objects are missing from the result: "
        f"{missing['unreadable']} could not be read (unreadable.jsonl), {missing['failed']} are in batches that failed "
        "(failed.jsonl)"
    )
    if planned["onIncomplete"] != REPORT:
        return RunError(IncompleteResultError.__name__, f"{reported}; set onIncomplete to report to get the rest")
    tolerated = planned["toleratedFailurePercentage"]
    if missing["objects"] * 100 > tolerated * objects.read:
        return RunError(IncompleteResultError.__name__, f"{reported}, more than the {tolerated} % tolerated")
    return None if objects.written else RunError(IncompleteResultError.__name__, f"{reported}; nothing is left")
