"""The records of an export, as bytes that are passed on and as items for a transform."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sluice.errors import RejectError
from sluice.reading.rows import json_object
from sluice.rejects import Reason
from sluice.workflows.export_process.input import REJECTED_RECORDS, Export

_is_micros = re.compile("[0-9]{1,18}").fullmatch

Attributes = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Record:
    """An item of a full export, or a changed item: images and keys in DynamoDB JSON, None where the line has none.

    `write_micros`: when it was written, microseconds since 1970; None where nothing tells.
    """

    keys: Attributes | None
    old: Attributes | None
    new: Attributes | None
    write_micros: int | None


def read_record(line: bytes, export: Export) -> Record:
    """Read a line of the export, or of the rejects of an earlier run. Raises RejectError with RecordInvalid."""
    document = _document(line)
    if export.lines == REJECTED_RECORDS:
        document = _rejected(document)
    if "Item" in document:
        return Record(None, None, _required(document, "Item"), export.write_micros)
    return Record(
        keys=_required(document, "Keys"),
        old=_attributes(document, "OldImage"),
        new=_attributes(document, "NewImage"),
        write_micros=_write_micros(document),
    )


def _document(line: bytes) -> dict[str, Any]:
    try:
        return json_object(str(line, "utf-8"))
    except (UnicodeDecodeError, RejectError) as error:
        raise RejectError(Reason.RECORD_INVALID, str(error)) from error


def _rejected(line: Mapping[str, Any]) -> dict[str, Any]:
    record = line.get("record")
    if not isinstance(record, dict):
        raise RejectError(Reason.RECORD_INVALID, "not a line of a rejects file with an object as its record")
    return record


def _attributes(document: Mapping[str, Any], name: str) -> Attributes | None:
    image = document.get(name)
    if image is None:
        return None
    if not isinstance(image, dict) or not all(isinstance(value, dict) and len(value) == 1 for value in image.values()):
        raise RejectError(Reason.RECORD_INVALID, f"{name} is not an item in DynamoDB JSON")
    return image


def _required(document: Mapping[str, Any], name: str) -> Attributes:
    attributes = _attributes(document, name)
    if not attributes:
        raise RejectError(Reason.RECORD_INVALID, f"a record of an export has {name}, and this line does not")
    return attributes


def _write_micros(document: Mapping[str, Any]) -> int | None:
    """The time is a typed number in files, and a plain one or a string in the guide."""
    metadata = document.get("Metadata")
    micros = metadata.get("WriteTimestampMicros") if isinstance(metadata, dict) else None
    if isinstance(micros, dict):
        micros = micros.get("N")
    if micros is None:
        return None
    text = str(micros)
    if not _is_micros(text):
        raise RejectError(Reason.RECORD_INVALID, f"WriteTimestampMicros {text:.40} is not a number of microseconds")
    return int(text)


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
    if export.lines == REJECTED_RECORDS:
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
