"""A source: the objects that an input names, and one object pinned to its version."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from sluice.fields import Fields
from sluice.reading.dialect import DIALECT_FIELDS, FORMATS, Dialect, DialectInput, HeaderRow, refuse_csv_fields
from sluice.reading.key_endings import compression_by_name, delimiter_by_name, format_by_name
from sluice.reading.leading_bytes import COMPRESSIONS, NONE
from sluice.reading.record_scanner import Grammar
from sluice.reading.zip_members import ZipMember
from sluice.rejects import has_half_pair
from sluice.state import Inline, State


@dataclass(frozen=True, slots=True)
class ObjectPin(State):
    """One version of one object, and how it is compressed. `size` is in bytes, as stored.

    `member`: which file in it, where it is a zip; None: its only one.
    """

    bucket: str
    key: str
    version_id: str | None
    etag: str
    size: int
    compression: str = NONE
    member: ZipMember | None = None

    def __str__(self) -> str:
        version = f" (version {self.version_id})" if self.version_id else ""
        member = f": {self.member.name}" if self.member else ""
        return f"s3://{self.bucket}/{self.key}{version}{member}"


@dataclass(frozen=True, slots=True)
class Source(State):
    """A pinned object, the dialect that all objects of a run share, and the object's columns in its own order.

    `header` is a csv's columns, else None; None as well before the header was read. `replaced` is the object's own
    header row, where the input replaces its names.
    """

    pin: Annotated[ObjectPin, Inline]
    dialect: Annotated[Dialect, Inline]
    header: tuple[str, ...] | None = None
    replaced: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return str(self.pin)

    @property
    def bucket(self) -> str:
        """The object's bucket."""
        return self.pin.bucket

    @property
    def key(self) -> str:
        """The object's key."""
        return self.pin.key

    @property
    def version_id(self) -> str | None:
        """The object's version, in a bucket that keeps versions."""
        return self.pin.version_id

    @property
    def etag(self) -> str:
        """The object's ETag, with its quotes."""
        return self.pin.etag

    @property
    def size(self) -> int:
        """The object's bytes, as stored."""
        return self.pin.size

    @property
    def compression(self) -> str:
        """How the object is compressed."""
        return self.pin.compression

    @property
    def format(self) -> str:
        """What its records are: csv, jsonl or rejects."""
        return self.dialect.format

    @property
    def encoding(self) -> str:
        """The encoding of its text."""
        return self.dialect.encoding

    @property
    def header_row(self) -> tuple[str, ...] | None:
        """The cells of the object's header row, where it has one."""
        return self.replaced or (self.header if self.dialect.header_row is HeaderRow.NAMES else None)

    @property
    def grammar(self) -> Grammar:
        """How its records are found."""
        return self.dialect.grammar


_BUCKET = re.compile(r"[a-zA-Z0-9.\-_]{1,255}|arn:[^/]+[:/].+")


def bucket_name(fields: Fields, bucket: str) -> str:
    """The field `bucket` has this value: a bucket's name, or an access point's ARN. Raises InvalidInputError."""
    if not _BUCKET.fullmatch(bucket):
        raise fields.wrong("bucket", f"{bucket} is not a bucket name or an access point ARN")
    return bucket


SOURCE_FIELDS = (
    "bucket",
    "key",
    "versionId",
    "format",
    "compression",
    *DIALECT_FIELDS,
    "maxRows",
)
_KEY_MAX_BYTES = 1024
_ROWS_MAX = 10**15


@dataclass(frozen=True, slots=True)
class SourceInput:
    """What the input says of a source.

    The dialect's format is empty where neither the input nor the key's
    ending says it. `has_delimiter`: whether the input says the delimiter. `headers`: the columns, where the input names
    them. `max_rows`: rows to read at the most.
    """

    bucket: str
    key: str
    version_id: str | None
    compression: str
    dialect: Dialect
    headers: tuple[str, ...] | None = None
    max_rows: int | None = None
    has_delimiter: bool = False

    def to_request(self) -> dict[str, Any]:
        """What a run that resumes this one must ask for as well, by the fields' names; new fields only if not usual."""
        dialect, usual = asdict(self.dialect), asdict(Dialect(self.dialect.format))
        request = {name: value for name, value in dialect.items() if name in _FIRST_FIELDS or value != usual[name]}
        request.pop("header_row", None)
        if self.dialect.header_row is HeaderRow.REPLACED:
            request["header_row"] = str(HeaderRow.REPLACED)
        return request | {
            "bucket": self.bucket,
            "key": self.key,
            "version_id": self.version_id,
            "compression": self.compression,
            "headers": self.headers,
            "max_rows": self.max_rows,
        }

    @classmethod
    def from_input(cls, source: object) -> SourceInput:
        """Read the input's `source`. Raises InvalidInputError."""
        fields = Fields(source, SOURCE_FIELDS, "source")
        bucket, key = bucket_name(fields, fields.text("bucket")), object_key(fields, "key")
        layout = fields.choice("format", FORMATS, format_by_name(key) or "")
        refuse_csv_fields(fields, layout)
        given = DialectInput.from_fields(fields, layout, delimiter_by_name(key))
        return cls(
            bucket=bucket,
            key=key,
            version_id=fields.text_or("versionId", None),
            compression=fields.choice("compression", (NONE, *COMPRESSIONS), compression_by_name(key)),
            dialect=given.dialect,
            headers=given.headers,
            max_rows=fields.integer("maxRows", None, low=1, high=_ROWS_MAX),
            has_delimiter=fields.has("delimiter"),
        )


# Keys of objects that a Distributed Map cannot read, because it decompresses nothing.
COMPRESSED_ENDINGS = (".gz", ".zst", ".zstd")
# Those that a request has had from the first version on.
_FIRST_FIELDS = ("format", "delimiter", "quote", "encoding")


def object_key(fields: Fields, name: str) -> str:
    """The key of an object, or the beginning of keys. Raises InvalidInputError for a text that cannot be one."""
    key = fields.text(name)
    if len(key.encode("utf-8", "replace")) > _KEY_MAX_BYTES:
        raise fields.wrong(name, f"is longer than {_KEY_MAX_BYTES} bytes")
    if "\0" in key or has_half_pair(key):
        raise fields.wrong(name, "must not contain a NUL character or half a surrogate pair")
    return key
