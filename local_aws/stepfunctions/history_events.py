"""GetExecutionHistory: what is said of the data in events beside it."""

import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, json_response

Response = tuple[int, dict[str, str], bytes]
Operation = Callable[[dict[str, Any]], Response]

DATA = ("input", "output", "assignedVariables")
NO_TRUNCATION = {"truncated": False}


def with_details(operation: Operation) -> Operation:
    """The operation, whose events say that no data was cut."""

    def get_execution_history(data: dict[str, Any]) -> Response:
        arn = str(data.get("executionArn", ""))
        if not arn.startswith("arn:"):
            message = f"Invalid Arn: 'Invalid ARN prefix: {arn}'"
            return error_response_json("InvalidArn", message, 400)  # type: ignore[no-any-return]
        status, headers, body = operation(data)
        if status != 200:
            return status, headers, body
        answer = json.loads(body)
        for event in answer["events"]:
            _add_details(event)
        return json_response(answer)  # type: ignore[no-any-return]

    return get_execution_history


def _add_details(event: dict[str, Any]) -> None:
    event.setdefault("previousEventId", 0)
    for details in [each for name, each in event.items() if name.endswith("EventDetails")]:
        for name in DATA:
            if name in details:
                details[f"{name}Details"] = NO_TRUNCATION
