"""The summary of an object_map run: what became of its objects and rows, and where the result is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sluice.errors import CountsDoNotReconcileError
from sluice.reducing.merge_request import MergeProgress
from sluice.results.batch_outcomes import PENDING, SUCCEEDED
from sluice.results.causes import told_by
from sluice.results.objects_verdict import Collected
from sluice.results.summary import RunError, Status
from sluice.run import Run


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
            return RunError(record.get("Error", record["Status"]), f"merge {name}: {told_by(record.get('Cause'))}")
    return None


def checked(collected: Collected, reduced: MergeProgress | None, error: RunError | None) -> RunError | None:
    """The run's error; a result whose rows are not those of the batches is one."""
    if error or not reduced or reduced.rows == collected.rows.aggregated:
        return error
    problem = f"{collected.rows.aggregated} rows were aggregated, {reduced.rows} are in the result's groups"
    return RunError(CountsDoNotReconcileError.__name__, problem)
