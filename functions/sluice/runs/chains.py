"""Runs that continue each other: what those before this one have done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from sluice.runs.counts import Counts
from sluice.runs.outcomes import Progress
from sluice.state import State


@dataclass(frozen=True, slots=True)
class WorkBefore(State):
    """What runs of a chain have done together, as far as their slices have reported."""

    counts: Counts = field(default_factory=Counts)
    write_units: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)

    def plus(self, progresses: Iterable[Progress]) -> WorkBefore:
        """With what the slices of further parts have done."""
        counts, units, reasons = self.counts, self.write_units, Counter(self.reasons)
        for each in progresses:
            counts, units = counts + each.counts, units + each.write_units
            reasons += each.reasons
        return WorkBefore(counts, units, reasons)
