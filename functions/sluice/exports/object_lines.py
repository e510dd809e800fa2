"""What a record is in an object for analytics: a line of JSON, or several where a transform makes several items."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring as quote

from sluice.encoding.plain_json import plain_json
from sluice.encoding.plain_rows import Transform
from sluice.encoding.values import encode_attributes
from sluice.errors import RejectError
from sluice.exports.process import FULL, NEW_IMAGE, PLAIN, Export
from sluice.exports.raw_records import RawRecord, dumped, raw_record
from sluice.exports.records import Attributes, Record, read_record
from sluice.exports.transformation import Transformation
from sluice.rejects import Reason

# The lines of a record, each with its newline; none where it comes to nothing. Raises RejectError.
Render = Callable[[bytes], bytes]

_LINE = b'{"change":"%b","writeTimestampMicros":%b,"keys":%b,"item":%b%b}\n'
_OLD_ITEM = b',"oldItem":%b'
_NULL = b"null"


def rendering(export: Export, values: str, transform: Transform | None) -> Render:
    """How the records of an export become lines; `values` is one of sluice.exports.process.VALUES."""
    if transform is not None:
        return TransformedLines(export, values, transform)
    if values == PLAIN:
        return lambda line: _line(export, _plain_record(read_record(line, export)))
    return lambda line: _line(export, raw_record(line, export))


class TransformedLines:
    """One line for each item that the new image becomes; a DELETE where only the old image became any."""

    def __init__(self, export: Export, values: str, transform: Transform) -> None:
        self._export = export
        self._is_plain = values == PLAIN
        self._items: Transformation[bytes] = Transformation(transform, self._text)

    def __call__(self, line: bytes) -> bytes:
        record = read_record(line, self._export)
        new, old = self._items(record.new), self._items(record.old)
        keys = (_plain_record if self._is_plain else dumped)(record).keys
        # Of old items it is told that there were any: which of them became which new one, nothing says.
        before = old[0] if old else None
        after: list[bytes | None] = [*new] or [None] * bool(old)
        return b"".join(
            _line(self._export, RawRecord(keys, before, each, record.write_micros), has_old=False) for each in after
        )

    def _text(self, item: object) -> bytes:
        if not isinstance(item, Mapping):
            raise RejectError(Reason.VALUE_UNSUPPORTED, f"the transform returned a {type(item).__name__} for an item")
        text = ",".join(f"{quote(name)}:{value}" for name, value in encode_attributes(item).items())
        return _utf8(plain_json(json.loads(f"{{{text}}}")) if self._is_plain else f"{{{text}}}")


def _line(export: Export, record: RawRecord, *, has_old: bool = True) -> bytes:
    micros = _NULL if record.write_micros is None else b"%d" % record.write_micros
    old = _OLD_ITEM % record.old if has_old and record.old is not None else b""
    return _LINE % (_change(export, record), micros, record.keys or _NULL, record.new or _NULL, old)


def _change(export: Export, record: RawRecord) -> bytes:
    """PUT where the export does not tell whether there was an item before."""
    if record.new is None:
        return b"DELETE"
    if export.type == FULL or export.view == NEW_IMAGE:
        return b"PUT"
    return b"INSERT" if record.old is None else b"UPDATE"


def _plain_record(record: Record) -> RawRecord:
    return RawRecord(_plain(record.keys), _plain(record.old), _plain(record.new), record.write_micros)


def _plain(image: Attributes | None) -> bytes | None:
    return None if image is None else _utf8(plain_json(image))


def _utf8(text: str) -> bytes:
    # Half a surrogate pair alone has no UTF-8, and is escaped as JSON does it.
    return text.encode("utf-8", "backslashreplace")
