"""How far a range has come, from one slice to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sluice.runs.counts import Counts
from sluice.runs.format_version import FIELD, FORMAT, readable


@dataclass(frozen=True, slots=True)
class RangeProgress:
    """What the slices so far have done, and where the next one starts.

    `position`: byte offset of the next record in the decompressed source; `row`: its number, the first data row is 1.
    `slices`: slices done; `reject_slices`: the numbers of those that left a file of rejects.
    """

    position: int
    row: int
    slices: int = 0
    done: bool = False
    counts: Counts = field(default_factory=Counts)
    write_units: float = 0.0
    reject_slices: tuple[int, ...] = ()
    reasons: Counter[str] = field(default_factory=Counter)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> RangeProgress:
        """Read what `to_state` returns."""
        readable(state, "how far a range has come")
        return cls(
            position=state["position"],
            row=state["row"],
            slices=state["slices"],
            done=state["done"],
            counts=Counts.from_state(state["counts"]),
            write_units=state["writeUnits"],
            reject_slices=tuple(state["rejectSlices"]),
            reasons=Counter(state["reasons"]),
        )

    def to_state(self) -> dict[str, Any]:
        """The progress as it travels in state, and as a finished child returns it."""
        return {
            FIELD: FORMAT,
            "position": self.position,
            "row": self.row,
            "slices": self.slices,
            "done": self.done,
            "counts": self.counts.to_state(),
            "writeUnits": self.write_units,
            "rejectSlices": list(self.reject_slices),
            "reasons": dict(self.reasons),
        }
