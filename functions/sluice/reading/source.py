"""The source of a run, pinned: which bytes it is, and how records stand in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.reading.record_scanner import CsvGrammar, Grammar, JsonLinesGrammar

CSV = "csv"
JSONL = "jsonl"
REJECTS = "rejects"
NONE = "none"
GZIP = "gzip"


@dataclass(frozen=True, slots=True)
class Source:
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

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Source:
        """Read what `to_state` returns."""
        header = state["header"]
        return cls(
            bucket=state["bucket"],
            key=state["key"],
            version_id=state["versionId"],
            etag=state["etag"],
            size=state["size"],
            format=state["format"],
            compression=state["compression"],
            delimiter=state["delimiter"],
            quote=state["quote"],
            header=None if header is None else tuple(header),
            encoding=state["encoding"],
        )

    def to_state(self) -> dict[str, Any]:
        """The source as it travels in state."""
        return {
            "bucket": self.bucket,
            "key": self.key,
            "versionId": self.version_id,
            "etag": self.etag,
            "size": self.size,
            "format": self.format,
            "compression": self.compression,
            "delimiter": self.delimiter,
            "quote": self.quote,
            "header": None if self.header is None else list(self.header),
            "encoding": self.encoding,
        }

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
