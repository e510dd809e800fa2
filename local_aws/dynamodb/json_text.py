"""JSON in and out: orjson, and json for the few texts that orjson refuses."""

import json
from typing import Any

import orjson


def to_json(data: Any) -> bytes:
    """UTF-8. Lone surrogates, which orjson refuses, are escaped."""
    try:
        return orjson.dumps(data)
    except TypeError:
        return json.dumps(data, separators=(",", ":")).encode()


def from_json(text: bytes) -> Any:
    """Raises ValueError when the text is not JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)
