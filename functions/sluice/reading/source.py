"""The source of a run: its place, format, dialect and encoding, as the input gives them."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from sluice.errors import InvalidInputError
from sluice.fields import Fields
from sluice.reading.record_scanner import CsvGrammar, Grammar, JsonLinesGrammar
from sluice.rejects import has_half_pair
from sluice.state import State

# Text that codecs with escapes, shifts or byte pairs do not read as plain ASCII.
_ASCII = bytes(range(128)).replace(b"\\", b"\\x41") + b"\\u0041\\N{DIGIT ONE}+AGE-~{<:Ky#~}\x1b$B0l\x1b(B\x0e!\x0f"
_SECOND_BYTES = b"\x30\x41\x81\xa1"


def text_encoding(name: str, field: str) -> str:
    """The encoding's usual name; raises InvalidInputError on `field` for one that a source cannot have."""
    try:
        encoding = codecs.lookup(name).name
        if encoding in ("utf-8", "utf-8-sig"):
            return "utf-8"
        is_safe = _is_one_byte_per_character(encoding)
    except (LookupError, ValueError) as error:
        raise InvalidInputError(field, f"{name} is not a text encoding that Python supports") from error
    if not is_safe:
        raise InvalidInputError(
            field,
            f"{name} is not utf-8, nor ASCII with one byte for each further character: records cannot be "
            "found in the bytes; convert the object to utf-8",
        )
    return encoding


def _is_one_byte_per_character(encoding: str) -> bool:
    """Whether ASCII is itself, and each other byte a character of its own beyond ASCII, or none at all."""
    if _ASCII.decode(encoding, "replace") != _ASCII.decode("ascii"):
        return False
    characters = [bytes((byte,)).decode(encoding, "replace") for byte in range(128, 256)]
    pairs = (bytes((first, second)) for first in range(128, 256) for second in _SECOND_BYTES)
    known = [each for each in characters if each != "\N{REPLACEMENT CHARACTER}"]
    return (
        all(len(each) == 1 and not each.isascii() for each in characters)
        and len(set(known)) == len(known)
        and all(len(pair.decode(encoding, "replace")) == 2 for pair in pairs)
    )


CSV = "csv"
JSONL = "jsonl"
REJECTS = "rejects"
NONE = "none"
GZIP = "gzip"


@dataclass(frozen=True, slots=True)
class Source(State):
    """One version of one object. `size` is in bytes, as stored; `header` is a csv's columns, else None."""

    bucket: str
    key: str
    version_id: str | None
    etag: str
    size: int
    format: str
    compression: str
    delimiter: str
    quote: str | None
    header: tuple[str, ...] | None
    encoding: str

    def __str__(self) -> str:
        version = f" (version {self.version_id})" if self.version_id else ""
        return f"s3://{self.bucket}/{self.key}{version}"

    @property
    def grammar(self) -> Grammar:
        """How its records are found."""
        if self.format != CSV:
            return JsonLinesGrammar()
        quote = None if self.quote is None else self.quote.encode(self.encoding)
        return CsvGrammar(self.delimiter.encode(self.encoding), quote)


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
            raise fields.wrong(each, f"does not apply to the format {layout}")


def bucket_name(fields: Fields, bucket: str) -> str:
    """The field `bucket` has this value: a bucket's name, or an access point's ARN. Raises InvalidInputError."""
    if not _BUCKET.fullmatch(bucket):
        raise fields.wrong("bucket", f"{bucket} is not a bucket name or an access point ARN")
    return bucket


def _check(fields: Fields, delimiter: str, quote: str | None, encoding: str) -> None:
    for name, character in (("delimiter", delimiter), ("quote", quote)):
        if character in ("\r", "\n"):
            raise fields.wrong(name, "must not be a newline")
        try:
            (character or "").encode(encoding)
        except UnicodeEncodeError as error:
            raise fields.wrong(name, f"cannot be encoded in {encoding}") from error
    if delimiter == quote:
        raise fields.wrong("quote", "must not be the delimiter")


def _headers(fields: Fields) -> tuple[str, ...] | None:
    if not fields.has("headers"):
        return None
    headers = fields.texts("headers")
    if not headers:
        raise fields.wrong("headers", "must name the columns; omit it if the first row names them")
    return headers


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
_FORMATS = {
    "rejects.jsonl": REJECTS,
    ".csv": CSV,
    ".tsv": CSV,
    ".txt": CSV,
    ".jsonl": JSONL,
    ".ndjson": JSONL,
    ".json": JSONL,
}
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
        bucket, key = bucket_name(fields, fields.text("bucket")), object_key(fields, "key")
        name = key.lower().removesuffix(".gz")
        layout = _format(fields, name)
        dialect = CsvDialect.from_fields(fields, "\t" if name.endswith(".tsv") else ",")
        return cls(
            bucket=bucket,
            key=key,
            version_id=fields.text_or("versionId", None),
            format=layout,
            compression=fields.choice("compression", (NONE, GZIP), GZIP if key.lower().endswith(".gz") else NONE),
            delimiter=dialect.delimiter,
            quote=dialect.quote,
            headers=dialect.headers,
            encoding=dialect.encoding,
            max_rows=fields.integer("maxRows", None, low=1, high=_ROWS_MAX),
        )


def object_key(fields: Fields, name: str) -> str:
    """The key of an object, or the beginning of keys. Raises InvalidInputError for a text that cannot be one."""
    key = fields.text(name)
    if len(key.encode("utf-8", "replace")) > _KEY_MAX_BYTES:
        raise fields.wrong(name, f"is longer than {_KEY_MAX_BYTES} bytes")
    if "\0" in key or has_half_pair(key):
        raise fields.wrong(name, "must not contain a NUL character or half a surrogate pair")
    return key


def _format(fields: Fields, name: str) -> str:
    """The format that is given, or the one of the name; what only a csv has may stand with a csv alone."""
    by_name = next((layout for ending, layout in _FORMATS.items() if name.endswith(ending)), None)
    layout = fields.choice("format", (CSV, JSONL, REJECTS), by_name)
    if layout is None:
        raise fields.wrong("format", f"must be csv, jsonl or rejects, because the key's ending is none of them: {name}")
    refuse_csv_fields(fields, layout)
    return layout
