"""The summary object that every workflow ends with, before what only one of them has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluice.counts import Counts
from sluice.results.summary import RunError, Status
from sluice.run import Run


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
    """`capacity`: read and write units, None where no table is read or written.

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
