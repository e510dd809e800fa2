"""The most memory that plan_load holds for half a million objects, and how long it takes to list and to join them.

`python -m bench.plan_many` runs the two calls of plan_load, with a line of stdin before the second, and prints a line
for each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

from bench.figures import Better, Measurement, figure
from bench.function_process import EndlessContext, environment
from bench.processes import peak_megabytes
from bench.synthetic_listing import SyntheticListing, serving

OBJECTS = 500_000
OBJECT_BYTES = 66_000
ROWS = 600
HEADER = (*(f"column_{number:02}" for number in range(19)), "id")
PREFIX = "input/orders/"


@figure("plan_many_peak_megabytes", goal=256, better=Better.LOWER, unit="MB")
def plan_many_peak() -> Measurement:
    """The peak of plan_load that lists the objects, and then joins what their inspections have found to ranges."""
    listing = SyntheticListing(OBJECTS, OBJECT_BYTES, PREFIX)
    with serving(listing) as url:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.plan_many"],
            env=environment(url) | {"EXPORT_LEDGER_TABLE": "ledger"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            if process.stdin is None or process.stdout is None:
                raise AssertionError("the process has no pipes")
            listed = json.loads(process.stdout.readline())
            tasks = leave_inspections(listing)
            print(file=process.stdin, flush=True)
            joined = json.loads(process.stdout.readline())
    detail = {
        "objects": OBJECTS,
        "tasks": tasks,
        "ranges": joined["ranges"],
        "planMegabytes": round(len(listing.stored["/bench/csv_load/bench/plan.jsonl"]) / 1e6, 1),
        "secondsToList": listed["seconds"],
        "secondsToJoin": joined["seconds"],
        "peakMegabytes": {"list": listed["peakMegabytes"], "join": joined["peakMegabytes"]},
        "server": "a listing that is made up, in a process of its own; its time is included",
    }
    return Measurement(joined["peakMegabytes"], detail)


def leave_inspections(listing: SyntheticListing) -> int:
    """Put what InspectSource finds of every task; returns their number."""
    tasks = listing.stored["/bench/csv_load/bench/tasks.jsonl"].splitlines()
    for line in tasks:
        task = json.loads(line)
        head = json.dumps({"done": True, "headers": [HEADER]})
        found = [
            json.dumps([piece, 200, None, [[OBJECT_BYTES, ROWS]], [], None, False, 0])
            for piece in range(len(task["pieces"]))
        ]
        key = f"/bench/csv_load/bench/inspected/{task['index']:08}-0000.jsonl"
        listing.stored[key] = "\n".join([head, *found, ""]).encode()
    return len(tasks)


def main() -> None:
    """Plan in two calls, as the state machine does."""
    from plan_load.handler import lambda_handler

    source = {"bucket": "bench", "prefix": PREFIX}
    event: dict[str, Any] = {
        "run": {"workflow": "csv_load", "name": "bench", "executionArn": "arn:aws:states:bench"},
        "input": {"source": source, "table": "orders", "keys": ["id"]},
        "progress": None,
    }
    planned = _timed(lambda_handler, event)
    sys.stdin.readline()
    _timed(lambda_handler, event | {"progress": planned["progress"] | {"isInspected": True}})


def _timed(handler: Any, event: dict[str, Any]) -> dict[str, Any]:
    began = time.perf_counter()
    planned: dict[str, Any] = handler(event, EndlessContext())
    reported = {
        "seconds": round(time.perf_counter() - began, 1),
        "peakMegabytes": round(peak_megabytes(os.getpid()), 1),
        "ranges": planned["plan"]["ranges"],
    }
    print(json.dumps(reported), flush=True)
    return planned


if __name__ == "__main__":
    main()
