"""Records that are no rows, and how they stand in the rejects file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sluice.encoding.item import Row
from sluice.rejects import Reason


@dataclass(frozen=True, slots=True)
class BadRow:
    """A record that is no row. `byte_offset` is its start in the (decompressed) source, or its bad byte.

    `record` is a dict by column where the values fit the header, a list of values where they do not, and the
    text itself where it is not JSON. A byte that is not the encoding's stands in it as half a surrogate pair
    (Python's surrogateescape), which the rejects file spells as an escape: nothing is lost.
    """

    reason: str
    message: str
    record: Any
    byte_offset: int


def undecodable(error: UnicodeDecodeError, record: Any, start: int) -> BadRow:
    """A record that is not in the source's encoding; `start` is the offset of what was decoded."""
    message = f"byte 0x{error.object[error.start]:02x} is not {error.encoding}"
    return BadRow(Reason.ROW_UNDECODABLE, message, record, start + error.start)


def as_record(row: Row, header: Sequence[str] | None) -> Any:
    """A row as it stands in the rejects file: by column, or a list of values where columns cannot name them."""
    if header is None or len(row) != len(header) or not isinstance(row, list) or len({*header}) < len(header):
        return row
    return dict(zip(header, row, strict=True))
