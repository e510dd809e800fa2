"""The part of the input that says which object to read, and how."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.fields import Fields
from sluice.reading.csv_dialect import CsvDialect, bucket_name, refuse_csv_fields
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
        bucket, key = bucket_name(fields, fields.text("bucket")), _key(fields)
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
    refuse_csv_fields(fields, layout)
    return layout
