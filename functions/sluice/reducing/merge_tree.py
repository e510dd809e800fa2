"""The tree of merges: how many levels there are, and which parts each merge takes."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.reducing.merge_request import LastMerge, Merge
from sluice.run import Run

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
