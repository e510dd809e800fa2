"""What is known of a group: exact, so that the order of addition changes nothing, not even the last digit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact, InvalidOperation

Key = tuple[str, ...]

# Numbers have 38 digits between 1E-130 and 9.9E+125: their sums fit, and one that would be rounded raises.
EXACT = Context(prec=1000, Emin=-9999, Emax=9999, traps=[Inexact, InvalidOperation])
ZERO = Decimal(0)


@dataclass(slots=True)
class MeasureTally:
    """The values of one measure in a group; `low` and `high` are None without any."""

    count: int = 0
    total: Decimal = ZERO
    low: Decimal | None = None
    high: Decimal | None = None

    def add(self, value: Decimal) -> None:
        """One more value."""
        self.merge(MeasureTally(1, value, value, value))

    def merge(self, other: MeasureTally) -> None:
        """The values of another tally as well."""
        self.count += other.count
        self.total = EXACT.add(self.total, other.total)
        if other.low is not None and (self.low is None or other.low < self.low):
            self.low = other.low
        if other.high is not None and (self.high is None or other.high > self.high):
            self.high = other.high

    @property
    def mean(self) -> float | None:
        """The double that is nearest to the exact mean."""
        if not self.count:
            return None
        numerator, denominator = self.total.as_integer_ratio()
        # Of whole numbers the quotient is the nearest double.
        return numerator / (denominator * self.count)


@dataclass(slots=True)
class GroupTally:
    """The rows of one group, and its measures in the aggregation's order."""

    rows: int
    measures: list[MeasureTally] = field(default_factory=list)

    @classmethod
    def empty(cls, measures: int) -> GroupTally:
        """Of no rows."""
        return cls(0, [MeasureTally() for _ in range(measures)])

    def merge(self, other: GroupTally) -> None:
        """The rows of another tally of the same group as well."""
        self.rows += other.rows
        for mine, theirs in zip(self.measures, other.measures, strict=True):
            mine.merge(theirs)


def merged(tallies: Iterable[GroupTally], measures: int) -> GroupTally:
    """All rows of several tallies of one group."""
    total = GroupTally.empty(measures)
    for each in tallies:
        total.merge(each)
    return total
