"""csv_load and csv_load_direct."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from sluice.workflows.csv_load.set_plan import INLINE_OBJECTS
from tests.local.deployed import Deployed
from tests.permissions.exercises.runs import call, run, update

CSV = "id,text\n1,a\n"
BAD_ROW = ",no id\n"


def _load(stack: Deployed, body: str = CSV, **fields: Any) -> dict[str, Any]:
    return {"source": stack.put(body), "table": stack.new_table(), "keys": ["id"], **fields}


def _version(stack: Deployed) -> dict[str, Any]:
    bucket = stack.versioned_bucket()
    put = stack.s3.put_object(Bucket=bucket, Key="version.csv", Body=CSV.encode())
    return _load(stack) | {"source": {"bucket": bucket, "key": "version.csv", "versionId": put["VersionId"]}}


def _below_prefix(stack: Deployed, bucket: str) -> dict[str, Any]:
    """More objects than PlanLoad looks at itself: InspectSource does."""
    prefix = f"input/{uuid4().hex[:12]}/"
    for number in range(INLINE_OBJECTS + 1):
        stack.s3.put_object(Bucket=bucket, Key=f"{prefix}{number}.csv", Body=CSV.encode())
    return _load(stack) | {"source": {"bucket": bucket, "prefix": prefix}}


def _missing(stack: Deployed) -> dict[str, Any]:
    return _load(stack) | {"source": {"bucket": stack.bucket, "key": "input/none.csv"}}


def _slice_without_outcome(stack: Deployed) -> Any:
    """A slice that was begun and did not end, as its child gives it to TransformItems again."""
    ended = stack.run("csv_load", _load(stack, onConflict="keep"))
    (child,) = _children(stack, f"csv_load/{ended.name}/results/")
    for each in stack.s3.list_objects_v2(Bucket=stack.bucket, Prefix=f"csv_load/{ended.name}/slices/")["Contents"]:
        stack.s3.delete_object(Bucket=stack.bucket, Key=each["Key"])
    return child


def _children(stack: Deployed, prefix: str) -> list[Any]:
    """The inputs of a Map Run's children."""
    listed = stack.s3.list_objects_v2(Bucket=stack.bucket, Prefix=prefix)["Contents"]
    keys = [each["Key"] for each in listed if "SUCCEEDED" in each["Key"]]
    return [json.loads(json.loads(line)["Input"]) for key in keys for line in stack.object(key).splitlines()]


EXERCISES = (
    update("csv_load"),
    run("csv_load", _missing),
    run("csv_load", _load),
    run("csv_load", lambda stack: _load(stack, CSV + BAD_ROW, rejectsTolerated=1, onConflict="keep")),
    run("csv_load", _version),
    run("csv_load", lambda stack: _below_prefix(stack, stack.bucket)),
    run("csv_load", lambda stack: _below_prefix(stack, stack.versioned_bucket())),
    run("csv_load", lambda stack: _load(stack, write="update")),
    call("TransformItems", _slice_without_outcome),
    update("csv_load_direct"),
    run("csv_load_direct", lambda stack: {"source": stack.put(CSV), "table": stack.new_table()}),
    # A Map Run that fails is looked up.
    run(
        "csv_load_direct", lambda stack: {"source": stack.put(CSV), "table": stack.new_table(), "types": {"text": "N"}}
    ),
)
