"""Writers put rows' items into one table and account for every row."""

from __future__ import annotations

from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self

from sluice.aws.wire import Wire
from sluice.dynamodb.batch_writer import BatchWriter
from sluice.dynamodb.conditional_writers import ConditionalWriter
from sluice.dynamodb.items import Item
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.table_writer import Origin, RejectedWrite, WriteOutcome

__all__ = ["OnConflict", "RejectedWrite", "WriteOutcome", "Writer", "writer_for"]


class OnConflict(StrEnum):
    """What becomes of a row whose key the table holds already."""

    REPLACE = "replace"
    KEEP = "keep"
    REJECT = "reject"


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


def writer_for(wire: Wire, table: str, on_conflict: OnConflict, schema: KeySchema, *, is_repeat: bool) -> Writer:
    """The writer for a table; `is_repeat`: an attempt that did not end may have written these rows before.

    An existing item that equals the row's item then counts as written. So does the second of two equal rows,
    since nothing tells them apart.
    """
    if on_conflict is OnConflict.REPLACE:
        return BatchWriter(wire, table, schema)
    return ConditionalWriter(
        wire, table, schema, rejects_existing=on_conflict is OnConflict.REJECT, is_repeat=is_repeat
    )
