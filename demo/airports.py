"""csv_load: airports.csv of airportsdata, 28,298 rows with unicode, quotes and empty cells."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from demo.sandbox import DemoSandbox, create_table
from sluice_cli.surroundings import PROJECT_ROOT

TABLE = "airports"
SOURCE_KEY = "input/airports.csv"
SHOWN = ("BIKF", "LSZH")


MAPPING = PROJECT_ROOT / "events" / "workflows" / "csv_load.json"


def airports_file() -> Path:
    """The file."""
    return Path(str(files("airportsdata") / "airports.csv"))


def airports_csv() -> bytes:
    """What is in it."""
    return airports_file().read_bytes()


def load_airports(sandbox: DemoSandbox) -> None:
    """Load the airports, and show two of them as the table has them."""
    create_table(sandbox.dynamodb, TABLE, "icao")
    sandbox.sluice("load", str(airports_file()), "--table", TABLE, "--mapping", str(MAPPING), "--local")
    for icao in SHOWN:
        item = sandbox.dynamodb.get_item(TableName=TABLE, Key={"icao": {"S": icao}})["Item"]
        print(json.dumps(item, ensure_ascii=False, sort_keys=True))  # noqa: T201
