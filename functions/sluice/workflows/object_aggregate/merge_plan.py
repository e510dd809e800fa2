"""The merges of a run, 32 parts each, and how far one merge is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from sluice.fields import Fields
from sluice.runs.paths import Run
from sluice.state import VersionedState
from sluice.workflows.object_aggregate.aggregation import Aggregation


@dataclass(frozen=True, slots=True)
class LastMerge:
    """What the last merge needs to write the result. `rows`: rows that the batches have aggregated.

    `missing`: {"objects", "unreadable", "failed"}, None when the result has every object.
    """

    rows: int
    missing: Mapping[str, int] | None


@dataclass(frozen=True, slots=True)
class Merge(VersionedState):
    """`name` is unique within the run; `last` is None for a merge whose part is merged further."""

    what: ClassVar = "a line of the merges' plan"

    name: str
    parts: tuple[str, ...]
    last: LastMerge | None = None


@dataclass(frozen=True, slots=True)
class MergeProgress(VersionedState):
    """`groups` have been merged, of which `listed` are in the result; `rows` are those of the groups."""

    what: ClassVar = "how far a merge has come"

    done: bool = False
    slices: int = 0
    groups: int = 0
    listed: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class MergeRequest:
    """One slice of a merge."""

    run: Run
    aggregation: Aggregation
    merge: Merge
    progress: MergeProgress

    @classmethod
    def from_event(cls, event: object) -> MergeRequest:
        """Read {"run", "aggregation", "merge", "progress"}; no progress at the beginning. Raises InvalidInputError."""
        fields = Fields(event, ("run", "aggregation", "merge", "progress"))
        return cls(
            run=Run.from_state(fields.raw("run")),
            aggregation=Aggregation.from_state(fields.raw("aggregation")),
            merge=Merge.from_state(fields.raw("merge")),
            progress=MergeProgress.from_state(fields.raw("progress")) if fields.has("progress") else MergeProgress(),
        )

    @property
    def outcome_key(self) -> str:
        """The key of the outcome of this slice."""
        return self.run.merge_outcome_key(self.merge.name, self.progress.slices)

    def rest_key(self, slices: int) -> str:
        """What so many slices have begun and not sent."""
        return self.run.merge_rest_key(self.merge.name, slices)


# So many parts are read at a time; ten thousand batches take two levels and the last merge.
FAN_IN = 32


def plan_merges(
    run: Run, parts: Sequence[str], last: LastMerge, fan_in: int = FAN_IN
) -> tuple[list[list[Merge]], Merge]:
    """The merges of each level, whose parts the next level takes, and the last merge, which writes the result."""
    levels: list[list[Merge]] = []
    while len(parts) > fan_in:
        level = len(levels) + 1
        merges = [
            Merge(f"{level}-{number:06d}", tuple(parts[first : first + fan_in]))
            for number, first in enumerate(range(0, len(parts), fan_in))
        ]
        levels.append(merges)
        parts = [run.merged_part_key(each.name) for each in merges]
    return levels, Merge("last", tuple(parts), last)
