"""The fields of an input that say how a CSV is written, and where the objects are."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sluice.fields import Fields
from sluice.reading.encodings import text_encoding
from sluice.reading.source import CSV

CSV_FIELDS = ("delimiter", "quote", "headers")
_BUCKET = re.compile(r"[a-zA-Z0-9.\-_]{1,255}|arn:[^/]+[:/].+")


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """`headers`: the columns, where the file has no header row. `encoding` is meant of any format."""

    delimiter: str
    quote: str | None
    headers: tuple[str, ...] | None
    encoding: str

    @classmethod
    def from_fields(cls, fields: Fields, delimiter: str) -> CsvDialect:
        """Read the fields; `delimiter` is the default. Raises InvalidInputError."""
        encoding = text_encoding(fields.text_or("encoding", "utf-8"), fields.path("encoding"))
        delimiter = fields.character("delimiter", delimiter)
        quote = None if fields.is_null("quote") else fields.character("quote", '"')
        _check(fields, delimiter, quote, encoding)
        return cls(delimiter, quote, _headers(fields), encoding)


def refuse_csv_fields(fields: Fields, layout: str | None) -> None:
    """What only a CSV has stands with a CSV alone. Raises InvalidInputError."""
    for each in CSV_FIELDS:
        if layout not in (None, CSV) and fields.has(each):
            raise fields.wrong(each, f"means nothing for the format {layout}")


def bucket_name(fields: Fields, bucket: str) -> str:
    """The field `bucket` has this value: a bucket's name, or an access point's ARN. Raises InvalidInputError."""
    if not _BUCKET.fullmatch(bucket):
        raise fields.wrong("bucket", f"{bucket} is no bucket's name, nor an access point's ARN")
    return bucket


def _check(fields: Fields, delimiter: str, quote: str | None, encoding: str) -> None:
    for name, character in (("delimiter", delimiter), ("quote", quote)):
        if character in ("\r", "\n"):
            raise fields.wrong(name, "must not be a newline")
        try:
            (character or "").encode(encoding)
        except UnicodeEncodeError as error:
            raise fields.wrong(name, f"has no bytes in {encoding}") from error
    if delimiter == quote:
        raise fields.wrong("quote", "must not be the delimiter")


def _headers(fields: Fields) -> tuple[str, ...] | None:
    if not fields.has("headers"):
        return None
    headers = fields.texts("headers")
    if not headers:
        raise fields.wrong("headers", "must name the columns; leave it out when the first row does")
    return headers
