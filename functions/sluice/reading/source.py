"""A source: the objects that an input names, and one object pinned to its version."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from sluice.fields import Fields
from sluice.reading.dialect import CSV, JSONL, REJECTS, Dialect, DialectInput, refuse_csv_fields
from sluice.reading.record_scanner import Grammar
from sluice.rejects import has_half_pair
from sluice.state import Inline, State

NONE = "none"
GZIP = "gzip"


@dataclass(frozen=True, slots=True)
class ObjectPin(State):
    """One version of one object, and how it is compressed. `size` is in bytes, as stored."""

    bucket: str
    key: str
    version_id: str | None
    etag: str
    size: int
    compression: str = NONE

    def __str__(self) -> str:
        version = f" (version {self.version_id})" if self.version_id else ""
        return f"s3://{self.bucket}/{self.key}{version}"


@dataclass(frozen=True, slots=True)
class Source(State):
    """A pinned object, the dialect that all objects of a run share, and the object's columns in its own order.

    `header` is a csv's columns, else None; None as well before the header was read.
    """

    pin: Annotated[ObjectPin, Inline]
    dialect: Annotated[Dialect, Inline]
    header: tuple[str, ...] | None = None

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
    compression: str
    dialect: Dialect
    headers: tuple[str, ...] | None = None
    max_rows: int | None = None

    def to_request(self) -> dict[str, Any]:
        """What a run that resumes this one must ask for as well, by the fields' names."""
        request = asdict(self)
        dialect: dict[str, Any] = request.pop("dialect")
        return dialect | request

    @classmethod
    def from_input(cls, source: object) -> SourceInput:
        """Read the input's `source`. Raises InvalidInputError."""
        fields = Fields(source, SOURCE_FIELDS, "source")
        bucket, key = bucket_name(fields, fields.text("bucket")), object_key(fields, "key")
        name = key.lower().removesuffix(".gz")
        layout = _format(fields, name)
        given = DialectInput.from_fields(fields, layout, "\t" if name.endswith(".tsv") else ",")
        return cls(
            bucket=bucket,
            key=key,
            version_id=fields.text_or("versionId", None),
            compression=fields.choice("compression", (NONE, GZIP), GZIP if key.lower().endswith(".gz") else NONE),
            dialect=given.dialect,
            headers=given.headers,
            max_rows=fields.integer("maxRows", None, low=1, high=_ROWS_MAX),
        )


# Keys of objects that a Distributed Map cannot read, because it decompresses nothing.
COMPRESSED_ENDINGS = (".gz", ".zst", ".zstd")


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
        raise fields.wrong(
            "format", f"must be csv, jsonl or rejects, because the key's ending is not one of them: {name}"
        )
    refuse_csv_fields(fields, layout)
    return layout
