"""Sources of any kind, for tests that read them."""

from __future__ import annotations

from typing import Any

from sluice.reading.dialect import Dialect
from sluice.reading.source import ObjectPin, Source


def a_source(**changed: Any) -> Source:
    """A pinned csv with the columns a and b, but for what is changed: fields of the object, the dialect, the header."""
    header = changed.pop("header", ("a", "b"))
    pin = {name: changed.pop(name) for name in ObjectPin.__slots__ if name in changed}
    usual: dict[str, Any] = {
        "bucket": "bucket",
        "key": "input/rows.csv",
        "version_id": None,
        "etag": '"etag"',
        "size": 0,
    }
    return Source(ObjectPin(**usual | pin), Dialect(**{"format": "csv"} | changed), header)
