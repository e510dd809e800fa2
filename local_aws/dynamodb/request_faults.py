"""Faults that tests plan for DynamoDB's requests."""

from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, json_response

from local_aws.faults import planned

Response = tuple[int, dict[str, str], Any]
Operation = Callable[[dict[str, Any]], Response]

SERVER_ERRORS = ("InternalServerError", "ServiceUnavailable")


def planned_failure(operation: str, table_names: list[str]) -> Response | None:
    """The error that a test has planned for the next request of this operation."""
    fault = planned.take("fail", operation)
    return None if fault is None else failure(fault["error"], operation, table_names)


def failure(error: str, operation: str, table_names: list[str]) -> Response:
    """An error as DynamoDB answers it; a throttle says why and where."""
    status = 500 if error in SERVER_ERRORS else 400
    if error != "ThrottlingException":
        return error_response_json(error, f"{error}, as planned by a test", status)  # type: ignore[no-any-return]
    direction = (
        "Write" if "Write" in operation or operation in ("PutItem", "UpdateItem", "DeleteItem") else "Read"
    )
    reasons = [
        {"reason": f"Table{direction}KeyRangeThroughputExceeded", "resource": name} for name in table_names
    ]
    message = "Throughput exceeds the current capacity of your table or index."
    answer = {
        "__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException",
        "message": message,
        "ThrottlingReasons": reasons,
    }
    return json_response(answer, 400)  # type: ignore[no-any-return]


def split_unprocessed(request_items: dict[str, list[Any]]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """What a test lets a batch do, and what it leaves over: the last requests of the batch."""
    fault = planned.take("unprocessed", "BatchWriteItem")
    if fault is None:
        return None
    requests = [(name, request) for name, listed in request_items.items() for request in listed]
    cut = max(0, len(requests) - fault["items"])
    return _grouped(requests[:cut]), _grouped(requests[cut:])


def _grouped(requests: list[tuple[str, Any]]) -> dict[str, Any]:
    grouped: dict[str, Any] = {}
    for name, request in requests:
        grouped.setdefault(name, []).append(request)
    return grouped
