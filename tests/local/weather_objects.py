"""Objects of daily weather in several formats, and what DuckDB makes of the same bytes."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb

from tests.local.deployed import Deployed

COLUMNS = ("DATE", "STATION", "NAME", "TEMP", "WDSP")
NAMES = ["JAN MAYEN, NO", 'THE "HUT"', "A\nB", "Tromsø", ""]
THREADS = 8


def daily_rows(station: int, rows: int) -> list[dict[str, str]]:
    """A station's days; some temperatures are missing."""
    random_ = random.Random(station)
    return [
        {
            "DATE": f"{2025 + day // 336}-{1 + day // 28 % 12:02d}-{1 + day % 28:02d}",
            "STATION": f"{station:06d}",
            "NAME": NAMES[station % len(NAMES)],
            "TEMP": "9999.9" if random_.random() < 0.1 else f" {random_.randint(-400, 400) / 10}",
            "WDSP": f"{random_.randint(0, 10**9)}.{random_.randint(0, 999):03d}",
        }
        for day in range(rows)
    ]


def as_csv(rows: Sequence[Mapping[str, str]]) -> bytes:
    """The rows as CSV, header first; Windows' line ends."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_jsonl(rows: Sequence[Mapping[str, str]]) -> bytes:
    """The rows as JSON Lines; temperatures are numbers."""
    lines = ({**row, "TEMP": float(row["TEMP"])} for row in rows)
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()


def mixed_objects(count: int, rows: int) -> dict[str, bytes]:
    """One object per station: CSV and JSON Lines, plain and compressed."""
    objects = {}
    for station in range(count):
        data = daily_rows(station, rows)
        kind = station % 4
        body, ending = (as_csv(data), ".csv") if kind < 2 else (as_jsonl(data), ".jsonl")
        objects[f"{station:06d}{ending}{'.gz' if kind % 2 else ''}"] = gzip.compress(body) if kind % 2 else body
    return objects


def put_objects(stack: Deployed, prefix: str, objects: Mapping[str, bytes]) -> str:
    """Put the objects below input/<prefix>/; returns that."""
    with ThreadPoolExecutor(THREADS) as threads:
        list(
            threads.map(
                lambda name: stack.s3.put_object(Bucket=stack.bucket, Key=f"input/{prefix}/{name}", Body=objects[name]),
                objects,
            )
        )
    return f"input/{prefix}/"


def by_duckdb(objects: Mapping[str, bytes], directory: Path, select: str) -> list[tuple[Any, ...]]:
    """What a query on `rows` gives, over the same bytes; cells are texts, and a missing temperature NULL."""
    for name, body in objects.items():
        (directory / name).write_bytes(body)
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in COLUMNS)
    views = []
    if list(directory.glob("*.csv*")):
        dialect = "header=true, auto_detect=false, quote='\"', escape='\"', new_line='\\r\\n'"
        views.append(f"SELECT * FROM read_csv('{directory}/*.csv*', columns={{{columns}}}, {dialect})")
    if list(directory.glob("*.jsonl*")):
        views.append(
            f"SELECT * FROM read_json('{directory}/*.jsonl*', columns={{{columns}}}, format='newline_delimited')"
        )
    with duckdb.connect() as database:
        number = "CAST(nullif(trim(TEMP), '9999.9') AS DECIMAL(18, 4))"
        replaced = f"{number} AS TEMP, coalesce(NAME, '') AS NAME"
        database.execute(f"CREATE VIEW rows AS SELECT * REPLACE ({replaced}) FROM ({' UNION ALL '.join(views)})")
        return database.execute(select).fetchall()


def result_rows(stack: Deployed, summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """The rows of the run's result.csv."""
    text = stack.object(summary["result"]["csv"]).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))
