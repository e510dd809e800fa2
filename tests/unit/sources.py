"""Sources of any kind, for tests that read them."""

from __future__ import annotations

from typing import Any

from sluice.reading.source import Source


def a_source(**changed: Any) -> Source:
    """A pinned csv with the columns a and b, but for what is changed."""
    usual: dict[str, Any] = {
        "bucket": "bucket",
        "key": "input/rows.csv",
        "version_id": None,
        "etag": '"etag"',
        "size": 0,
        "format": "csv",
        "compression": "none",
        "delimiter": ",",
        "quote": '"',
        "header": ("a", "b"),
        "encoding": "utf-8",
    }
    return Source(**usual | changed)
