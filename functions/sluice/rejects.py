"""Rows that could not become items: why, and how they stand in the run's rejects file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sluice.errors import RejectError

QUOTED_CHARACTERS = 40
LISTED_MAX = 30
_CUT = " ... "

# Half a surrogate pair, which JSON can spell as an escape, has no UTF-8.
has_half_pair = re.compile("[\ud800-\udfff]").search


class Reason(StrEnum):
    """The error names that a rejected row can carry."""

    ROW_RAGGED = "RowRagged"
    QUOTE_INVALID = "QuoteInvalid"
    ROW_UNDECODABLE = "RowUndecodable"
    ROW_NOT_JSON_OBJECT = "RowNotJsonObject"
    RECORD_INVALID = "RecordInvalid"
    COLUMN_MISSING = "ColumnMissing"
    COLUMN_UNNAMED = "ColumnUnnamed"
    KEY_MISSING = "KeyMissing"
    KEY_EMPTY = "KeyEmpty"
    KEY_TOO_LONG = "KeyTooLong"
    KEY_TYPE_MISMATCH = "KeyTypeMismatch"
    NUMBER_INVALID = "NumberInvalid"
    NUMBER_OUT_OF_RANGE = "NumberOutOfRange"
    NUMBER_TOO_PRECISE = "NumberTooPrecise"
    DATE_INVALID = "DateInvalid"
    BOOLEAN_UNKNOWN = "BooleanUnknown"
    BINARY_INVALID = "BinaryInvalid"
    SET_EMPTY = "SetEmpty"
    JSON_INVALID = "JsonInvalid"
    TEXT_INVALID = "TextInvalid"
    VALUE_UNSUPPORTED = "ValueUnsupported"
    NESTING_TOO_DEEP = "NestingTooDeep"
    ITEM_TOO_LARGE = "ItemTooLarge"
    ITEM_TOO_WIDE = "ItemTooWide"
    ITEM_EXISTS = "ItemExists"
    ITEM_MISSING = "ItemMissing"
    TRANSFORM_FAILED = "TransformFailed"
    WRITE_REJECTED = "WriteRejected"
    WRITE_CONFLICT = "WriteConflict"
    CHANGED_SINCE = "ChangedSince"
    KEY_CHANGED = "KeyChanged"
    SEVERAL_ITEMS = "SeveralItems"


def quoted(text: str) -> str:
    """A value as a message shows it: quoted, escaped, and cut after 40 characters."""
    shown = text if len(text) <= QUOTED_CHARACTERS else text[:QUOTED_CHARACTERS] + "..."
    return json.dumps(shown, ensure_ascii=has_half_pair(shown) is not None)


def shortened(message: str, most: int) -> str:
    """The message in at most so many characters, cut in the middle: what is wrong may come after a whole record."""
    if len(message) <= most:
        return message
    kept = most - len(_CUT)
    return message[: kept - kept // 2] + _CUT + message[len(message) - kept // 2 :]


def quoted_names(names: Sequence[str]) -> str:
    """The names as a message lists them: quoted, and no more than 30."""
    others = len(names) - LISTED_MAX
    listed = ", ".join(map(quoted, names[:LISTED_MAX]))
    return f"{listed} and {others:,} others" if others > 0 else listed or "none"


def located(path: str, error: RejectError) -> RejectError:
    """The same rejection, its message saying where in the item."""
    return RejectError(error.reason, f"{path}: {error}")


@dataclass(frozen=True, slots=True)
class Reject:
    """One rejected row. `record` is the row as columns and values, or what could be read of it.

    `file` is the one of several that the row is numbered in.
    """

    row: int
    reason: str
    message: str
    record: Any
    byte_offset: int | None = None
    file: str | None = None

    def to_line(self) -> bytes:
        """The reject as one line of the rejects file: JSON, UTF-8, newline at the end."""
        line: dict[str, Any] = {"row": self.row, "error": self.reason, "message": self.message}
        if self.byte_offset is not None:
            line["byteOffset"] = self.byte_offset
        if self.file is not None:
            line["file"] = self.file
        line["record"] = self.record
        return _line(line)


@dataclass(frozen=True, slots=True)
class RejectedItem:
    """One rejected item of a table; `key` and `item` are DynamoDB JSON."""

    key: Mapping[str, Any]
    reason: str
    message: str
    item: Mapping[str, Any]

    def to_line(self) -> bytes:
        """The reject as one line of the rejects file: JSON, UTF-8, newline at the end."""
        return _line({"error": self.reason, "message": self.message, "key": self.key, "record": self.item})


def _line(line: dict[str, Any]) -> bytes:
    text = _json(line, ensure_ascii=False)
    if has_half_pair(text):
        text = _json(line, ensure_ascii=True)
    return text.encode() + b"\n"


def _json(value: object, *, ensure_ascii: bool) -> str:
    """JSON with Decimals as numbers, which json.dumps cannot write: read again, the row is the same."""
    if isinstance(value, Decimal):
        return str(value)
    try:
        return json.dumps(value, ensure_ascii=ensure_ascii)
    except TypeError as error:
        if isinstance(value, dict):
            pairs = (f"{json.dumps(name)}: {_json(each, ensure_ascii=ensure_ascii)}" for name, each in value.items())
            return f"{{{', '.join(pairs)}}}"
        if isinstance(value, list):
            return f"[{', '.join(_json(each, ensure_ascii=ensure_ascii) for each in value)}]"
        raise TypeError(f"{type(value).__name__} cannot be written to a rejects file") from error
