"""What a run gave to the functions of its steps, to call them again."""

from __future__ import annotations

import json
from typing import Any

from tests.local.deployed import Deployed


def step_event(stack: Deployed, step: str, execution_arn: str) -> dict[str, Any]:
    """The event of the step's last invocation by the execution itself, not by its children."""
    pages = stack.stepfunctions.get_paginator("get_execution_history").paginate(executionArn=execution_arn)
    scheduled = (each.get("taskScheduledEventDetails") for page in pages for each in page["events"])
    calls = [json.loads(each["parameters"]) for each in scheduled if each]
    function = stack.outputs[f"{step}FunctionName"]
    events: list[dict[str, Any]] = [each["Payload"] for each in calls if function in each.get("FunctionName", "")]
    assert events, stack.stepfunctions.describe_execution(executionArn=execution_arn)
    return events[-1]


def invoke(stack: Deployed, step: str, event: Any) -> Any:
    """What the step's function returns for the event."""
    function = stack.outputs[f"{step}FunctionName"]
    answer = stack.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
    return json.loads(answer["Payload"].read())
