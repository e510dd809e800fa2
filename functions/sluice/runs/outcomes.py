"""The outcome of each part of a plan, read from the records of the Map Run."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sluice.errors import CountsDoNotReconcileError
from sluice.runs.counts import Counts
from sluice.runs.results import read_until_complete

# Step Functions cuts long causes, which makes them invalid JSON. Whole characters and escapes only.
_ERROR_MESSAGE = re.compile(r'\{\s*"errorMessage":\s*"((?:[^"\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*)')


def message_of(cause: str | None) -> str | None:
    """Lambda's errorMessage where the cause is Lambda's JSON, whole or cut off, else the cause as it is."""
    try:
        return str(json.loads(cause or "")["errorMessage"])
    except (ValueError, KeyError, TypeError):
        found = _ERROR_MESSAGE.match(cause or "")
        return json.loads(f'"{found[1]}"', strict=False) if found else cause


def message_in(cause: str | None) -> str:
    """The innermost message: a child of slices carries its progress beside it, others have Lambda's own JSON."""
    try:
        inner = json.loads(cause or "")["cause"]
    except (ValueError, KeyError, TypeError):
        inner = cause
    return message_of(inner) or ""


SUCCEEDED = "SUCCEEDED"
# The child never started.
PENDING = "PENDING"
LOST = "LOST"
# The child has ended as it should, but before its part was done: the run was stopped.
STOPPED = "STOPPED"


class Progress(Protocol):
    """What the slices of a part have done so far."""

    @property
    def counts(self) -> Counts: ...
    @property
    def write_units(self) -> float: ...
    @property
    def reasons(self) -> Counter[str]: ...
    @property
    def reject_slices(self) -> tuple[int, ...]: ...


class Planned(Protocol):
    """A part of a plan: a range, a data file or a segment. `rows` is None where nobody knows how many it has."""

    @property
    def kind(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def rows(self) -> int | None: ...
    @property
    def identity(self) -> int | str: ...
    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    def to_state(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class PartType:
    """How a child's input names its part, under `kind`, and how the part and its progress are read."""

    kind: str
    read: Callable[[Mapping[str, Any]], Planned]
    read_progress: Callable[[Mapping[str, Any]], Progress]


@dataclass(frozen=True, slots=True)
class RangeOutcome:
    """One range's end, or a file's, or a segment's. `status` is the child's, STOPPED, or LOST where no record names it.

    `progress` is what its slices did, as far as it is known. The rest of the rows are failed, unless the run was
    stopped: then nobody has read them. How many rows a segment has left, nobody knows.
    """

    planned: Planned
    status: str
    progress: Progress | None = None
    error: str | None = None
    cause: str | None = None
    execution_arn: str | None = None

    @property
    def has_failed(self) -> bool:
        """Whether the child did not end as it should."""
        return self.status not in (SUCCEEDED, STOPPED)

    @property
    def known_counts(self) -> Counts:
        """The rows that the range's slices reported."""
        return self.progress.counts if self.progress else Counts()

    @property
    def counts(self) -> Counts:
        """The range's rows; raises CountsDoNotReconcileError when a finished child read other rows than planned."""
        done = self.known_counts
        if self.planned.rows is None or self.status == STOPPED:
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


def outcomes(
    part_type: PartType, planned: Iterable[Planned], records: Iterable[Mapping[str, Any]]
) -> list[RangeOutcome]:
    """One outcome per planned part, in the plan's order. `records`: the children's, from the Map Run's result files.

    A part that succeeded in any attempt has succeeded: after a redrive a child may be in several files.
    """
    ends: dict[int | str, RangeOutcome] = {}
    for record in records:
        end = _outcome(part_type, record)
        known = ends.get(end.planned.identity)
        if known is None or known.status != SUCCEEDED:
            ends[end.planned.identity] = end
    return [ends.get(each.identity, RangeOutcome(each, LOST)) for each in planned]


def outcomes_of_plan(
    part_type: PartType, planned: Sequence[Planned], read: Callable[[], Iterable[Mapping[str, Any]]]
) -> list[RangeOutcome]:
    """The same from result files that may come late: `read` is called until they name all parts, but not for ever."""
    return read_until_complete(
        lambda: outcomes(part_type, planned, read()), lambda ends: all(end.status != LOST for end in ends)
    )


def _outcome(part_type: PartType, record: Mapping[str, Any]) -> RangeOutcome:
    planned = part_type.read(json.loads(record["Input"])[part_type.kind])
    status = record["Status"]
    if status == SUCCEEDED:
        output = json.loads(record["Output"])
        return RangeOutcome(planned, STOPPED if output.get("stopped") else status, part_type.read_progress(output))
    reached, cause = _failed_at(record.get("Cause"))
    return RangeOutcome(
        planned,
        status,
        part_type.read_progress(reached) if reached else None,
        record.get("Error"),
        cause,
        record.get("ExecutionArn"),
    )


def _failed_at(cause: str | None) -> tuple[Mapping[str, Any] | None, str | None]:
    """The cause of RangeFailed and its like has the progress; an aborted or timed out child has another, or none."""
    try:
        reported = json.loads(cause or "")
    except ValueError:
        return None, cause
    if not isinstance(reported, dict) or "progress" not in reported:
        return None, cause
    return reported["progress"], message_of(reported.get("cause"))
