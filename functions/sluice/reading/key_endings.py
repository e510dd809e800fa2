"""What the ending of a key, or of the name of a file in a zip, says of the content."""

from __future__ import annotations

from sluice.reading.dialect import CSV, JSON, JSONL, REJECTS
from sluice.reading.leading_bytes import BZIP2, GZIP, NONE, ZIP, ZSTD

_COMPRESSIONS = {".gz": GZIP, ".gzip": GZIP, ".bz2": BZIP2, ".zst": ZSTD, ".zstd": ZSTD, ".zip": ZIP}
_FORMATS = {
    "rejects.jsonl": REJECTS,
    ".csv": CSV,
    ".tsv": CSV,
    ".txt": CSV,
    ".jsonl": JSONL,
    ".ndjson": JSONL,
    ".json": JSON,
}


def compression_by_name(key: str) -> str:
    """The compression, NONE for other endings."""
    return next((each for ending, each in _COMPRESSIONS.items() if key.lower().endswith(ending)), NONE)


def format_by_name(key: str) -> str | None:
    """The format, before the ending of a compression; None for an unknown ending."""
    name = _without_compression(key)
    return next((each for ending, each in _FORMATS.items() if name.endswith(ending)), None)


def delimiter_by_name(key: str) -> str:
    """The usual delimiter of such a file."""
    return "\t" if _without_compression(key).endswith(".tsv") else ","


def _without_compression(key: str) -> str:
    name = key.lower()
    return next((name.removesuffix(ending) for ending in _COMPRESSIONS if name.endswith(ending)), name)
