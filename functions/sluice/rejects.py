"""Rows that could not become items: why, and how they stand in the run's rejects file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any


class Reason(StrEnum):
    """The error names that a rejected row can carry."""

    ROW_RAGGED = "RowRagged"
    ROW_UNDECODABLE = "RowUndecodable"
    ROW_NOT_JSON_OBJECT = "RowNotJsonObject"
    COLUMN_MISSING = "ColumnMissing"
    KEY_MISSING = "KeyMissing"
    KEY_EMPTY = "KeyEmpty"
    KEY_TOO_LONG = "KeyTooLong"
    KEY_TYPE_MISMATCH = "KeyTypeMismatch"
    NUMBER_INVALID = "NumberInvalid"
    NUMBER_OUT_OF_RANGE = "NumberOutOfRange"
    NUMBER_TOO_PRECISE = "NumberTooPrecise"
    BOOLEAN_UNKNOWN = "BooleanUnknown"
    BINARY_INVALID = "BinaryInvalid"
    SET_EMPTY = "SetEmpty"
    SET_DUPLICATE = "SetDuplicate"
    VALUE_UNSUPPORTED = "ValueUnsupported"
    NESTING_TOO_DEEP = "NestingTooDeep"
    ITEM_TOO_LARGE = "ItemTooLarge"
    ITEM_EXISTS = "ItemExists"
    TRANSFORM_FAILED = "TransformFailed"
    WRITE_REJECTED = "WriteRejected"


@dataclass(frozen=True, slots=True)
class Reject:
    """One rejected row. `record` is the row as columns and values, or what could be read of it."""

    row: int
    reason: str
    message: str
    record: Any
    byte_offset: int | None = None

    def to_line(self) -> bytes:
        """The reject as one line of the rejects file: JSON, UTF-8, newline at the end."""
        line: dict[str, Any] = {"row": self.row, "error": self.reason, "message": self.message}
        if self.byte_offset is not None:
            line["byteOffset"] = self.byte_offset
        line["record"] = self.record
        return json.dumps(line, ensure_ascii=False, default=_plain).encode("utf-8", "surrogatepass") + b"\n"


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a rejects file")
