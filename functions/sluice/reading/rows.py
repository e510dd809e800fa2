"""Records to rows: of a csv, of JSON, and records that are not rows."""

from __future__ import annotations

from sluice.errors import CountsDoNotReconcileError
from sluice.reading.csv_rows import LineOf, csv_records, csv_rows, no_lines
from sluice.reading.dialect import CSV
from sluice.reading.json_rows import json_object, json_rows
from sluice.reading.record_scanner import Block
from sluice.reading.row_kinds import REPEATED_HEADER, BadRow, JoinedRow, ParsedRow, as_record
from sluice.reading.source import Source

__all__ = [
    "REPEATED_HEADER",
    "BadRow",
    "JoinedRow",
    "LineOf",
    "ParsedRow",
    "as_record",
    "csv_records",
    "json_object",
    "no_lines",
    "parse",
]


def parse(block: Block, source: Source, line_of: LineOf = no_lines) -> list[ParsedRow]:
    """One entry for each record; raises CountsDoNotReconcileError should they not be `block.rows`.

    `line_of`: the lines of records whose quotes are wrong, for their messages.
    """
    rows = csv_rows(block, source, line_of) if source.format == CSV else json_rows(block, source)
    if len(rows) != block.rows:
        raise CountsDoNotReconcileError(
            f"{source}: {block.rows} records in bytes {block.start} to {block.end}, but {len(rows)} rows"
        )
    return rows
