"""What an encoder makes of a row, and what a writer writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

Row = Sequence[str] | Mapping[str, Any]


class Item(NamedTuple):
    """One item, ready for the wire.

    `key` is equal for two items exactly when DynamoDB sees one primary key (numbers in normal form);
    `body` is the item in DynamoDB JSON, UTF-8: {"pk":{"S":"a"}}.
    """

    key: tuple[str, ...]
    body: bytes


class RowEncoder(Protocol):
    """Turns one row into items; raises RejectError when it cannot. No items: the row is skipped."""

    def __call__(self, row: Row, /) -> Sequence[Item]: ...
