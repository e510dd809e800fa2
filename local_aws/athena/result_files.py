"""The objects that a query leaves: its result as CSV, what its columns are, and the list of what it unloaded."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from local_aws.athena.engine import ResultColumn
from local_aws.athena.texts import athena_type, text_of
from local_aws.s3_objects import put_file, put_object

NULLABLE_UNKNOWN = 3


def put_csv(bucket: str, key: str, columns: Sequence[ResultColumn], rows: Iterable[Sequence[Any]]) -> None:
    """Store rows as Athena does: every value in quotes, NULL as nothing at all."""
    with tempfile.NamedTemporaryFile("w", prefix="athena-", newline="", encoding="utf-8", delete=False) as file:
        path = Path(file.name)
        try:
            file.writelines(_lines(columns, rows))
        except BaseException:
            path.unlink()
            raise
    put_file(bucket, key, path)


def _lines(columns: Sequence[ResultColumn], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    texts = [text_of(column.kind) for column in columns]
    yield ",".join(_quoted(column.name) for column in columns) + "\n"
    for row in rows:
        fields = ("" if value is None else _quoted(text(value)) for text, value in zip(texts, row, strict=True))
        yield ",".join(fields) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def put_metadata(bucket: str, key: str, query_id: str, columns: Sequence[ResultColumn]) -> None:
    """Store what JDBC drivers read beside a result: a message of Protocol Buffers."""
    body = _text_field(1, query_id) + b"".join(_field(4, _column(column)) for column in columns)
    put_object(bucket, key, body)


def _column(column: ResultColumn) -> bytes:
    kind = athena_type(column.kind)
    texts = ((1, "hive"), (4, column.name), (5, column.name), (6, kind.name))
    numbers = (7, kind.precision), (8, kind.scale), (9, NULLABLE_UNKNOWN), (10, int(kind.is_case_sensitive))
    return b"".join(_text_field(*each) for each in texts) + b"".join(_number_field(*each) for each in numbers)


def _text_field(number: int, text: str) -> bytes:
    return _field(number, text.encode())


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _number_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
