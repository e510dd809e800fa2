"""Puts what items become into another table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sluice.errors import RejectError, ServiceUnavailableError, ThrottledError
from sluice.pacing.allowance import Allowance, Spending
from sluice.transforming.change_sender import Failure
from sluice.transforming.delete import Delete
from sluice.transforming.ledger import SKIPPED, UNCHANGED, Entry, Fate, Ledger, Outcome
from sluice.transforming.puts import Puts
from sluice.transforming.target_transforms import IntoTarget
from sluice.writing.writers import RejectedWrite, Writer


@dataclass(slots=True, eq=False)
class _Row:
    """One item of the source on its way. `skipped`: how many of its puts the target's own items were kept for."""

    entry: Entry
    puts: Puts
    spending: Spending
    skipped: int = 0
    rejected: RejectedWrite | None = None


class TargetWriter:
    """Its writes are settled at the end of each page. For one thread.

    `on_arrival` is called for each item that is in the target in full, or that need not be there: Puts of nothing.
    Without it that is all that becomes of an item.
    """

    pages_held = 0

    def __init__(
        self,
        writer: Writer,
        transform: IntoTarget,
        ledger: Ledger,
        writes: Allowance,
        on_arrival: Callable[[Entry, Puts], None] | None = None,
    ) -> None:
        self._writer = writer
        self._transform = transform
        self._ledger = ledger
        self._writes = writes
        self._on_arrival = on_arrival
        self._rows: list[_Row] = []
        self._has_begun = False
        self._units_accounted = 0.0
        self.stopped_by: Failure | None = None

    @property
    def write_units(self) -> float:
        """What was spent."""
        return self._writer.outcome.write_units

    def take(self, entry: Entry) -> bool:
        """Put what the item becomes; False when the time is up before, or nothing is written any more.

        Raises TableNotFoundError, AccessDeniedError, UnexpectedResponseError, WireError.
        """
        try:
            items = self._transform(entry.item)
        except RejectError as error:
            self._ledger.reject(entry, error.reason, str(error))
            return True
        if isinstance(items, Delete):
            self._arrive(entry, Puts(()))
            return True
        if not items:
            self._ledger.settle(entry, UNCHANGED)
            return True
        return self._put(entry, Puts(items))

    def flush(self) -> None:
        """Return when what was taken is settled, unless nothing is written any more. Raises what `take` raises."""
        if self.stopped_by is not None:
            return
        try:
            self._writer.flush()
        except (ThrottledError, ServiceUnavailableError) as error:
            self.stopped_by = error
            return
        self._take_outcome()
        rows, self._rows = self._rows, []
        for row in rows:
            self._end(row)

    def close(self) -> None:
        """End the threads."""
        self._writer.close()

    def _put(self, entry: Entry, puts: Puts) -> bool:
        count = len(puts.items)
        spending = self._writes.before(count) if self._has_begun else self._writes.admit(count)
        if spending is None:
            return False
        self._has_begun = True
        row = _Row(entry, puts, spending)
        self._rows.append(row)
        try:
            for item in puts.items:
                self._writer.put(item, row)
        except (ThrottledError, ServiceUnavailableError) as error:
            self.stopped_by = error
            return False
        return True

    def _take_outcome(self) -> None:
        outcome = self._writer.outcome
        for refused in outcome.take_rejected():
            row: _Row = refused.origin
            row.rejected = row.rejected or refused
        for row in outcome.take_skipped():
            row.skipped += 1
        units = outcome.write_units - self._units_accounted
        self._units_accounted = outcome.write_units
        puts = sum(len(row.puts.items) for row in self._rows)
        for row in self._rows:
            row.spending.ended(units * len(row.puts.items) / puts)

    def _end(self, row: _Row) -> None:
        if row.rejected is not None:
            self._ledger.reject(row.entry, row.rejected.reason, row.rejected.message)
        elif row.skipped == len(row.puts.items) or (row.skipped and self._on_arrival):
            self._ledger.settle(row.entry, SKIPPED)
        else:
            self._arrive(row.entry, row.puts)

    def _arrive(self, entry: Entry, puts: Puts) -> None:
        if self._on_arrival:
            self._on_arrival(entry, puts)
        else:
            self._ledger.settle(entry, Fate(Outcome.CHANGED, puts))
