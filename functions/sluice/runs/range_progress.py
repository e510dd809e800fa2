"""How far a range has come, from one slice to the next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar

from sluice.runs.counts import Counts
from sluice.runs.row_findings import RowFindings
from sluice.state import State, VersionedState


@dataclass(frozen=True, slots=True)
class Findings(State):
    """What slices found out beside their counts.

    `superseded`: rows that later rows of their slices replaced; `is_exact`: whether all of them were counted.
    `unseen`: columns of the input that no row had, None before the first row and for sources with a header.
    `planned_write_units`, `sample_slices`: of a dry run, what writing would take, and the slices that left a sample.
    """

    superseded: int = 0
    is_exact: bool = True
    unseen: tuple[str, ...] | None = None
    planned_write_units: float = 0.0
    sample_slices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RangeProgress(VersionedState):
    """What the slices so far have done, and where the next one starts.

    `position`: byte offset of the next record in the decompressed source; `row`: its number, the first data row is 1.
    `piece`: in a range of several objects, the index of the piece that both are about.
    `slices`: slices done; `reject_slices`: the numbers of those that left a file of rejects.
    """

    what: ClassVar = "how far a range has come"

    position: int
    row: int
    slices: int = 0
    done: bool = False
    counts: Counts = field(default_factory=Counts)
    write_units: float = 0.0
    reject_slices: tuple[int, ...] = ()
    reasons: Counter[str] = field(default_factory=Counter)
    piece: int = 0
    findings: Findings = field(default_factory=Findings)
    rows_found: RowFindings = field(default_factory=RowFindings)
