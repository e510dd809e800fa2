"""Blocks of JSON Lines become dicts, with exact numbers: int, or Decimal with a point or an exponent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from sluice.encoding.item import Row
from sluice.errors import RejectError
from sluice.reading.bad_rows import BadRow, undecodable
from sluice.reading.record_scanner import Block, json_lines
from sluice.reading.source import REJECTS, Source
from sluice.rejects import Reason, quoted

# DynamoDB takes 32 levels; what is far deeper could not even be written as a reject again.
NESTING_MAX = 100

_has_escaped_byte = re.compile("[\udc80-\udcff]").search


def json_rows(block: Block, source: Source) -> list[Row | BadRow]:
    """The block's records; what is not a JSON object, or not in the encoding, as BadRow.

    Of a rejects file's line, its `record` is the row.
    """
    read = _rejected_row if source.format == REJECTS else json_object
    rows = [_row(line, read, source.encoding) for line in json_lines(block.data)]
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
        raise RejectError(Reason.ROW_NOT_JSON_OBJECT, f"no JSON: {error}") from error
    if not isinstance(value, dict):
        raise RejectError(Reason.ROW_NOT_JSON_OBJECT, "JSON, but not an object")
    if text.count("{") + text.count("[") > NESTING_MAX and _depth(value) > NESTING_MAX:
        raise RejectError(Reason.NESTING_TOO_DEEP, f"the JSON is nested deeper than {NESTING_MAX} levels")
    return value


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while containers := [each for each in level if isinstance(each, dict | list)]:
        level = [part for each in containers for part in (each.values() if isinstance(each, dict) else each)]
        depth += 1
    return depth


def _row(line: bytes, read: Callable[[str], Row | BadRow], encoding: str) -> Row | BadRow:
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
        raise RejectError(Reason.ROW_NOT_JSON_OBJECT, 'no line of a rejects file: it has no "record"')
    record = line["record"]
    if isinstance(record, list):
        return BadRow(Reason.ROW_RAGGED, "the record lists values without columns", record, 0)
    if not isinstance(record, dict):
        return BadRow(Reason.ROW_NOT_JSON_OBJECT, "the record is no object of columns", record, 0)
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
        raise RejectError(Reason.ROW_NOT_JSON_OBJECT, f"the name {quoted(twice)} stands twice in one object")
    return value


def _no_constant(name: str) -> NoReturn:
    raise RejectError(Reason.ROW_NOT_JSON_OBJECT, f"{name} is no JSON number")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_unique)
