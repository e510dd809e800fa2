"""DescribeStateMachineForExecution: of a Map Run's child, the state machine that its Map state stands for."""

import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import json_response
from ministack.services import stepfunctions as service

Response = tuple[int, dict[str, str], bytes]
Operation = Callable[[dict[str, Any]], Response]

# Where a Map Run's record keeps its processor.
PROCESSOR = "_processor"


def with_children(operation: Operation) -> Operation:
    """The operation, which takes children of Map Runs as well."""

    def describe_machine_for_execution(data: dict[str, Any]) -> Response:
        child = service._executions.get(data.get("executionArn"))
        run = service._map_runs.get(child["mapRunArn"]) if child is not None and "mapRunArn" in child else None
        if child is None or run is None or PROCESSOR not in run:
            return operation(data)
        status, headers, body = operation({"executionArn": run["executionArn"]})
        if status != 200:
            return status, headers, body
        name = child["stateMachineArn"].rpartition(":")[2]
        own = {
            "stateMachineArn": child["stateMachineArn"],
            "name": name,
            "definition": json.dumps(run[PROCESSOR]),
            "mapRunArn": child["mapRunArn"],
            "label": name.rpartition("/")[2],
        }
        return json_response({**json.loads(body), **own})  # type: ignore[no-any-return]

    return describe_machine_for_execution
