"""csv_load: airports.csv of airportsdata, 28,298 rows with unicode, quotes and empty cells."""

from __future__ import annotations

import json
from importlib.resources import files

from demo.sandbox import DemoSandbox, create_table

TABLE = "airports"
SOURCE_KEY = "input/airports.csv"
SHOWN = ("BIKF", "LSZH")


def airports_csv() -> bytes:
    """The file."""
    return (files("airportsdata") / "airports.csv").read_bytes()


def load_airports(sandbox: DemoSandbox) -> None:
    """Load the airports, and show two of them as the table has them."""
    sandbox.put_source(SOURCE_KEY, airports_csv())
    create_table(sandbox.dynamodb, TABLE, "icao")
    sandbox.run("csv_load", "csv_load.json")
    for icao in SHOWN:
        item = sandbox.dynamodb.get_item(TableName=TABLE, Key={"icao": {"S": icao}})["Item"]
        print(json.dumps(item, ensure_ascii=False, sort_keys=True))  # noqa: T201
