"""Records to rows: CSV, JSON Lines, and records that are not rows."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from sluice.dynamodb.items import Row
from sluice.errors import CountsDoNotReconcileError, RejectError
from sluice.reading.dialect import CSV, REJECTS, Dialect
from sluice.reading.record_scanner import RECORD_MAX_BYTES, Block, json_lines
from sluice.reading.source import Source
from sluice.rejects import Reason, quoted


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


csv.field_size_limit(RECORD_MAX_BYTES)


def csv_rows(block: Block, source: Source) -> list[Row | BadRow]:
    """The block's records; ragged and undecodable ones as BadRow."""
    try:
        text, is_text = str(block.data, source.encoding), True
    except UnicodeDecodeError:
        text, is_text = str(block.data, source.encoding, "surrogateescape"), False
    records = csv_records(text, source.dialect)
    columns = len(source.header or ())
    if is_text and set(map(len, records)) <= {columns}:
        return [*records]
    return _checked(records, block, source)


def csv_records(text: str, dialect: Dialect) -> list[list[str]]:
    """What csv.reader makes of a text, without blank lines."""
    lines = io.StringIO(text, newline="")
    if dialect.quote is None:
        reader = csv.reader(lines, delimiter=dialect.delimiter, quotechar=None, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote)
    return [record for record in reader if record]


def _checked(records: Sequence[list[str]], block: Block, source: Source) -> list[Row | BadRow]:
    starts = source.grammar.starts(block.data)
    ends = [*starts[1:], len(block.data)]
    spans = zip(records, starts, ends, strict=True)
    return [_csv_row(record, block.data[start:end], block.start + start, source) for record, start, end in spans]


def _csv_row(record: list[str], data: bytes, start: int, source: Source) -> Row | BadRow:
    header = source.header or ()
    try:
        str(data, source.encoding)
    except UnicodeDecodeError as error:
        return undecodable(error, as_record(record, header), start)
    if len(record) != len(header):
        return BadRow(Reason.ROW_RAGGED, f"{len(record)} values for {len(header)} columns", record, start)
    return record


# DynamoDB takes 32 levels; what is far deeper could not even be written as a reject again.
NESTING_MAX = 100

_has_escaped_byte = re.compile("[\udc80-\udcff]").search


def json_rows(block: Block, source: Source) -> list[Row | BadRow]:
    """The block's records; what is not a JSON object, or not in the encoding, as BadRow.

    Of a rejects file's line, its `record` is the row.
    """
    read = _rejected_row if source.format == REJECTS else json_object
    rows = [_json_row(line, read, source.encoding) for line in json_lines(block.data)]
    if not any(isinstance(row, BadRow) for row in rows):
        return rows
    starts = source.grammar.starts(block.data)
    return [_moved(row, block.start + start) for row, start in zip(rows, starts, strict=True)]


def json_object(text: str) -> dict[str, Any]:
    """A JSON object; raises RejectError for anything else, and for names that stand in it twice."""
    try:
        value = _DECODER.decode(text)
    except RecursionError as error:
        raise RejectError(Reason.NESTING_TOO_DEEP, "the JSON is nested too deep to be read") from error
    except InvalidOperation as error:
        raise RejectError(Reason.NUMBER_OUT_OF_RANGE, "a number has too large an exponent") from error
    except ValueError as error:
        raise RejectError(Reason.ROW_NOT_JSON_OBJECT, f"not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise RejectError(Reason.ROW_NOT_JSON_OBJECT, "valid JSON, but not an object")
    if text.count("{") + text.count("[") > NESTING_MAX and _depth(value) > NESTING_MAX:
        raise RejectError(Reason.NESTING_TOO_DEEP, f"the JSON is nested deeper than {NESTING_MAX} levels")
    return value


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while containers := [each for each in level if isinstance(each, dict | list)]:
        level = [part for each in containers for part in (each.values() if isinstance(each, dict) else each)]
        depth += 1
    return depth


def _json_row(line: bytes, read: Callable[[str], Row | BadRow], encoding: str) -> Row | BadRow:
    """A bad row's offset is the one within its line."""
    try:
        return read(str(line, encoding))
    except UnicodeDecodeError as error:
        return undecodable(error, _text(line, encoding), 0)
    except RejectError as error:
        return BadRow(error.reason, str(error), _text(line, encoding), 0)


def _rejected_row(text: str) -> Row | BadRow:
    line = json_object(text)
    if "record" not in line:
        raise RejectError(Reason.ROW_NOT_JSON_OBJECT, 'not a line of a rejects file: "record" is missing')
    record = line["record"]
    if isinstance(record, list):
        return BadRow(Reason.ROW_RAGGED, "the record lists values without columns", record, 0)
    if not isinstance(record, dict):
        return BadRow(Reason.ROW_NOT_JSON_OBJECT, "the record is not a JSON object", record, 0)
    if "\\u" in text and _has_escaped_byte(json.dumps(record, ensure_ascii=False, default=str)):
        return BadRow(Reason.ROW_UNDECODABLE, "the record has an escaped byte, such as \\udce9", record, 0)
    return record


def _moved(row: Row | BadRow, offset: int) -> Row | BadRow:
    return replace(row, byte_offset=row.byte_offset + offset) if isinstance(row, BadRow) else row


def _text(line: bytes, encoding: str) -> str:
    return str(line, encoding, "surrogateescape")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RejectError(Reason.ROW_NOT_JSON_OBJECT, f"the name {quoted(twice)} appears twice in one object")
    return value


def _no_constant(name: str) -> NoReturn:
    raise RejectError(Reason.ROW_NOT_JSON_OBJECT, f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_unique)


__all__ = ["BadRow", "as_record", "parse"]


def parse(block: Block, source: Source) -> list[Row | BadRow]:
    """One entry for each record; raises CountsDoNotReconcileError should they not be `block.rows`."""
    rows = csv_rows(block, source) if source.format == CSV else json_rows(block, source)
    if len(rows) != block.rows:
        raise CountsDoNotReconcileError(
            f"{source}: {block.rows} records in bytes {block.start} to {block.end}, but {len(rows)} rows"
        )
    return rows
