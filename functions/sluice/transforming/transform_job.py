"""What is done with a table, as PlanTransform tells every child."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from sluice.format_version import FIELD, FORMAT, readable
from sluice.keys import KeySchema
from sluice.transforming.update_requests import Where
from sluice.writing.writers import OnConflict

DRY_RUN, APPLY = "dryRun", "apply"


@dataclass(frozen=True, slots=True)
class Table:
    """A table by its name and key."""

    name: str
    schema: KeySchema

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Read what `to_state` returns."""
        return cls(state["name"], KeySchema.from_state(state["keys"]))

    def to_state(self) -> dict[str, Any]:
        """The table as it travels in state."""
        return {"name": self.name, "keys": self.schema.to_state()}


@dataclass(frozen=True, slots=True)
class TransformJob:
    """`target` None: in place. `way`: {"transform": name} or {"mapping": {...}}. `budget`: pacing's, None without.

    `item_bytes` is the mean of the table, where its size is known.
    """

    table: Table
    target: Table | None
    way: Mapping[str, Any]
    where: Where | None
    mode: str
    total_segments: int
    on_conflict: OnConflict
    deletes_source: bool
    budget: Mapping[str, Any] | None
    sample_per_segment: int
    item_bytes: float | None

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Read what `to_state` returns."""
        readable(state, "the run's plan")
        return cls(
            table=Table.from_state(state["table"]),
            target=Table.from_state(state["target"]) if state["target"] else None,
            way=state["way"],
            where=Where.from_state(state["where"]),
            mode=state["mode"],
            total_segments=state["totalSegments"],
            on_conflict=OnConflict(state["onConflict"]),
            deletes_source=state["deleteSource"],
            budget=state["budget"],
            sample_per_segment=state["samplePerSegment"],
            item_bytes=state["itemBytes"],
        )

    def to_state(self) -> dict[str, Any]:
        """The job as every child gets it."""
        return {
            FIELD: FORMAT,
            "table": self.table.to_state(),
            "target": self.target.to_state() if self.target else None,
            "way": dict(self.way),
            "where": self.where.to_state() if self.where else None,
            "mode": self.mode,
            "totalSegments": self.total_segments,
            "onConflict": str(self.on_conflict),
            "deleteSource": self.deletes_source,
            "budget": self.budget,
            "samplePerSegment": self.sample_per_segment,
            "itemBytes": self.item_bytes,
        }

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing is written."""
        return self.mode == DRY_RUN
