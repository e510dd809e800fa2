"""What the item of a run costs, and how soon a run that is stopped writes nothing more; on local AWS."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.figures import Better, Measurement, figure
from bench.flights import FILE_MAPPING, KEYS, flights_file
from bench.runs import RUN_SECONDS, completed
from sluice.dynamodb.prices import WRITE_UNIT_USD
from sluice_cli.main import main
from sluice_cli.sandbox import Sandbox, sandbox

MILLION = 1_000_000
STOPPED_RUNS = 20
STOPPED_ROWS = 400_000
LOOK_SECONDS = 0.1
AFTERWARDS_SECONDS = 0.5


@contextmanager
def _stack() -> Iterator[Sandbox]:
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as stack:
        yield stack


@figure("heartbeat_cost", goal=1, better=Better.LOWER, unit="requests/1,000 rows")
def heartbeat_cost() -> Measurement:
    """Updates of the item of a csv_load run: to create and close it, all heartbeats, and one when a slice ends."""
    with _stack() as stack:
        table = stack.new_table(*(key["name"] for key in KEYS))
        document = {"source": stack.put(flights_file()), "mapping": FILE_MAPPING, "table": table}
        ended = completed(stack, "csv_load", document)
        numbers = _numbers(stack, f"csv_load/{ended['name']}")
        rows, slices = numbers["rowsRead"], _slices(stack, ended["name"])
    requests = 2 + numbers["heartbeats"] + slices
    dollars = round(requests * WRITE_UNIT_USD * MILLION / rows, 9)
    detail = {"rows": rows, "slices": slices, "requests": requests, "dollarsPerMillionRows": dollars}
    return Measurement(1_000 * requests / rows, detail)


@figure("stop_seconds", goal=5, better=Better.LOWER, unit="s")
def stop_seconds() -> Measurement:
    """The last write after `sluice stop` has returned, the latest of several runs of csv_load."""
    text = "id,text\n" + "".join(f'{row},"row {row}"\n' for row in range(STOPPED_ROWS))
    with _stack() as stack:
        source = stack.put(text)
        seconds = [_stopped(stack, source) for _ in range(STOPPED_RUNS)]
    return Measurement(max(seconds), {"runs": len(seconds), "seconds": [round(each, 2) for each in seconds]})


def _stopped(stack: Sandbox, source: Any) -> float:
    """Seconds from the end of the stop to the last write that was seen."""
    table = stack.new_table("id")
    # One request per row: the run lasts long enough to be stopped.
    document = {"source": source, "table": table, "keys": ["id"], "onConflict": "keep", "rangeSize": 500_000}
    arn = stack.start("csv_load", document)
    _wait(lambda: _count(stack, table) > 0)
    if main(["stop", arn, "--local"], stack.surroundings):
        raise AssertionError("the run could not be stopped")
    seconds, seen = _last_write(stack, table, arn)
    time.sleep(AFTERWARDS_SECONDS)
    if (found := _count(stack, table)) != seen:
        raise AssertionError(f"{found - seen} rows were written after the run had ended")
    counted = _written(stack, arn)
    if not 0 < seen < STOPPED_ROWS or counted != seen:
        raise AssertionError(f"the table has {seen} of {STOPPED_ROWS} rows when the run ends, its summary {counted}")
    return seconds


def _last_write(stack: Sandbox, table: str, arn: str) -> tuple[float, int]:
    """When the table was last seen to grow, in seconds from now, and its items once the run has ended."""
    began, last_write, seen, is_running = time.monotonic(), 0.0, _count(stack, table), True
    while is_running:
        time.sleep(LOOK_SECONDS)
        # A run can end between two looks, so the last look is one after its end.
        is_running = stack.stepfunctions.describe_execution(executionArn=arn)["status"] == "RUNNING"
        count = _count(stack, table)
        if count > seen:
            seen, last_write = count, time.monotonic() - began
    return last_write, seen


def _written(stack: Sandbox, arn: str) -> int:
    """How many rows the summary of a run of csv_load says were written."""
    key = f"csv_load/{arn.rpartition(':')[2]}/summary.json"
    summary = json.loads(stack.s3.get_object(Bucket=stack.bucket, Key=key)["Body"].read())
    written: int = summary["counts"]["written"]
    return written


def _count(stack: Sandbox, table: str) -> int:
    pages = stack.dynamodb.get_paginator("scan").paginate(TableName=table, Select="COUNT")
    return sum(page["Count"] for page in pages)


def _wait(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + RUN_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError("nothing was written")
        time.sleep(LOOK_SECONDS)


def _numbers(stack: Sandbox, run: str) -> dict[str, float]:
    key = {"run": {"S": run}}
    item = stack.dynamodb.get_item(TableName=stack.outputs["RunTable"], Key=key, ConsistentRead=True)["Item"]
    return {name: float(value["N"]) for name, value in item.items() if "N" in value}


def _slices(stack: Sandbox, name: str) -> int:
    pages = stack.s3.get_paginator("list_objects_v2").paginate(Bucket=stack.bucket, Prefix=f"csv_load/{name}/slices/")
    return sum(page["KeyCount"] for page in pages)
