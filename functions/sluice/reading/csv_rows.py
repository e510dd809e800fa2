"""Blocks of a csv become lists of values, one value for each column."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from sluice.encoding.item import Row
from sluice.reading.bad_rows import BadRow, as_record, undecodable
from sluice.reading.record_scanner import RECORD_MAX_BYTES, Block
from sluice.reading.source import Source
from sluice.rejects import Reason

csv.field_size_limit(RECORD_MAX_BYTES)


def csv_rows(block: Block, source: Source) -> list[Row | BadRow]:
    """The block's records; ragged and undecodable ones as BadRow."""
    try:
        text, is_text = str(block.data, source.encoding), True
    except UnicodeDecodeError:
        text, is_text = str(block.data, source.encoding, "surrogateescape"), False
    records = csv_records(text, source.delimiter, source.quote)
    columns = len(source.header or ())
    if is_text and set(map(len, records)) <= {columns}:
        return [*records]
    return _checked(records, block, source)


def csv_records(text: str, delimiter: str, quote: str | None) -> list[list[str]]:
    """What csv.reader makes of a text, without blank lines."""
    lines = io.StringIO(text, newline="")
    if quote is None:
        reader = csv.reader(lines, delimiter=delimiter, quotechar=None, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(lines, delimiter=delimiter, quotechar=quote)
    return [record for record in reader if record]


def _checked(records: Sequence[list[str]], block: Block, source: Source) -> list[Row | BadRow]:
    starts = source.grammar.starts(block.data)
    ends = [*starts[1:], len(block.data)]
    spans = zip(records, starts, ends, strict=True)
    return [_row(record, block.data[start:end], block.start + start, source) for record, start, end in spans]


def _row(record: list[str], data: bytes, start: int, source: Source) -> Row | BadRow:
    header = source.header or ()
    try:
        str(data, source.encoding)
    except UnicodeDecodeError as error:
        return undecodable(error, as_record(record, header), start)
    if len(record) != len(header):
        return BadRow(Reason.ROW_RAGGED, f"{len(record)} values for {len(header)} columns", record, start)
    return record
