"""distinct_keys, with each kind of processor."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from tests.local.deployed import PROCESSOR_FUNCTION, PROCESSOR_MACHINE, RUN_SECONDS, Deployed
from tests.local.key_processors import executions, start_before
from tests.local.user_tables import child_inputs, measured_batch, new_table
from tests.local.waiting import until
from tests.permissions.exercises.runs import Execution, Started, at_once, call, run, update

KEY = json.dumps({"UserRef": {"S": "a"}}) + "\n"


def _keys(stack: Deployed, **fields: Any) -> dict[str, Any]:
    return {"table": new_table(stack, {"a": 2}), "segments": 1, **fields}


def _missing(stack: Deployed) -> dict[str, Any]:
    return _keys(stack, processor="measure", keys={"bucket": stack.bucket, "key": "input/none.jsonl"})


def _given(stack: Deployed) -> dict[str, Any]:
    return _keys(stack, processor="measure", keys=stack.put(KEY, ".jsonl"))


def _segment(stack: Deployed) -> Any:
    """A segment of a run that has ended: its slice has an outcome already."""
    ended = stack.run("distinct_keys", _keys(stack))
    return next(iter(child_inputs(stack, ended.name, "segments")))


def _batch(stack: Deployed) -> Any:
    """A batch of keys of a run that has ended."""
    ended = stack.run("distinct_keys", _keys(stack, processor="measure"))
    return measured_batch(next(iter(child_inputs(stack, ended.name, "keys"))))


def _started_before(stack: Deployed) -> Started:
    """A run one of whose processors was started before, as by a child that is retried."""
    name = f"r-{uuid4().hex[:12]}"
    start_before(stack, name, {"UserRef": {"S": "a"}})
    document = json.dumps(_keys(stack, processor={"stateMachine": PROCESSOR_MACHINE}))
    machine = stack.machine_arn("distinct_keys")
    started = stack.stepfunctions.start_execution(stateMachineArn=machine, name=name, input=document)
    return Execution(stack, started["executionArn"])


def _stop_processor(stack: Deployed) -> Started:
    """Stops a run while its processor continues."""
    before = {each["executionArn"] for each in executions(stack)}
    document = {"table": new_table(stack, {"slow": 1}), "processor": {"stateMachine": PROCESSOR_MACHINE}}
    started = Execution(stack, stack.start("distinct_keys", document))
    (processor,) = until(lambda: [each for each in executions(stack) if each["executionArn"] not in before])
    started.stop()
    stack.end_of(started.arn, RUN_SECONDS)
    return Execution(stack, processor["executionArn"])


EXERCISES = (
    update("distinct_keys"),
    run("distinct_keys", _missing),
    run("distinct_keys", _keys),
    run("distinct_keys", lambda stack: _keys(stack, processor="measure", maxReadUnitsPerSecond=1_000)),
    run("distinct_keys", _given),
    run("distinct_keys", lambda stack: _keys(stack, processor={"function": PROCESSOR_FUNCTION})),
    run("distinct_keys", lambda stack: _keys(stack, processor={"stateMachine": PROCESSOR_MACHINE})),
    at_once(_started_before),
    call("ScanDistinctKeys", _segment),
    call("MeasureCollection", _batch),
    at_once(_stop_processor),
)
