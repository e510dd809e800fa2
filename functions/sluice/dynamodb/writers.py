"""Writers put rows' items into one table and account for every row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self

from sluice.aws.wire import Wire
from sluice.dynamodb.batch_writer import BatchWriter, DeleteWriter
from sluice.dynamodb.conditional_writers import ConditionalWriter
from sluice.dynamodb.items import Item
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.table_writer import Origin, RejectedWrite, WriteOutcome
from sluice.dynamodb.units import UNLIMITED, WriteLimiter
from sluice.dynamodb.update_writer import UpdateWriter

__all__ = ["OnConflict", "RejectedWrite", "Write", "WriteOutcome", "WriteSpec", "Writer", "writer_for"]


class Write(StrEnum):
    """What is done with a row's item: put, merged into the item that exists, or deleted by its key."""

    PUT = "put"
    UPDATE = "update"
    DELETE = "delete"


class OnConflict(StrEnum):
    """What becomes of a row whose key the table holds already, where items are put."""

    REPLACE = "replace"
    KEEP = "keep"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class WriteSpec:
    """How rows are written. `must_exist`: an update creates no item."""

    write: Write = Write.PUT
    on_conflict: OnConflict = OnConflict.REPLACE
    must_exist: bool = False

    @property
    def depends_on_items(self) -> bool:
        """Whether it counts for a row that an earlier attempt may have written it."""
        return self.write is Write.PUT and self.on_conflict is not OnConflict.REPLACE

    @property
    def last_wins(self) -> bool:
        """Whether a row replaces the whole item of an earlier row with its key."""
        return self.write is Write.PUT and self.on_conflict is OnConflict.REPLACE


class Writer(Protocol):
    """Leaving its context flushes it, unless by an error, and ends its threads."""

    @property
    def outcome(self) -> WriteOutcome:
        """What became of the rows so far; of all rows put once `flush` has returned."""

    def put(self, item: Item, origin: Origin) -> None:
        """Accept one row's item; `origin` comes back with the row when it is rejected."""

    def flush(self) -> None:
        """Return when everything put is acknowledged or accounted for.

        Like `put`, raises ThrottledError, ServiceUnavailableError, TableNotFoundError, AccessDeniedError,
        UnexpectedResponseError; and CountsDoNotReconcileError.
        """

    def close(self) -> None:
        """End the threads; what has not been flushed may be lost."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


def writer_for(
    wire: Wire,
    table: str,
    schema: KeySchema,
    spec: WriteSpec,
    *,
    may_be_repeated: Callable[[], bool] = lambda: False,
    limiter: WriteLimiter = UNLIMITED,
) -> Writer:
    """The writer for a table. `may_be_repeated`: whether another attempt may have written some of these rows.

    An existing item that equals the row's item then counts as written. So does the second of two equal rows,
    since nothing tells them apart.
    """
    if spec.write is Write.UPDATE:
        return UpdateWriter(wire, table, schema, must_exist=spec.must_exist, limiter=limiter)
    if spec.write is Write.DELETE:
        return DeleteWriter(wire, table, schema, limiter=limiter)
    if spec.on_conflict is OnConflict.REPLACE:
        return BatchWriter(wire, table, schema, limiter=limiter)
    return ConditionalWriter(
        wire,
        table,
        schema,
        rejects_existing=spec.on_conflict is OnConflict.REJECT,
        may_be_repeated=may_be_repeated,
        limiter=limiter,
    )
