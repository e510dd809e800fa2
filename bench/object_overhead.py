"""What object_aggregate adds to reading and aggregating the objects: both on one local AWS, in turns."""

from __future__ import annotations

import csv
import io
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.daily_weather import MISSING, station_file
from bench.figures import Better, Measurement, figure
from bench.runs import completed
from sluice_cli.sandbox import Sandbox, sandbox

OBJECTS = 1_000
ROUNDS = 3
CONNECTIONS = 4
PREFIX = "input/gsod/"
INPUT = {
    "prefix": PREFIX,
    "groupBy": ["DATE:month", "STATION"],
    "measures": {"TEMP": ["count", "mean"]},
    "missing": [MISSING],
    "top": {"by": "TEMP.mean", "per": ["DATE:month"]},
}


@figure("object_aggregate_overhead", goal=2, better=Better.LOWER, unit="ratio")
def object_aggregate_overhead() -> Measurement:
    """A whole object_aggregate, from start to end, over one process that gets and reads one object after the other."""
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as stack:
        return Aggregations(stack).compare()


class Aggregations:
    """Both methods on the same objects, as many as there are stations, a year of days each."""

    def __init__(self, stack: Sandbox) -> None:
        self._stack = stack
        bodies = [station_file(station) for station in range(OBJECTS)]
        self._bytes = sum(map(len, bodies))
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            list(threads.map(self._put, range(OBJECTS), bodies))

    def compare(self) -> Measurement:
        """Take turns, and see that both find the same."""
        scripts, runs = [], []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            expected = self._script()
            scripts.append(time.perf_counter() - began)
            seconds, found = self._run()
            runs.append(seconds)
            if found != expected:
                raise AssertionError(f"object_aggregate found {found}, the script {expected}")
        detail = {
            "objects": OBJECTS,
            "megabytes": round(self._bytes / 1e6, 1),
            "compared": "the best time of each side",
            "processors": os.cpu_count(),
            "objectAggregate": {"seconds": _rounded(runs), "first": "starts its functions; the others find them warm"},
            "script": {"seconds": _rounded(scripts), "reads": "get_object, one after the other, and csv.DictReader"},
        }
        return Measurement(min(runs) / min(scripts), detail)

    def _put(self, station: int, body: bytes) -> None:
        self._stack.s3.put_object(Bucket=self._stack.bucket, Key=f"{PREFIX}{station:06d}.csv", Body=body)

    def _script(self) -> dict[str, str]:
        """Each month's warmest station, as a quick script finds it."""
        values: dict[tuple[str, str], list[float]] = {}
        pages = self._stack.s3.get_paginator("list_objects_v2").paginate(Bucket=self._stack.bucket, Prefix=PREFIX)
        for page in pages:
            for each in page["Contents"]:
                body = self._stack.s3.get_object(Bucket=self._stack.bucket, Key=each["Key"])["Body"].read().decode()
                for row in csv.DictReader(io.StringIO(body, newline="")):
                    if row["TEMP"] != MISSING:
                        values.setdefault((row["DATE"][:7], row["STATION"]), []).append(float(row["TEMP"]))
        warmest: dict[str, tuple[float, str]] = {}
        for (month, station), found in sorted(values.items()):
            mean = sum(found) / len(found)
            if month not in warmest or mean > warmest[month][0]:
                warmest[month] = (mean, station)
        return {month: station for month, (_, station) in warmest.items()}

    def _run(self) -> tuple[float, dict[str, str]]:
        ended = completed(self._stack, "object_aggregate", INPUT)
        text = self._stack.s3.get_object(Bucket=self._stack.bucket, Key=f"object_aggregate/{ended['name']}/result.csv")
        rows = csv.DictReader(io.StringIO(text["Body"].read().decode()))
        seconds = (ended["stopDate"] - ended["startDate"]).total_seconds()
        return seconds, {row["DATE:month"]: row["STATION"] for row in rows}


def _rounded(seconds: list[float]) -> list[float]:
    return [round(each, 2) for each in seconds]
