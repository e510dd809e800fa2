"""Attempts at a slice of csv_load at the same time, as when the answer to the first is lost while it goes on.

The writers' part of this is in tests/unit/test_concurrent_loads.py. Here the deployed function finds the markers that
other attempts have left.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from sluice.runs.paths import Run
from tests.local.deployed import Deployed
from tests.local.test_csv_load import as_items, load, rows_of

ROWS = 60
TEXT = "id,text\n" + "".join(f"{number},row {number}\n" for number in range(ROWS))
FOREIGN = {str(number) for number in range(0, ROWS, 12)}


def invoke(stack: Deployed, function: str, payload: dict[str, Any]) -> dict[str, Any]:
    """What a function of the stack returns."""
    answer = stack.client("lambda").invoke(FunctionName=stack.outputs[function], Payload=json.dumps(payload))
    assert "FunctionError" not in answer
    result: dict[str, Any] = json.loads(answer["Payload"].read())
    return result


def slice_event(stack: Deployed, document: dict[str, Any]) -> dict[str, Any]:
    """The first slice of a new run's only range."""
    name = f"attempts-{uuid4().hex[:8]}"
    run = {"workflow": "csv_load", "name": name, "executionArn": f"arn:aws:states:us-east-1:1:execution:x:{name}"}
    planned = invoke(stack, "PlanLoadFunctionName", {"run": run, "input": document, "progress": None})
    (part,) = (json.loads(line) for line in stack.object(planned["plan"]["key"]).splitlines())
    return {"run": run, "load": planned["load"], "range": part, "progress": None}


def leave(stack: Deployed, key: str) -> None:
    """Leave a marker."""
    stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=b"")


def exists(stack: Deployed, key: str) -> bool:
    """Whether there is such an object."""
    return stack.s3.list_objects_v2(Bucket=stack.bucket, Prefix=key)["KeyCount"] > 0


@pytest.mark.parametrize("on_conflict", ["keep", "reject"])
@pytest.mark.parametrize("attempt", ["only", "first of two", "second of two"])
def test_an_attempt_takes_items_for_the_runs_own_only_if_there_is_another(
    stack: Deployed, on_conflict: str, attempt: str
) -> None:
    table, document = load(stack, TEXT, onConflict=on_conflict)
    equal = as_items(rows_of(TEXT))
    stack.put_items(
        table, [each | {"text": {"S": "foreign"}} if each["id"]["S"] in FOREIGN else each for each in equal]
    )
    event = slice_event(stack, document)
    run = Run.from_state(event["run"])
    if attempt == "first of two":
        leave(stack, run.repeat_key(0, 0))
    if attempt == "second of two":
        leave(stack, run.attempt_key(0, 0))
    counts = invoke(stack, "TransformItemsFunctionName", event)["counts"]
    written = 0 if attempt == "only" else ROWS - len(FOREIGN)
    assert (counts["read"], counts["written"], counts["failed"]) == (ROWS, written, 0)
    assert counts["skipped" if on_conflict == "keep" else "rejected"] == ROWS - written
    assert exists(stack, run.repeat_key(0, 0)) == (attempt != "only")
    if on_conflict == "reject":
        lines = stack.object(run.reject_part_key(0, 0)).splitlines()
        assert len(lines) == ROWS - written
