"""The summary object that every workflow ends with, before what only one of them has."""

from __future__ import annotations

from collections.abc import Mapping
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
) -> dict[str, Any]:
    """`capacity`: read and write units, None where no table is read or written."""
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
    }
