"""What a record can be: a row, a row that may be several, a repeated header, or no row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sluice.dynamodb.items import Row
from sluice.rejects import Reason


@dataclass(frozen=True, slots=True)
class BadRow:
    """A record that is no row. `byte_offset` is its start in the (decompressed) source, or its bad byte.

    `record` is a dict by column where the values fit the header, a list of values where they do not, and the
    text itself where it is not JSON, or its quotes are wrong. A byte that is not the encoding's stands in it as half
    a surrogate pair (Python's surrogateescape), which the rejects file spells as an escape: nothing is lost.
    """

    reason: str
    message: str
    record: Any
    byte_offset: int


# A row equal to the header, as where files were concatenated: it is skipped, and no reject.
REPEATED_HEADER = BadRow("RepeatedHeader", "the row is equal to the header", None, 0)


class JoinedRow(list[str]):
    """A row with a field of several lines that look like rows: a stray quote may have joined them."""


class TypedRow(dict[str, Any]):
    """An item's plain values; `record` is the item in DynamoDB JSON."""

    def __init__(self, values: dict[str, Any], record: dict[str, Any]) -> None:
        super().__init__(values)
        self.record = record


ParsedRow = Row | BadRow


def undecodable(error: UnicodeDecodeError, record: Any, start: int) -> BadRow:
    """A record that is not in the source's encoding; `start` is the offset of what was decoded."""
    message = f"byte 0x{error.object[error.start]:02x} is not {error.encoding}"
    return BadRow(Reason.ROW_UNDECODABLE, message, record, start + error.start)


def as_record(row: Row, header: Sequence[str] | None) -> Any:
    """A row as it stands in the rejects file: by column, or a list of values where columns cannot name them."""
    if isinstance(row, TypedRow):
        return row.record
    if header is None or len(row) != len(header) or not isinstance(row, list) or len({*header}) < len(header):
        return row
    return dict(zip(header, row, strict=True))
