"""What Invoke checks of its payload before a function runs: its size, and that it is JSON."""

import json
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import lambda_svc as service

from local_aws.replacements import replace

Response = tuple[int, dict[str, str], bytes]

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAXIMUM_REQUEST_BYTES = 6 * 1024 * 1024
MAXIMUM_EVENT_BYTES = 1024 * 1024

_original: dict[str, Any] = {}


def install() -> None:
    """Check the requests to Invoke; ministack takes what it cannot parse for an empty event."""
    parameters = ("method", "path", "headers", "body", "query_params")
    _original["handle"] = replace(service, "handle_request", parameters, handle_request)


async def handle_request(
    method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
) -> Any:
    """A request to Lambda."""
    if method == "POST" and body and path.endswith("/invocations"):
        refusal = _refusal(body, headers.get("x-amz-invocation-type", "RequestResponse"))
        if refusal is not None:
            return refusal
    return await _original["handle"](method, path, headers, body, query_params)


def _refusal(body: bytes, invocation_type: str) -> Response | None:
    if invocation_type == "Event" and len(body) > MAXIMUM_EVENT_BYTES:
        message = (
            f"{len(body)} byte payload is too large for the Event invocation type (limit {MAXIMUM_EVENT_BYTES} bytes)"
        )
        return _error("RequestEntityTooLargeException", message, 413)
    if len(body) > MAXIMUM_REQUEST_BYTES:
        message = f"Request must be smaller than {MAXIMUM_REQUEST_BYTES} bytes for the InvokeFunction operation"
        return _error("RequestEntityTooLargeException", message, 413)
    fault = payload_fault(body)
    return _error("InvalidRequestContentException", fault, 400) if fault is not None else None


def payload_fault(body: bytes | str) -> str | None:
    """Why Lambda does not take this payload, or None. The end of the text differs from AWS, which quotes its parser."""
    try:
        json.loads(body)
    except ValueError as error:
        return f"Could not parse request body into json: Could not parse payload into json: {error}"
    return None


def _error(code: str, message: str, status: int) -> Response:
    return error_response_json(code, message, status)  # type: ignore[no-any-return]
