"""CSV records to rows. A record whose quotes csv.reader(strict=True) refuses is rejected, and never repaired."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from typing import Any

from sluice.reading.dialect import Dialect
from sluice.reading.record_scanner import RECORD_MAX_BYTES, Block
from sluice.reading.row_kinds import REPEATED_HEADER, BadRow, JoinedRow, ParsedRow, as_record, undecodable
from sluice.reading.source import Source
from sluice.rejects import Reason

csv.field_size_limit(RECORD_MAX_BYTES)

_UTF8_MARK = "\ufeff"
_newline = re.compile("\r\n?|\n")
_REMEDY = "double the quotes within quotes, or set source.escape or source.quote to what the file has"

# The number of the source's line that holds the byte at an offset, from 1; None where it is not known.
LineOf = Callable[[int], int | None]


def no_lines(_offset: int) -> None:
    """Where lines are not counted."""


class QuoteError(Exception):
    """A record has text after a closing quote, or ends within a pair of an escape and what it escapes."""


def csv_rows(block: Block, source: Source, line_of: LineOf) -> list[ParsedRow]:
    """The block's records: those with wrong quotes, ragged and undecodable ones as BadRow."""
    try:
        text = str(block.data, source.encoding)
        records = csv_records(text, source.dialect)
    except (UnicodeDecodeError, QuoteError):
        return _checked(block, source, line_of)
    if not set(map(len, records)) <= {len(source.header or ())}:
        return _checked(block, source, line_of)
    rows: list[ParsedRow] = [*records]
    _mark_repeated_headers(rows, text, source)
    if block.data.count(b"\n") > len(records) or b"\r" in block.data:
        _mark_joined(rows, block, source)
    return rows


def csv_records(text: str, dialect: Dialect) -> list[list[str]]:
    """The cells of a text's records, without blank lines and comments. Raises QuoteError."""
    if not dialect.is_csv_readers:
        return _other_records(text, dialect)
    options: dict[str, Any] = {"delimiter": dialect.delimiter, "quotechar": dialect.quote, "escapechar": dialect.escape}
    if dialect.quote is None:
        options["quoting"] = csv.QUOTE_NONE
    try:
        return [record for record in csv.reader(io.StringIO(text, newline=""), strict=True, **options) if record]
    except csv.Error as error:
        raise QuoteError(str(error)) from error


def _other_records(text: str, dialect: Dialect) -> list[list[str]]:
    records = [dialect.cell_grammar.cells(record) for record in dialect.cell_grammar.records(text)]
    if not all(cell.is_strict for record in records for cell in record):
        raise QuoteError("text follows a closing quote")
    return [[cell.text for cell in record] for record in records]


def _checked(block: Block, source: Source, line_of: LineOf) -> list[ParsedRow]:
    """Each record read by itself."""
    starts = source.grammar.starts(block.data)
    ends = [*starts[1:], len(block.data)]
    rows = [
        _checked_row(block.data[start:end], block.start + start, source, line_of)
        for start, end in zip(starts, ends, strict=True)
    ]
    _mark_repeated_headers(rows, _UTF8_MARK, source)
    _mark_joined(rows, block, source)
    return rows


def _checked_row(data: bytes, start: int, source: Source, line_of: LineOf) -> ParsedRow:
    header = source.header or ()
    text = str(data, source.encoding, "surrogateescape")
    try:
        str(data, source.encoding)
    except UnicodeDecodeError as error:
        return undecodable(error, _readable_record(text, source), start)
    try:
        (row,) = csv_records(text, source.dialect)
    except QuoteError:
        return _wrong_quotes(_record_alone(text, source.dialect), start, line_of)
    if len(row) != len(header):
        return BadRow(Reason.ROW_RAGGED, f"{len(row)} values for {len(header)} columns", row, start)
    return row


def _readable_record(text: str, source: Source) -> Any:
    try:
        return as_record(csv_records(text, source.dialect)[0], source.header or ())
    except QuoteError:
        return _record_alone(text, source.dialect)


def _record_alone(text: str, dialect: Dialect) -> str:
    """The record without its newline, and without the blank lines and comments after it."""
    return text.rstrip("\r\n") if dialect.is_plain else dialect.cell_grammar.records(text)[0]


def _wrong_quotes(record: str, start: int, line_of: LineOf) -> BadRow:
    first, more = line_of(start), len(_newline.findall(record))
    lines = f"line {first}" if not more else f"lines {first} to {(first or 0) + more}"
    where = lines if first else f"{more + 1} line{'s' if more else ''} from byte {start} on"
    return BadRow(Reason.QUOTE_INVALID, f"{where}: text follows a closing quote; {_REMEDY}", record, start)


def _mark_repeated_headers(rows: list[ParsedRow], text: str, source: Source) -> None:
    """Rows equal to the header row are no rows. A byte order mark may stand before them."""
    header = source.header_row
    if header is None or len(header) < 2:
        return
    names = [*header]
    if names in rows:
        rows[:] = [REPEATED_HEADER if row == names else row for row in rows]
    if _UTF8_MARK in text and (marked := [_UTF8_MARK + names[0], *names[1:]]) in rows:
        rows[:] = [REPEATED_HEADER if row == marked else row for row in rows]


def _mark_joined(rows: list[ParsedRow], block: Block, source: Source) -> None:
    """Rows with a field of several lines that have as many delimiters as the header."""
    columns = len(source.header or ())
    many = [number for number, row in enumerate(rows) if isinstance(row, list) and _has_newline("".join(row))]
    if columns < 2 or not many:
        return
    starts = [*source.grammar.starts(block.data), len(block.data)]
    delimiter = source.dialect.delimiter.encode(source.encoding)
    for number in many:
        row = rows[number]
        if isinstance(row, list) and _are_like_rows(
            block.data[starts[number] : starts[number + 1]], delimiter, columns
        ):
            rows[number] = JoinedRow(row)


def _has_newline(text: str) -> bool:
    return "\n" in text or "\r" in text


def _are_like_rows(record: bytes, delimiter: bytes, columns: int) -> bool:
    """Whether all lines within a record, or else its only two, have the header's number of delimiters."""
    lines = record.rstrip(b"\r\n").splitlines()
    inner: Sequence[bytes] = lines[1:-1] or lines
    return all(line.count(delimiter) == columns - 1 for line in inner)
