"""Row counts of a slice, a range or a run, and what makes them reconcile."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.errors import CountsDoNotReconcileError
from sluice.state import State
from sluice.sums import FieldSums


@dataclass(frozen=True, slots=True)
class Counts(FieldSums, State):
    """Rows by outcome; a failed row is one whose outcome is not known."""

    read: int = 0
    written: int = 0
    skipped: int = 0
    rejected: int = 0
    failed: int = 0

    def check(self, what: str) -> Counts:
        """Return the counts; raises CountsDoNotReconcileError unless every row read is accounted for."""
        accounted = self.written + self.skipped + self.rejected + self.failed
        if self.read != accounted:
            raise CountsDoNotReconcileError(f"{what}: {self.read} rows read, {accounted} accounted for ({self})")
        return self
