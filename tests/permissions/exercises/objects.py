"""object_aggregate."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from local_aws import faults
from tests.local.deployed import Deployed
from tests.local.map_runs import impatient
from tests.permissions.exercises.runs import Execution, Started, at_once, call, event_of, fixture, run, update

# As many parts take a merge before the last one.
MANY = 33
BODY = b"id,text\n1,a\n"


def _objects(stack: Deployed, count: int = 1, **fields: Any) -> dict[str, Any]:
    prefix = f"input/objects-{uuid4().hex[:12]}/"
    for number in range(count):
        stack.s3.put_object(Bucket=stack.bucket, Key=f"{prefix}{number:03}.csv", Body=BODY)
    return {"prefix": prefix, "groupBy": ["id"], **fields}


def _failed_merge(stack: Deployed) -> dict[str, Any]:
    """The summary of a run with merges, as if too many of them had failed."""
    event = event_of(stack, "SummarizeObjects", "object_aggregate", _objects(stack, MANY, batchSize=1))
    error = {"name": "States.ExceedToleratedFailureThreshold", "message": "The specified threshold was exceeded."}
    return event | {"reduced": None, "error": error}


def _standard_child(stack: Deployed) -> Started:
    """A batch that finds no free function continues in a Standard child."""
    with impatient(stack, "object_aggregate") as attempts:
        function = stack.outputs["AggregateObjectsFunctionName"]
        faults.throttle_function(stack.aws, function, times=attempts + 1)
        return Execution(stack, stack.start("object_aggregate", _objects(stack)))


EXERCISES = (
    update("object_aggregate"),
    run("object_aggregate", _objects),
    run("object_aggregate", lambda stack: _objects(stack, MANY, batchSize=1)),
    call("AggregateObjects", fixture("aggregate_objects/usual.json")),
    at_once(_standard_child),
    call("SummarizeObjects", _failed_merge),
)
