"""What rows have come to: groups, counts, rejects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from sluice.aggregating.batch_progress import RowCounts
from sluice.aggregating.group_lines import to_line
from sluice.aggregating.group_tally import GroupTally, Key
from sluice.rejects import Reject


@dataclass(slots=True)
class Tally:
    """`measures`: how many there are. `rejects`: lines of the rejects file."""

    measures: int
    groups: dict[Key, GroupTally] = field(default_factory=dict)
    rows: RowCounts = field(default_factory=RowCounts)
    reasons: Counter[str] = field(default_factory=Counter)
    rejects: list[bytes] = field(default_factory=list)
    reject_bytes: int = 0

    def merge_group(self, key: Key, theirs: GroupTally) -> None:
        """Rows of a group, whose tally is of no use afterwards; whoever merges counts the rows."""
        mine = self.groups.setdefault(key, theirs)
        if mine is not theirs:
            mine.merge(theirs)

    def add(self, key: Key, values: Sequence[Decimal | None]) -> None:
        """One row of a group; whoever adds counts the rows."""
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = GroupTally.empty(self.measures)
        group.rows += 1
        for measure, value in zip(group.measures, values, strict=True):
            if value is not None:
                measure.add(value)

    def refuse(self, reject: Reject) -> None:
        """One row that is rejected; whoever refuses counts the rows."""
        line = reject.to_line()
        self.rejects.append(line)
        self.reject_bytes += len(line)
        self.reasons[reject.reason] += 1

    def merge(self, other: Tally) -> None:
        """What other rows have come to as well; `other` is of no use afterwards."""
        if not self.groups:
            self.groups = other.groups
        else:
            for key, theirs in other.groups.items():
                self.merge_group(key, theirs)
        self.rows += other.rows
        self.reasons += other.reasons
        self.rejects += other.rejects
        self.reject_bytes += other.reject_bytes

    def part(self) -> bytes:
        """The groups as lines in the order of their keys."""
        return b"".join([to_line(key, self.groups[key]) for key in sorted(self.groups)])
