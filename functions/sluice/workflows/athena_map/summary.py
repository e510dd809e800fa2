"""The summary of an athena_map run: what became of each row, from the records of its Map Run, and why it failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.errors import CountsDoNotReconcileError, RowsFailedError, TooManyRowsError
from sluice.runs.counts import Counts
from sluice.runs.input import ToleratedFailures
from sluice.runs.paths import Run
from sluice.runs.reasons import Reasons, rejects_state
from sluice.runs.summary import RunError, Status, notes_in, summary_state, too_many_rejects
from sluice.runs.undone import NOT_STARTED, ItemsDone
from sluice.workflows.athena_map.inspection import ROWS_MAX, ResultInspection
from sluice.workflows.athena_map.query_figures import QueryFigures
from sluice.workflows.athena_map.result_rows import ROW_MAX_BYTES, ROW_TOO_LARGE


@dataclass(frozen=True, slots=True)
class RowsSummary:
    """What an athena_map run did. `planned`: PlanQuery's result, empty where it has failed.

    `found`: rows that the Map was to read, None where nobody knows.
    """

    run: Run
    bucket: str
    planned: Mapping[str, Any]
    query: QueryFigures | None
    inspection: ResultInspection | None
    found: int | None
    done: ItemsDone
    error: RunError | None

    @property
    def counts(self) -> Counts:
        """`written`: copied or processed. Rows that no record has are failed ones."""
        done, too_large = self.done, self.inspection.rejected if self.inspection else 0
        lost = max((self.found or 0) - done.done, 0)
        return Counts(
            read=done.done + lost + too_large,
            written=done.written,
            skipped=done.skipped,
            rejected=done.rejected + too_large,
            failed=done.failed + lost,
        )

    @property
    def reasons(self) -> Reasons:
        """Why rows were rejected, those included that the inspection of the rows has rejected."""
        done, too_large = self.done.reasons, self.inspection.rejected if self.inspection else 0
        counts = +(done.counts + Counter({ROW_TOO_LARGE: too_large}))
        return Reasons(
            counts, {**done.messages, ROW_TOO_LARGE: f"the row has more than {ROW_MAX_BYTES:,} bytes as JSON"}
        )

    @property
    def status(self) -> Status:
        """FAILED with an error; else PARTIAL when any row failed."""
        return Status.of(self.error, is_partial=bool(self.counts.failed))

    def to_state(self) -> dict[str, Any]:
        """The summary object, with what only this workflow has."""
        counts = self.counts
        common = summary_state(
            self.run,
            self.bucket,
            status=self.status,
            counts=counts,
            error=self.error,
            rejects=rejects_state(self.run.rejects_key, self.reasons) if counts.rejected else None,
            failures=self._failures(),
            notes=notes_in(self.planned),
        )
        return common | {"query": self.query.to_state() if self.query else None}

    def _failures(self) -> dict[str, Any] | None:
        done, run = self.done, self.run
        if not done.failed:
            return None
        why = {"errors": dict(done.errors.counts), "examples": done.errors.examples}
        return {"key": run.failures_key, "rows": run.failed_rows_key, "batches": done.failed_batches, **why}


def failure_reason_of_rows(summary: RowsSummary) -> RunError | None:
    """Why the run failed: by its own error, that of its rows, counts that do not add up, or rejects."""
    if summary.error and summary.error.exceeds_threshold:
        return _too_many_failed(summary) or summary.error
    if summary.error or summary.inspection is None:
        return summary.error
    return (
        _unaccounted(summary)
        or _too_many_failed(summary)
        or summary.reasons.explain(too_many_rejects(summary.counts, summary.planned["rejectsTolerated"]))
    )


def _unaccounted(summary: RowsSummary) -> RunError | None:
    found, done = summary.found, summary.done.done
    if found is None:
        return RunError(CountsDoNotReconcileError.__name__, "the rows that the Map had to read were not counted")
    if found != done:
        return RunError(CountsDoNotReconcileError.__name__, f"{found} rows found, {done} accounted for")
    if summary.inspection and summary.inspection.rows is None and found >= ROWS_MAX:
        problem = f"{found:,} rows, and the Distributed Map reads no more: there may be others"
        return RunError(TooManyRowsError.__name__, problem)
    return None


def _too_many_failed(summary: RowsSummary) -> RunError | None:
    counts = summary.counts
    limit = ToleratedFailures.from_state(summary.planned).exceeded(counts.failed, counts.read)
    if limit is None:
        return None
    errors = summary.done.errors
    own = list(errors.without(NOT_STARTED).counts)
    name = own[0] if len(own) == 1 else RowsFailedError.__name__
    problem = f"{counts.failed} of {counts.read} rows failed, more than the {limit} tolerated"
    return errors.explain(RunError(name, problem))
