"""What became of each planned range, data file of an export or segment of a table, read from the Map Run's records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sluice.counts import Counts
from sluice.errors import CountsDoNotReconcileError
from sluice.exports.data_file import DataFile
from sluice.loading.plan import Range
from sluice.loading.range_progress import RangeProgress
from sluice.results.causes import message_of
from sluice.transforming.segment import Segment
from sluice.transforming.transform_progress import TransformProgress

SUCCEEDED = "SUCCEEDED"
LOST = "LOST"

Planned = Range | DataFile | Segment
# By the name that it has in a child's input: what was planned, and what tells how far that has come.
_KINDS: Mapping[str, tuple[type[Planned], type[RangeProgress | TransformProgress]]] = {
    Range.kind: (Range, RangeProgress),
    DataFile.kind: (DataFile, RangeProgress),
    Segment.kind: (Segment, TransformProgress),
}


@dataclass(frozen=True, slots=True)
class RangeOutcome:
    """One range's end, or a file's, or a segment's. `status` is the child's, or LOST where no record names the range.

    `progress` is what its slices did, as far as it is known; the rest of the range's rows are failed. How many rows a
    segment has left, nobody knows.
    """

    planned: Planned
    status: str
    progress: RangeProgress | TransformProgress | None = None
    error: str | None = None
    cause: str | None = None
    execution_arn: str | None = None

    @property
    def known_counts(self) -> Counts:
        """The rows that the range's slices reported."""
        return self.progress.counts if self.progress else Counts()

    @property
    def counts(self) -> Counts:
        """The range's rows; raises CountsDoNotReconcileError when a finished child read other rows than planned."""
        done = self.known_counts
        if self.planned.rows is None:
            return done.check(self.planned.name)
        if self.status == SUCCEEDED and done.read != self.planned.rows:
            raise CountsDoNotReconcileError(f"{self.planned.name}: {self.planned.rows} rows planned, {done.read} read")
        rest = self.planned.rows - done.read
        return (done + Counts(read=rest, failed=rest)).check(self.planned.name)

    def to_failure_line(self) -> bytes:
        """The failed range as one line of the run's failures file."""
        line = {
            self.planned.kind: self.planned.to_state(),
            "status": self.status,
            "error": self.error,
            "cause": self.cause,
            "executionArn": self.execution_arn,
            "counts": self.counts.to_state(),
        }
        return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def outcomes(planned: Iterable[Planned], records: Iterable[Mapping[str, Any]]) -> list[RangeOutcome]:
    """One outcome per planned range, file or segment, in the plan's order.

    A range that succeeded in any attempt has succeeded: a child may stand in several files after a redrive.
    """
    ends: dict[int | str, RangeOutcome] = {}
    for record in records:
        end = _outcome(record)
        known = ends.get(end.planned.identity)
        if known is None or known.status != SUCCEEDED:
            ends[end.planned.identity] = end
    return [ends.get(each.identity, RangeOutcome(each, LOST)) for each in planned]


def _outcome(record: Mapping[str, Any]) -> RangeOutcome:
    given = json.loads(record["Input"])
    kind = next(each for each in _KINDS if each in given)
    part, progress = _KINDS[kind]
    planned, status = part.from_state(given[kind]), record["Status"]
    if status == SUCCEEDED:
        return RangeOutcome(planned, status, progress.from_state(json.loads(record["Output"])))
    reached, cause = _failed_at(record.get("Cause"))
    return RangeOutcome(
        planned,
        status,
        progress.from_state(reached) if reached else None,
        record.get("Error"),
        cause,
        record.get("ExecutionArn"),
    )


def _failed_at(cause: str | None) -> tuple[Mapping[str, Any] | None, str | None]:
    """The cause of RangeFailed and its like has the progress; an aborted or timed out child has another, or none."""
    try:
        told = json.loads(cause or "")
    except ValueError:
        return None, cause
    if not isinstance(told, dict) or "progress" not in told:
        return None, cause
    return told["progress"], message_of(told.get("cause"))
