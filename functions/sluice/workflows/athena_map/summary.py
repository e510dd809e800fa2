"""The summary of an athena_map run: what became of each row, from the records of its Map Run, and why it failed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sluice.aws.clients import with_advice
from sluice.errors import CountsDoNotReconcileError, RowsFailedError, TooManyRowsError
from sluice.runs.counts import Counts
from sluice.runs.outcomes import message_of
from sluice.runs.paths import Run
from sluice.runs.reasons import Reasons, rejects_state
from sluice.runs.summary import RunError, Status, notes_in, summary_state, too_many_rejects
from sluice.workflows.athena_map.inspection import ROWS_MAX, Inspection
from sluice.workflows.athena_map.query_figures import QueryFigures
from sluice.workflows.athena_map.result_rows import ROW_MAX_BYTES, ROW_TOO_LARGE

SUCCEEDED, REJECTED = "SUCCEEDED", "rejected"
_NOT_STARTED = "NotStarted"


@dataclass(frozen=True, slots=True)
class UndoneRow:
    """A row that was rejected, or has failed, and why."""

    is_reject: bool
    error: str
    message: str
    row: Any

    def to_line(self) -> bytes:
        """The row as one line of the rejects or of the failures."""
        line = {"error": self.error, "message": with_advice(self.message), "record": self.row}
        return json.dumps(line, ensure_ascii=False).encode() + b"\n"


@dataclass(slots=True)
class RowsDone:
    """The rows so far, from the records of the Map Run. Rejected and failed rows go to files as they are found."""

    written: int = 0
    skipped: int = 0
    rejected: int = 0
    failed: int = 0
    failed_batches: int = 0
    reasons: Reasons = field(default_factory=Reasons)
    errors: Reasons = field(default_factory=Reasons)

    @property
    def done(self) -> int:
        """Rows that are accounted for."""
        return self.written + self.skipped + self.rejected + self.failed

    def add(self, record: Mapping[str, Any]) -> Iterator[UndoneRow]:
        """One batch's record; yields its rows that were not done."""
        if record["Status"] == SUCCEEDED:
            yield from self._add_output(json.loads(record["Output"]), record["Input"])
            return
        self.failed_batches += 1
        error = record.get("Error") or (_NOT_STARTED if record["Status"] == "PENDING" else record["Status"])
        message = message_of(record.get("Cause")) or "the batch was not worked through"
        for row in json.loads(record["Input"])["Items"]:
            yield self._undone(UndoneRow(is_reject=False, error=error, message=message, row=row))

    def _add_output(self, output: Mapping[str, Any], batch: str) -> Iterator[UndoneRow]:
        self.written += output["written"]
        self.skipped += output["skipped"]
        rows = json.loads(batch)["Items"] if output["undone"] else []
        for each in output["undone"]:
            is_reject = each["outcome"] == REJECTED
            yield self._undone(UndoneRow(is_reject, each["error"], each["message"], rows[each["index"]]))
        self.failed_batches += any(each["outcome"] != REJECTED for each in output["undone"])

    def _undone(self, undone: UndoneRow) -> UndoneRow:
        self.rejected += undone.is_reject
        self.failed += not undone.is_reject
        (self.reasons if undone.is_reject else self.errors).add(undone.error, with_advice(undone.message))
        return undone


@dataclass(frozen=True, slots=True)
class RowsSummary:
    """What an athena_map run did. `planned`: PlanQuery's result, empty where it has failed.

    `found`: rows that the Map was to read, None where nobody knows.
    """

    run: Run
    bucket: str
    planned: Mapping[str, Any]
    query: QueryFigures | None
    inspection: Inspection | None
    found: int | None
    done: RowsDone
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
    counts, tolerated = summary.counts, summary.planned["toleratedFailurePercentage"]
    if counts.failed * 100 <= tolerated * counts.read:
        return None
    errors = summary.done.errors
    own = list(errors.without(_NOT_STARTED).counts)
    name = own[0] if len(own) == 1 else RowsFailedError.__name__
    problem = f"{counts.failed} of {counts.read} rows failed, more than {tolerated} % tolerated"
    return errors.explain(RunError(name, problem))
