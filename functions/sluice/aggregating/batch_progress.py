"""How far AggregateObjects has come with a batch of objects: what its slices hand on, and what the run sums up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sluice.counts import Counts
from sluice.format_version import FIELD, FORMAT, readable


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Rows by what became of them: `filtered` by `where`, `rejected` into the rejects file."""

    read: int = 0
    aggregated: int = 0
    filtered: int = 0
    rejected: int = 0

    def __add__(self, other: RowCounts) -> RowCounts:
        return RowCounts(
            self.read + other.read,
            self.aggregated + other.aggregated,
            self.filtered + other.filtered,
            self.rejected + other.rejected,
        )


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """`batch` names it within the run, the same for every attempt: parts are named by it and the slice.

    `next_object` is the index of the object that the next slice begins or goes on with, `position` where in it (its
    shape is the reader's own, None at its beginning). `pending_slices` have left parts of that object, which count
    only once it has been read to its end. `objects`: read = written (aggregated) + skipped (folders, other suffixes)
    + rejected (unreadable). `bytes` is what was read, as stored.
    """

    batch: str
    done: bool = False
    slices: int = 0
    next_object: int = 0
    position: Mapping[str, Any] | None = None
    pending_slices: tuple[int, ...] = ()
    part_slices: tuple[int, ...] = ()
    reject_slices: tuple[int, ...] = ()
    unreadable_slices: tuple[int, ...] = ()
    objects: Counts = field(default_factory=Counts)
    rows: RowCounts = field(default_factory=RowCounts)
    bytes: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> BatchProgress:
        """Read what `to_state` returns."""
        readable(state, "how far a batch of objects has come")
        return cls(
            batch=state["batch"],
            done=state["done"],
            slices=state["slices"],
            next_object=state["nextObject"],
            position=state["position"],
            pending_slices=tuple(state["pendingSlices"]),
            part_slices=tuple(state["partSlices"]),
            reject_slices=tuple(state["rejectSlices"]),
            unreadable_slices=tuple(state["unreadableSlices"]),
            objects=Counts.from_state(state["objects"]),
            rows=RowCounts(**state["rows"]),
            bytes=state["bytes"],
            reasons=Counter(state["reasons"]),
        )

    def to_state(self) -> dict[str, Any]:
        """The progress as it travels in state."""
        return {
            FIELD: FORMAT,
            "batch": self.batch,
            "done": self.done,
            "slices": self.slices,
            "nextObject": self.next_object,
            "position": self.position,
            "pendingSlices": list(self.pending_slices),
            "partSlices": list(self.part_slices),
            "rejectSlices": list(self.reject_slices),
            "unreadableSlices": list(self.unreadable_slices),
            "objects": self.objects.to_state(),
            "rows": asdict(self.rows),
            "bytes": self.bytes,
            "reasons": dict(self.reasons),
        }
