"""The columns of a result, and what of it Step Functions' own reader would damage."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from sluice.errors import InvalidInputError
from sluice.reading.record_scanner import Block
from sluice.rejects import quoted

# Step Functions reads header rows of up to 10 KiB.
HEADER_MAX_BYTES = 10 << 10
# A row that is longer stands alone in its block: see `sluice.reading.record_scanner.blocks`.
SCAN_BLOCK_BYTES = 64 << 10

# Backslashes are dropped, carriage returns may be; what the reader makes of the others, nobody says.
_UNSAFE = bytes({*range(0x20), ord("\\")} - {ord("\t"), ord("\n")})


def csv_records(text: str) -> list[list[str]]:
    """The records of a result; a blank line is a record of one empty cell, as NULL is."""
    return [record or [""] for record in csv.reader(io.StringIO(text, newline=""))]


def damage(block: Block, columns: Sequence[str]) -> str | None:
    """Why the block's rows would not come through Step Functions' CSV reader as they are; None when they would."""
    data = block.data
    if len(data.translate(None, _UNSAFE)) != len(data):
        return "a backslash or a control character"
    if block.rows == 1 and len(data) > SCAN_BLOCK_BYTES:
        return "a long row"
    if len(columns) == 1 and (data.startswith(b"\n") or b"\n\n" in data):
        return "a blank line"
    return None


def check_columns(columns: Sequence[str], needed: Mapping[str, str]) -> None:
    """Raises InvalidInputError for two columns of one name, and by its field for one of `needed` that is not there."""
    for column in _twice(columns):
        raise InvalidInputError("query", f"the result has two columns {quoted(column)}; name them apart with AS")
    for column, field in needed.items():
        if column not in columns:
            known = ", ".join(quoted(each) for each in columns)
            raise InvalidInputError(field, f"the result has no column {quoted(column)}; it has {known}")


def _twice(columns: Iterable[str]) -> Iterable[str]:
    seen: set[str] = set()
    for column in columns:
        if column in seen:
            yield column
        seen.add(column)
