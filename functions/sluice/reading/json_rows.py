"""JSON records to rows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from sluice.dynamodb.items import Row
from sluice.dynamodb.plain import ATTRIBUTE_TYPES, plain_item
from sluice.errors import RejectError
from sluice.reading.dialect import DYNAMODB_JSON, REJECTS
from sluice.reading.json_grammar import JsonGrammar
from sluice.reading.record_scanner import Block, json_lines
from sluice.reading.row_kinds import BadRow, ParsedRow, TypedRow, undecodable
from sluice.reading.source import Source
from sluice.rejects import Reason, quoted

# DynamoDB takes 32 levels; what is far deeper could not even be written as a reject again.
NESTING_MAX = 100

_has_escaped_byte = re.compile("[\udc80-\udcff]").search


def json_rows(block: Block, source: Source) -> list[ParsedRow]:
    """The block's records; what is not a JSON object, or not in the encoding, as BadRow.

    Of a rejects file's line, its `record` is the row; of DynamoDB JSON, the item's plain values are.
    """
    read = _READERS.get(source.format, json_object)
    rows: list[ParsedRow] = [_json_row(text, read, source.encoding) for text in _records(block, source)]
    if not any(isinstance(row, BadRow) for row in rows):
        return rows
    starts = source.grammar.starts(block.data)
    return [_moved(row, block.start + start) for row, start in zip(rows, starts, strict=True)]


def _records(block: Block, source: Source) -> list[bytes]:
    grammar = source.grammar
    if isinstance(grammar, JsonGrammar):
        return [block.data[start:end] for start, end in grammar.spans(block.data)]
    return json_lines(block.data)


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


def _typed_row(text: str) -> Row | BadRow:
    """An item in DynamoDB JSON: {"Item": ...}, the item itself, or a line of a rejects file that has it."""
    line = json_object(text)
    if {"Keys", "NewImage", "OldImage"} & set(line) and "Metadata" in line:
        raise RejectError(Reason.RECORD_INVALID, "a record of an incremental export; load it with export_process")
    item = line["record"] if {"row", "error", "record"} <= set(line) else line
    if [*item] == ["Item"] and isinstance(item["Item"], dict) and all(map(_is_typed, item["Item"].values())):
        item = item["Item"]
    try:
        _checked_types(item)
    except (ValueError, TypeError, AttributeError) as error:
        raise _not_an_item(str(error)) from error
    try:
        return TypedRow(plain_item(item), record=item)
    except (ValueError, TypeError, AttributeError, InvalidOperation) as error:
        raise _not_an_item(_misfit(item) or str(error)) from error


def _not_an_item(problem: str) -> RejectError:
    return RejectError(Reason.RECORD_INVALID, f"not an item in DynamoDB JSON: {problem}")


def _misfit(item: Mapping[str, Any]) -> str | None:
    """The first attribute whose value does not fit its type, if it is at the top level."""
    for name, value in item.items():
        try:
            plain_item({name: value})
        except (ValueError, TypeError, AttributeError, InvalidOperation):
            [(kind, inner)] = value.items()
            return f"the attribute {quoted(name)} has the type {kind}, which {quoted(str(inner))} does not fit"
    return None


def _is_typed(value: object) -> bool:
    return isinstance(value, dict) and len(value) == 1 and all(kind in ATTRIBUTE_TYPES for kind in value)


def _checked_types(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise TypeError("the item is not an object")
    for name, value in item.items():
        if not _is_typed(value):
            raise ValueError(f"the attribute {quoted(name)} is not an object of one type and its value")
        if "M" in value:
            _checked_types(value["M"])
        for index, element in enumerate(value.get("L", ())):
            _checked_types({f"{name}[{index}]": element})
    return item


_READERS: dict[str, Callable[[str], Row | BadRow]] = {REJECTS: _rejected_row, DYNAMODB_JSON: _typed_row}


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
