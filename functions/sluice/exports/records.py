"""One line of an export, read in full."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.errors import RejectError
from sluice.exports.process import REJECTS, Export
from sluice.reading.json_rows import json_object
from sluice.rejects import Reason

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
    if export.lines == REJECTS:
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
        raise RejectError(Reason.RECORD_INVALID, "no line of a rejects file with a record that is an object")
    return record


def _attributes(document: Mapping[str, Any], name: str) -> Attributes | None:
    image = document.get(name)
    if image is None:
        return None
    if not isinstance(image, dict) or not all(isinstance(value, dict) and len(value) == 1 for value in image.values()):
        raise RejectError(Reason.RECORD_INVALID, f"{name} is no item in DynamoDB JSON")
    return image


def _required(document: Mapping[str, Any], name: str) -> Attributes:
    attributes = _attributes(document, name)
    if not attributes:
        raise RejectError(Reason.RECORD_INVALID, f"a record of an export has {name}, and this line has none")
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
        raise RejectError(Reason.RECORD_INVALID, f"WriteTimestampMicros {text:.40} is no number of microseconds")
    return int(text)
