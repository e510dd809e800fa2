"""What optimised integrations add to a result, and how causes name a request."""

from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

from ministack.core.responses import new_uuid

JSON = {"Content-Type": "application/x-amz-json-1.0"}


def with_metadata(result: dict[str, Any], status_code: int = 200, headers: Mapping[str, str] = JSON) -> dict[str, Any]:
    """The result with the metadata of the request that gave it; `headers` are the service's own.

    Lambda alone spells Connection with a capital.
    """
    request_id = new_uuid()
    message = {"connection": "keep-alive", "Date": formatdate(usegmt=True), "x-amzn-RequestId": request_id, **headers}
    if "Connection" in headers:
        del message["connection"]
    http = {
        "AllHttpHeaders": {name: [value] for name, value in message.items()},
        "HttpHeaders": message,
        "HttpStatusCode": status_code,
    }
    return {**result, "SdkHttpMetadata": http, "SdkResponseMetadata": {"RequestId": request_id}}


def optimised_cause(message: str, service: str, status_code: int, code: str) -> str:
    """The cause of a failed optimised integration."""
    return (
        f"{message} (Service: {service}; Status Code: {status_code}; Error Code: {code}; "
        f"Request ID: {new_uuid()}; Proxy: null)"
    )


def sdk_cause(message: str, service: str, status_code: int, *, is_extended: bool = False) -> str:
    """The cause of a failed aws-sdk integration."""
    extended = f", Extended Request ID: {new_uuid()}" if is_extended else ""
    details = f"Service: {service}, Status Code: {status_code}, Request ID: {new_uuid()}{extended}"
    return f"{message} ({details}) (SDK Attempt Count: 1)"
