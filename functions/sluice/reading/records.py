"""Blocks become rows: a list of values for each record of a csv, a dict for each line of JSON."""

from __future__ import annotations

from sluice.encoding.item import Row
from sluice.errors import CountsDoNotReconcileError
from sluice.reading.bad_rows import BadRow, as_record
from sluice.reading.csv_rows import csv_rows
from sluice.reading.json_rows import json_rows
from sluice.reading.record_scanner import Block
from sluice.reading.source import CSV, Source

__all__ = ["BadRow", "as_record", "parse"]


def parse(block: Block, source: Source) -> list[Row | BadRow]:
    """One entry for each record; raises CountsDoNotReconcileError should they not be `block.rows`."""
    rows = csv_rows(block, source) if source.format == CSV else json_rows(block, source)
    if len(rows) != block.rows:
        raise CountsDoNotReconcileError(
            f"{source}: {block.rows} records in bytes {block.start} to {block.end}, but {len(rows)} rows"
        )
    return rows
