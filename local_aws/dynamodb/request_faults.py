"""Faults that tests plan for DynamoDB's requests."""

from collections.abc import Callable
from typing import Any

from ministack.core.responses import json_response

from local_aws.faults import planned

Response = tuple[int, dict[str, str], Any]
Operation = Callable[[dict[str, Any]], Response]

SERVER_ERRORS = ("InternalServerError", "ServiceUnavailable")
WRITES = ("BatchWriteItem", "DeleteItem", "PutItem", "TransactWriteItems", "UpdateItem")
REASONS_MEMBER = {
    "ProvisionedThroughputExceededException": "ThrottlingReasons",
    "RequestLimitExceeded": "ThrottlingReasons",
    "ThrottlingException": "throttlingReasons",
}


def planned_failure(operation: str, table_names: list[str]) -> Response | None:
    """The error that a test has planned for the next request of this operation."""
    fault = planned.take("fail", operation)
    return None if fault is None else failure(fault["error"], operation, table_names)


def failure(error: str, operation: str, table_names: list[str]) -> Response:
    """An error as DynamoDB answers it; a throttle says why and where."""
    status = 500 if error in SERVER_ERRORS else 400
    answer: dict[str, Any] = {"__type": error, "message": f"{error}, as planned by a test"}
    if error in REASONS_MEMBER:
        kind = "Write" if operation in WRITES else "Read"
        reason = f"Table{kind}KeyRangeThroughputExceeded"
        answer[REASONS_MEMBER[error]] = [{"reason": reason, "resource": name} for name in table_names]
    return json_response(answer, status)  # type: ignore[no-any-return]


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
