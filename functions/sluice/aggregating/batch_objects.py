"""The objects of a batch, as the listing has them, and how each is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.aggregating.aggregation import Aggregation
from sluice.errors import SourceMalformedError
from sluice.reading.source import CSV, GZIP, JSONL, NONE, Source

_FORMATS = {".csv": CSV, ".tsv": CSV, ".txt": CSV, ".jsonl": JSONL, ".ndjson": JSONL, ".json": JSONL}


@dataclass(frozen=True, slots=True)
class BatchObject:
    """One object; `size` is in bytes, as stored."""

    key: str
    size: int
    etag: str

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> BatchObject:
        """Read an item of the payload's `objects`."""
        return cls(state["key"], state["size"], state["etag"])

    def is_skipped(self, suffix: str) -> bool:
        """Whether it is none of those to read: a folder's key, or one that ends in something else."""
        return not self.key.endswith(suffix) or (self.size == 0 and self.key.endswith("/"))

    def source(self, aggregation: Aggregation) -> Source:
        """The object, pinned; its header is not read yet. Raises SourceMalformedError for an unknown ending."""
        layout = aggregation.layout
        name = self.key.lower()
        source = Source(
            bucket=aggregation.bucket,
            key=self.key,
            version_id=None,
            etag=self.etag,
            size=self.size,
            format=layout.format or _format_of(name.removesuffix(".gz")) or "",
            compression=GZIP if name.endswith(".gz") else NONE,
            delimiter=layout.delimiter,
            quote=layout.quote,
            header=layout.headers,
            encoding=layout.encoding,
        )
        if not source.format:
            raise SourceMalformedError(f"{source}: the key's ending tells no format; set format to csv or jsonl")
        return source


def _format_of(name: str) -> str | None:
    return next((layout for ending, layout in _FORMATS.items() if name.endswith(ending)), None)
