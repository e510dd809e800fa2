"""An object that spans slices: where to go on, and what may never count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sluice.aggregating.batch_progress import RowCounts
from sluice.aggregating.object_records import Place
from sluice.aggregating.tally import Tally


@dataclass(frozen=True, slots=True)
class PendingObject:
    """`rows`, `reasons` and `reject_slices` are those of the object's slices so far; `place` None is its beginning."""

    place: Place | None = None
    rows: RowCounts = field(default_factory=RowCounts)
    reasons: Counter[str] = field(default_factory=Counter)
    reject_slices: tuple[int, ...] = ()

    @classmethod
    def from_state(cls, state: Mapping[str, Any] | None) -> PendingObject:
        """Read the `position` of a BatchProgress."""
        if state is None:
            return cls()
        return cls(
            Place(state["offset"], state["row"]),
            RowCounts(**state["rows"]),
            Counter(state["reasons"]),
            tuple(state["rejectSlices"]),
        )

    def to_state(self) -> dict[str, Any] | None:
        """As the `position` of a BatchProgress."""
        if self.place is None:
            return None
        return {
            "offset": self.place.offset,
            "row": self.place.row,
            "rows": asdict(self.rows),
            "reasons": dict(self.reasons),
            "rejectSlices": list(self.reject_slices),
        }

    def after(self, place: Place, tally: Tally, number: int) -> PendingObject:
        """The object after one more slice, whose rejects, if there are any, have this number."""
        return PendingObject(
            place,
            self.rows + tally.rows,
            self.reasons + tally.reasons,
            (*self.reject_slices, number) if tally.rejects else self.reject_slices,
        )
