"""Puts of several items for one, in batches, and which of them are in the table then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sluice.dynamodb.writers import RejectedWrite, Writer
from sluice.errors import ServiceUnavailableError, ThrottledError
from sluice.run_item.rate_limiter import RateLimiter, Spending
from sluice.workflows.table_transform.change_sender import Failure
from sluice.workflows.table_transform.changes import Transfer
from sluice.workflows.table_transform.slice_log import Entry


@dataclass(slots=True, eq=False)
class PutRow:
    """The puts of one item of the run. `skipped`, `refused`: the indexes of those that are not in the table.

    The table kept items of its own for the skipped ones.
    """

    entry: Entry
    transfer: Transfer
    spending: Spending
    skipped: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    rejected: RejectedWrite | None = None


class PutStage:
    """Puts items into one table, and settles them whenever it is flushed. For one thread.

    `on_end` is called for each row then. `stopped_by`: DynamoDB's throttle or failure, after which nothing is put.
    """

    def __init__(self, writer: Writer, writes: RateLimiter, on_end: Callable[[PutRow], None]) -> None:
        self._writer = writer
        self._writes = writes
        self._on_end = on_end
        self._rows: list[PutRow] = []
        self._units_accounted = 0.0
        self.stopped_by: Failure | None = None

    @property
    def write_units(self) -> float:
        """What was spent."""
        return self._writer.outcome.write_units

    def put(self, entry: Entry, transfer: Transfer, *, is_due: bool) -> bool:
        """Put the items; False when the time is up before, or nothing is put any more.

        Raises TableNotFoundError, AccessDeniedError, UnexpectedResponseError, WireError.
        """
        count = len(transfer.puts)
        spending = self._writes.admit(count) if is_due else self._writes.before(count)
        if spending is None or self.stopped_by is not None:
            return False
        row = PutRow(entry, transfer, spending)
        self._rows.append(row)
        try:
            for index, item in enumerate(transfer.puts):
                self._writer.put(item, (row, index))
        except (ThrottledError, ServiceUnavailableError) as error:
            # Some of them may have been put.
            self.stopped_by = error
        return True

    def flush(self) -> None:
        """Return when all puts are settled, unless nothing is put any more. Raises what `put` raises."""
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
            self._on_end(row)

    def close(self) -> None:
        """End the threads."""
        self._writer.close()

    def _take_outcome(self) -> None:
        outcome = self._writer.outcome
        for refused in outcome.take_rejected():
            row, index = refused.origin
            row.rejected = row.rejected or refused
            row.refused.append(index)
        for row, index in outcome.take_skipped():
            row.skipped.append(index)
        units = outcome.write_units - self._units_accounted
        self._units_accounted = outcome.write_units
        puts = sum(len(row.transfer.puts) for row in self._rows)
        for row in self._rows:
            row.spending.ended(units * len(row.transfer.puts) / puts)
