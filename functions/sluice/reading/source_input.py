"""The part of the input that says which object to read, and how."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sluice.fields import Fields
from sluice.reading.encodings import text_encoding
from sluice.reading.source import CSV, GZIP, JSONL, NONE, REJECTS

_FIELDS = (
    "bucket",
    "key",
    "versionId",
    "format",
    "compression",
    "delimiter",
    "quote",
    "headers",
    "encoding",
    "maxRows",
)
_CSV_FIELDS = ("delimiter", "quote", "headers")
_FORMATS = {
    "rejects.jsonl": REJECTS,
    ".csv": CSV,
    ".tsv": CSV,
    ".txt": CSV,
    ".jsonl": JSONL,
    ".ndjson": JSONL,
    ".json": JSONL,
}
_BUCKET = re.compile(r"[a-zA-Z0-9.\-_]{1,255}|arn:[^/]+[:/].+")
_KEY_MAX_BYTES = 1024
_ROWS_MAX = 10**15


@dataclass(frozen=True, slots=True)
class SourceInput:
    """`headers`: the columns, where the file has no header row. `max_rows`: rows to read at the most."""

    bucket: str
    key: str
    version_id: str | None
    format: str
    compression: str
    delimiter: str
    quote: str | None
    headers: tuple[str, ...] | None
    encoding: str
    max_rows: int | None

    @classmethod
    def from_input(cls, source: object) -> SourceInput:
        """Read the input's `source`. Raises InvalidInputError."""
        fields = Fields(source, _FIELDS, "source")
        bucket, key = _bucket(fields), _key(fields)
        name = key.lower().removesuffix(".gz")
        layout = _format(fields, name)
        encoding = text_encoding(fields.text_or("encoding", "utf-8"), fields.path("encoding"))
        delimiter = fields.character("delimiter", "\t" if name.endswith(".tsv") else ",")
        quote = None if fields.is_null("quote") else fields.character("quote", '"')
        _check_dialect(fields, delimiter, quote, encoding)
        return cls(
            bucket=bucket,
            key=key,
            version_id=fields.text_or("versionId", None),
            format=layout,
            compression=fields.choice("compression", (NONE, GZIP), GZIP if key.lower().endswith(".gz") else NONE),
            delimiter=delimiter,
            quote=quote,
            headers=_headers(fields),
            encoding=encoding,
            max_rows=fields.integer("maxRows", None, low=1, high=_ROWS_MAX),
        )


def _bucket(fields: Fields) -> str:
    bucket = fields.text("bucket")
    if not _BUCKET.fullmatch(bucket):
        raise fields.wrong("bucket", f"{bucket} is no bucket's name, nor an access point's ARN")
    return bucket


def _key(fields: Fields) -> str:
    key = fields.text("key")
    if len(key.encode("utf-8", "replace")) > _KEY_MAX_BYTES:
        raise fields.wrong("key", f"is longer than {_KEY_MAX_BYTES} bytes")
    return key


def _format(fields: Fields, name: str) -> str:
    """The format that is given, or the one of the name; what only a csv has may stand with a csv alone."""
    by_name = next((layout for ending, layout in _FORMATS.items() if name.endswith(ending)), None)
    layout = fields.choice("format", (CSV, JSONL, REJECTS), by_name)
    if layout is None:
        raise fields.wrong("format", f"give csv, jsonl or rejects; the key's ending tells none of them: {name}")
    for each in _CSV_FIELDS:
        if layout != CSV and fields.has(each):
            raise fields.wrong(each, f"means nothing for the format {layout}")
    return layout


def _check_dialect(fields: Fields, delimiter: str, quote: str | None, encoding: str) -> None:
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
