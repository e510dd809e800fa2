"""How far a range has come, from one slice to the next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar

from sluice.runs.counts import Counts
from sluice.state import VersionedState


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
