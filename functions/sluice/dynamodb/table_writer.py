"""What every writer has in common: rows accepted, rows accounted for, and requests in flight in between."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from sluice.aws.in_flight import InFlight
from sluice.dynamodb.items import Item
from sluice.errors import CountsDoNotReconcileError, WireError
from sluice.rejects import Reason

Origin = Any
Task = TypeVar("Task")

# Refused for what an item holds, so the item is rejected and the run continues. 413: the body is too large.
ITEM_REFUSALS = frozenset(
    {"ValidationException", "SerializationException", "ItemCollectionSizeLimitExceededException", "413"}
)


@dataclass(frozen=True, slots=True)
class RejectedWrite:
    """One row that the table does not take; `origin` is what came with it to `put`."""

    origin: Origin
    reason: Reason
    message: str

    @classmethod
    def refused(cls, origin: Origin, error: WireError) -> RejectedWrite:
        """A row that DynamoDB refuses, with DynamoDB's own words."""
        return cls(origin, Reason.WRITE_REJECTED, str(error))


@dataclass(slots=True)
class WriteOutcome:
    """What became of the rows, one by one, and what it took.

    Superseded rows were followed by one with the same key before they were sent: as good as overwritten.
    `undecided`: rows whose item is in the table just as it is, which another attempt may have written.
    Throttled counts the requests that DynamoDB throttled in whole or in part.
    """

    written: int = 0
    superseded: int = 0
    undecided: list[Origin] = field(default_factory=list)
    skipped: list[Origin] = field(default_factory=list)
    rejected: list[RejectedWrite] = field(default_factory=list)
    taken: int = 0
    write_units: float = 0.0
    requests: int = 0
    throttled: int = 0

    @property
    def accounted(self) -> int:
        """Rows whose outcome is known."""
        return self.written + self.superseded + len(self.skipped) + len(self.rejected) + self.taken

    def take_rejected(self) -> list[RejectedWrite]:
        """Hand over the rejected rows so far, so that they need not all be held until the end."""
        rejected, self.rejected = self.rejected, []
        self.taken += len(rejected)
        return rejected

    def take_skipped(self) -> list[Origin]:
        """Hand over the origins of the skipped rows so far, likewise."""
        skipped, self.skipped = self.skipped, []
        self.taken += len(skipped)
        return skipped

    def add(self, other: WriteOutcome) -> None:
        """Add what one request came to."""
        self.written += other.written
        self.superseded += other.superseded
        self.undecided += other.undecided
        self.skipped += other.skipped
        self.rejected += other.rejected
        self.taken += other.taken
        self.write_units += other.write_units
        self.requests += other.requests
        self.throttled += other.throttled


class TableWriter(ABC, Generic[Task]):
    """Puts rows' items into one table, several requests at a time. For one thread."""

    def __init__(self, work: Callable[[Task], WriteOutcome], threads: int) -> None:
        self.outcome = WriteOutcome()
        self._accepted = 0
        self._in_flight = InFlight(work, self.outcome.add, threads=threads, held=2 * threads)

    @abstractmethod
    def put(self, item: Item, origin: Origin) -> None:
        """Accept one row's item; waits while too many requests are in flight. Raises their errors."""

    def flush(self) -> None:
        """Return when everything put is acknowledged or accounted for. Raises CountsDoNotReconcileError."""
        self._send_rest()
        self._in_flight.drain()
        if self._accepted != self.outcome.accounted:
            raise CountsDoNotReconcileError(f"{self._accepted} rows put, {self.outcome.accounted} accounted for")

    def close(self) -> None:
        """End the threads; what has not been flushed may be lost."""
        self._in_flight.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            self.close()

    @abstractmethod
    def _send_rest(self) -> None: ...
