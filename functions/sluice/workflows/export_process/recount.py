"""Files of an export that have other numbers of records than its manifest says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sluice.errors import FileDamagedError
from sluice.runs.outcomes import SUCCEEDED, RangeOutcome
from sluice.runs.summary import RunError
from sluice.workflows.export_process.files import DataFile


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of the parts of a run, by the rows that they were found to have."""

    ends: Sequence[RangeOutcome]
    error: RunError | None = None
    notes: tuple[str, ...] = ()


def recounted(ends: Sequence[RangeOutcome], *, is_verified: bool) -> Counted:
    """Count the records that files have. A difference fails the run, or is a note of one that is not verified."""
    found = [_as_found(end) for end in ends]
    others = [(end, each) for end, each in zip(ends, found, strict=True) if end is not each]
    if not others:
        return Counted(found)
    end, each = others[0]
    problem = (
        f"{len(others):,} of {len(ends):,} files have other numbers of records than the manifest says; the first, "
        f"{end.planned.name}, has {each.planned.rows:,} and not {end.planned.rows:,}"
    )
    if not is_verified:
        return Counted(found, notes=(f"{problem}; the records that are there were processed",))
    advice = 'the records that are there were processed; with "verify": false this is a note'
    return Counted(found, RunError(FileDamagedError.__name__, f"{problem}; {advice}"))


def _as_found(end: RangeOutcome) -> RangeOutcome:
    file, read = end.planned, end.known_counts.read
    if end.status != SUCCEEDED or not isinstance(file, DataFile) or read == file.rows:
        return end
    return replace(end, planned=replace(file, rows=read))
