"""What it costs to have the rows in many objects instead of one: both loaded on one local AWS, in turns."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.figures import Better, Measurement, figure
from bench.runs import completed
from sluice_cli.sandbox import Sandbox, sandbox

OBJECTS = 20_000
ROWS = 50
ROUNDS = 2
CONNECTIONS = 4
PREFIX = "input/many/"
HEADER = "id,customer,product,price,note\n"


@figure("load_many_overhead", goal=1.5, better=Better.LOWER, unit="ratio")
def load_many_overhead() -> Measurement:
    """csv_load of 20,000 objects of 50 rows, from start to end, over csv_load of one object with the same rows."""
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as stack:
        return ManyLoads(stack).compare()


def rows_of(number: int) -> str:
    """The rows of one object."""
    return "".join(
        f"{number:05}-{row:02},customer {row},{number % 97}-{row},{row}.50,as ordered\n" for row in range(ROWS)
    )


class ManyLoads:
    """Both loads, each into a table of its own."""

    def __init__(self, stack: Sandbox) -> None:
        self._stack = stack
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            list(threads.map(self._put, range(OBJECTS)))
        self._one = stack.put((HEADER + "".join(map(rows_of, range(OBJECTS)))).encode())

    def compare(self) -> Measurement:
        """Take turns."""
        many, one = [], []
        for _ in range(ROUNDS):
            one.append(self._load(self._one))
            many.append(self._load({"bucket": self._stack.bucket, "prefix": PREFIX}))
        detail = {
            "objects": OBJECTS,
            "rows": OBJECTS * ROWS,
            "compared": "the best time of each side",
            "processors": os.cpu_count(),
            "manySeconds": many,
            "oneSeconds": one,
        }
        return Measurement(min(many) / min(one), detail)

    def _put(self, number: int) -> None:
        body = (HEADER + rows_of(number)).encode()
        self._stack.s3.put_object(Bucket=self._stack.bucket, Key=f"{PREFIX}{number:05}.csv", Body=body)

    def _load(self, source: Any) -> float:
        """The seconds that a run takes. Raises AssertionError when the table lacks rows."""
        table = self._stack.new_table()
        ended = completed(self._stack, "csv_load", {"source": source, "table": table, "keys": ["id"]})
        count = self._stack.dynamodb.describe_table(TableName=table)["Table"]["ItemCount"]
        if count != OBJECTS * ROWS:
            raise AssertionError(f"the table holds {count:,} items of {OBJECTS * ROWS:,}")
        self._stack.dynamodb.delete_table(TableName=table)
        return round((ended["stopDate"] - ended["startDate"]).total_seconds(), 2)
