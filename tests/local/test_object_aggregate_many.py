"""Twenty thousand objects: aggregated once each, in memory that does not grow with them."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from bench.processes import forget_peak
from tests.local.deployed import Deployed
from tests.local.memory import held_bytes, server_peak_bytes, worker_bytes
from tests.local.weather_objects import as_csv, daily_rows, put_objects, result_rows

OBJECTS = 20_000
ROWS = 3
KINDS = 50
# The server holds the records of the Map Run, 800 bytes an object here; a worker one batch, whatever their number.
RUN_BYTES_PER_OBJECT = 2_000
WORKER_BYTES_PER_OBJECT = 300


@pytest.fixture
def prefix(stack: Deployed) -> Iterator[str]:
    """Where the objects are; they end with the test."""
    bodies = [as_csv(daily_rows(kind, ROWS)) for kind in range(KINDS)]
    prefix = put_objects(
        stack, f"many-{uuid4().hex[:8]}", {f"{number:06d}.csv": bodies[number % KINDS] for number in range(OBJECTS)}
    )
    yield prefix
    pages = stack.s3.get_paginator("list_objects_v2").paginate(Bucket=stack.bucket, Prefix=prefix)
    for page in pages:
        keys = [{"Key": each["Key"]} for each in page["Contents"]]
        stack.s3.delete_objects(Bucket=stack.bucket, Delete={"Objects": keys})  # type: ignore[typeddict-item]


@pytest.mark.long
def test_twenty_thousand_objects_take_bounded_memory(stack: Deployed, prefix: str) -> None:
    document = {
        "prefix": prefix,
        "groupBy": ["STATION"],
        "measures": {"TEMP": ["count", "mean"]},
        "missing": ["9999.9"],
    }
    stack.run("object_aggregate", document | {"prefix": f"{prefix}0000"})
    functions = [f"{step}FunctionName" for step in ("AggregateObjects", "PlanReduction")]
    idle = [worker_bytes(stack, function) for function in functions]
    held = held_bytes(stack)
    forget_peak(stack.aws.pid)
    ended = stack.run("object_aggregate", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (OBJECTS, OBJECTS, 0, 0, 0)), ended
    rows = result_rows(stack, ended.summary)
    assert [int(row["rows"]) for row in rows] == [ROWS * OBJECTS // KINDS] * KINDS
    for function, before in zip(functions, idle, strict=True):
        assert (worker_bytes(stack, function) - before) / OBJECTS < WORKER_BYTES_PER_OBJECT, function
    assert (server_peak_bytes(stack) - held) / OBJECTS < RUN_BYTES_PER_OBJECT
