"""Records as the bytes that a line has: what is written is cut out of it, and never becomes a Python value.

A line that looks in any way other than DynamoDB writes it is read in full instead, with the same result. The cuts
stand on three things: a quote within a string is escaped, so that ,"NewImage":{ is a name and an object wherever it
stands; an attribute's value is an object of one of DynamoDB's types, of which M alone holds an object; and a name
without a backslash stands in the file as it is.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from sluice.exports.process import REJECTS, Export
from sluice.exports.records import Record, read_record

_TEXT = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_KEY = rb'%b:\{"[SNB]":%b\}' % (_TEXT, _TEXT)
_head = re.compile(
    rb'\{"Metadata":\{"WriteTimestampMicros":(?:\{"N":"([0-9]{1,18})"\}|"?([0-9]{1,18})"?)\},'
    rb'"Keys":(\{%b(?:,%b)?\})(\}|,"(?:Old|New)Image":\{")' % (_KEY, _KEY),
    re.DOTALL,
).match
_NEW_IMAGE = b',"NewImage":{"'
_OLD_IMAGE = b',"OldImage":{"'
# The first attribute of an image. In an attribute named NewImage its type stands there: M, or one without an object.
_first_attribute = re.compile(rb'\{"(?!M":)[^"\\]+":\{').match
ITEM_STARTS = b'{"Item":{"'
ITEM_ENDS = b"}}}"
# Up to the end of the year 2286 these microseconds have 16 digits.
_METADATA = b'{"Metadata":{"WriteTimestampMicros":{"N":"'
_KEYS_AT = len(_METADATA) + 16
_DIGITS = slice(len(_METADATA), _KEYS_AT)
_KEYS = b'"}},"Keys":{"'


class RawRecord(NamedTuple):
    """A Record whose keys and images are the JSON that stands for them, in UTF-8."""

    keys: bytes | None
    old: bytes | None
    new: bytes | None
    write_micros: int | None


class NewImages:
    """Cuts out the new images of changed items that look as nearly all do, and of these nothing else."""

    def __init__(self) -> None:
        # With the name of the image's first attribute, which one line after the other has.
        self._expected = _NEW_IMAGE

    def cut(self, line: bytes) -> bytes | None:
        """The new image; None where only raw_record tells."""
        if not (
            line.startswith(_METADATA)
            and line.startswith(_KEYS, _KEYS_AT)
            and line.endswith(ITEM_ENDS)
            and line[_DIGITS].isdigit()
        ):
            return None
        end = line.find(self._expected, _KEYS_AT)
        if end < 0 or self._expected is _NEW_IMAGE:
            end = self._look(line)
        if end < 0:
            return None
        start = end + len(_NEW_IMAGE) - 2
        is_last = line.find(_OLD_IMAGE, _KEYS_AT, end) > 0 or line.find(b'"OldImage"', start) < 0
        return line[start:-1] if is_last else None

    def _look(self, line: bytes) -> int:
        """Where the new image's name is, whatever its first attribute; -1 when it is not certain."""
        end = line.find(_NEW_IMAGE, _KEYS_AT)
        first = _first_attribute(line, end + len(_NEW_IMAGE) - 2) if end >= 0 else None
        if first is None:
            return -1
        self._expected = line[end : first.end()]
        return end


def raw_record(line: bytes, export: Export) -> RawRecord:
    """The record of one line. Raises RejectError."""
    return _cut(line, export) or dumped(read_record(line, export))


def _cut(line: bytes, export: Export) -> RawRecord | None:
    if export.lines == REJECTS:
        return None
    if line.startswith(ITEM_STARTS) and line.endswith(ITEM_ENDS):
        return RawRecord(None, None, line[8:-1], export.write_micros)
    head = _head(line)
    if head is None:
        return None
    typed, plain, keys, then = head.groups()
    micros, start = int(typed or plain), head.end() - 2
    if then == b"}":
        return RawRecord(keys, None, None, micros) if head.end() == len(line) else None
    if then == _OLD_IMAGE:
        return _with_old_image(line, start, keys, micros)
    is_last = line.endswith(ITEM_ENDS) and line.find(b'"OldImage"', start) < 0
    return RawRecord(keys, None, line[start:-1], micros) if is_last else None


def _with_old_image(line: bytes, start: int, keys: bytes, micros: int) -> RawRecord | None:
    """A changed or a deleted item; its old image begins at `start`."""
    if not line.endswith(ITEM_ENDS):
        return None
    end = line.find(_NEW_IMAGE, start)
    if end < 0:
        is_last = line.find(b"NewImage", start) < 0 and line.find(b"\\u", start) < 0
        return RawRecord(keys, line[start:-1], None, micros) if is_last else None
    new = end + len(_NEW_IMAGE) - 2
    return RawRecord(keys, line[start:end], line[new:-1], micros) if _first_attribute(line, new) else None


def dumped(record: Record) -> RawRecord:
    """The record with its keys and images as JSON."""
    return RawRecord(_json(record.keys), _json(record.old), _json(record.new), record.write_micros)


def _json(value: Any) -> bytes | None:
    if value is None:
        return None
    # Half a surrogate pair alone has no UTF-8, and is escaped as JSON does it.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
