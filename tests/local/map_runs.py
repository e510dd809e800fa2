"""The Map Runs of an execution, and how long its Map Runs' children wait for Lambda concurrency."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.local.deployed import Deployed, Ended

THROTTLED = "Lambda.TooManyRequestsException"


def map_runs(stack: Deployed, workflow: str, ended: Ended) -> list[str]:
    """The labels of the Maps that have started a Map Run."""
    execution = f"{stack.machine_arn(workflow).replace(':stateMachine:', ':execution:')}:{ended.name}"
    found = stack.stepfunctions.list_map_runs(executionArn=execution)["mapRuns"]
    return [each["mapRunArn"].split("/")[-1].partition(":")[0] for each in found]


@contextmanager
def impatient(stack: Deployed, workflow: str) -> Iterator[int]:
    """The workflow with Express children that wait for Lambda concurrency once, for no time; gives their attempts."""
    arn = stack.machine_arn(workflow)
    definition = stack.stepfunctions.describe_state_machine(stateMachineArn=arn)["definition"]
    changed = json.loads(definition)
    _shorten(changed, is_express=False)
    stack.stepfunctions.update_state_machine(stateMachineArn=arn, definition=json.dumps(changed))
    try:
        yield 2
    finally:
        stack.stepfunctions.update_state_machine(stateMachineArn=arn, definition=definition)


def _shorten(machine: dict[str, Any], *, is_express: bool) -> None:
    for state in machine["States"].values():
        for retrier in state.get("Retry", []):
            if is_express and retrier["ErrorEquals"] == [THROTTLED]:
                retrier.update(MaxAttempts=1, MaxDelaySeconds=1)
        if "ItemProcessor" in state:
            inner = state["ItemProcessor"]
            kind = inner["ProcessorConfig"].get("ExecutionType")
            _shorten(inner, is_express=is_express if kind is None else kind == "EXPRESS")
