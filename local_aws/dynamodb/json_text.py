"""JSON in and out: orjson, and json for the few texts that orjson refuses."""

import json
from typing import Any

import orjson
from ministack.core.responses import JSON_1_0_CONTENT_TYPE
from ministack.services import dynamodb as service

from local_aws.replacements import replace

Response = tuple[int, dict[str, str], bytes]


def install() -> None:
    """Let ministack's operations answer in the same way."""
    replace(service, "json_response", ("data", "status", "content_type"), json_answer)


def json_answer(data: Any, status: int = 200, *, content_type: str = JSON_1_0_CONTENT_TYPE) -> Response:
    """An answer: status, headers and body."""
    return status, {"Content-Type": content_type}, to_json(data)


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
