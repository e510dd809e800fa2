"""athena_map, object_map and object_aggregate: a year's weather, an object for each airport and day."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from demo.objects import by_duckdb
from demo.weather import OPEN_CSV, PREFIX, weather_csv, weather_objects
from e2e.processors import items_of_function, processor_name
from e2e.site import CheckFailedError, Site, check_counts, check_equal

CONNECTIONS = 8
STORM_MILES_PER_HOUR = 30
TABLE = "weather"
QUERY = 'SELECT DISTINCT "$path" AS path FROM weather WHERE TRY_CAST(wind_speed AS double) >= ?'
COPIES, AIRPORT_COPIES = "output/check/storms/", "output/check/airport/"
AIRPORT = f"{PREFIX}LGA/"
MEAN_TOLERANCE = 1e-12


def database_name(site: Site) -> str:
    """The Glue database of the check; Glue takes no hyphens in names that SQL uses unquoted."""
    return "check_" + site.stack_name.replace("-", "_")


def put_weather(site: Site) -> dict[str, bytes]:
    """Put the objects into the data bucket, and return them by their keys."""
    objects = dict(weather_objects())
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(lambda each: site.put(*each), objects.items()))
    return objects


def check_athena_map(site: Site) -> str:
    """Copy the objects of stormy days that a query finds; give the same rows to a function."""
    objects = put_weather(site)
    _create_table(site)
    stormy = {key for key, body in objects.items() if _is_stormy(body)}
    query = {"query": QUERY, "parameters": [str(STORM_MILES_PER_HOUR)], "database": database_name(site)}
    destination = {"prefix": COPIES.rstrip("/"), "keys": {"without": PREFIX}}
    copied = site.run(
        "athena_map", query | {"action": {"copyObject": {"source": {"uri": "{path}"}, "destination": destination}}}
    )
    check_counts(copied, (len(stormy), len(stormy), 0, 0, 0))
    copies = {PREFIX + key.removeprefix(COPIES): site.object(key) for key in site.keys(COPIES)}
    check_equal("copied objects", copies, {key: objects[key] for key in stormy})
    called = site.run("athena_map", query | {"action": {"function": processor_name(site)}})
    check_counts(called, (len(stormy), len(stormy), 0, 0, 0))
    seen = sorted(str(row["path"]) for row in items_of_function(site, called["execution"]))
    check_equal("rows that the function has seen", seen, sorted(f"s3://{site.bucket}/{key}" for key in stormy))
    return f"{len(stormy)} of {len(objects):,} objects copied, and the same rows given to a function"


def check_object_map(site: Site) -> str:
    """Copy the objects of one airport, then delete the copies."""
    expected = {key: body for key, body in put_weather(site).items() if key.startswith(AIRPORT)}
    destination = {"prefix": AIRPORT_COPIES.rstrip("/"), "keys": {"without": AIRPORT}}
    number = len(expected)
    copied = site.run(
        "object_map", {"bucket": site.bucket, "prefix": AIRPORT, "action": {"copyObject": {"destination": destination}}}
    )
    check_counts(copied, (number, number, 0, 0, 0))
    copies = {AIRPORT + key.removeprefix(AIRPORT_COPIES): site.object(key) for key in site.keys(AIRPORT_COPIES)}
    check_equal("copied objects", copies, expected)
    deletion = {"bucket": site.bucket, "prefix": AIRPORT_COPIES, "action": {"deleteObject": {"confirm": True}}}
    check_counts(site.run("object_map", deletion), (number, number, 0, 0, 0))
    check_equal("copies that are left", site.keys(AIRPORT_COPIES), [])
    check_equal("objects that were copied", len(site.keys(AIRPORT)), number)
    return f"{number} objects copied, and the copies deleted"


def check_object_aggregate(site: Site) -> str:
    """Aggregate the objects into each month's warmest airport, and compare with DuckDB."""
    objects = put_weather(site)
    document: dict[str, Any] = {
        "prefix": PREFIX,
        "groupBy": ["time_hour:month", "origin"],
        "measures": {"temp": ["count", "min", "max", "mean"]},
        "missing": ["NA"],
        "top": {"by": "temp.mean", "per": ["time_hour:month"]},
    }
    summary = site.run("object_aggregate", document)
    lines = site.object(summary["result"]["csv"]).decode().splitlines()
    header, *rows = (line.split(",") for line in lines)
    month, origin, mean = (header.index(each) for each in ("time_hour:month", "origin", "temp.mean"))
    expected = by_duckdb(objects)
    check_equal("months and airports", [(row[month], row[origin]) for row in rows], [each[:2] for each in expected])
    for row, (*_, other) in zip(rows, expected, strict=True):
        if abs(float(row[mean]) - other) > abs(other) * MEAN_TOLERANCE:
            raise CheckFailedError(f"mean of {row[month]}: object_aggregate has {row[mean]}, DuckDB {other}")
    return f"{len(rows)} months of {len(objects):,} objects, the same as DuckDB's"


def _create_table(site: Site) -> None:
    columns = weather_csv().partition("\n")[0].split(",")
    glue = site.client("glue")
    glue.create_database(DatabaseInput={"Name": database_name(site)})
    storage = {
        "Columns": [{"Name": column, "Type": "string"} for column in columns],
        "Location": f"s3://{site.bucket}/{PREFIX}",
        "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
        "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        "SerdeInfo": {"SerializationLibrary": OPEN_CSV},
    }
    table = {
        "Name": TABLE,
        "TableType": "EXTERNAL_TABLE",
        "StorageDescriptor": storage,
        "Parameters": {"skip.header.line.count": "1"},
    }
    glue.create_table(DatabaseName=database_name(site), TableInput=table)


def _is_stormy(body: bytes) -> bool:
    header, *rows = (line.split(",") for line in body.decode().splitlines())
    column = header.index("wind_speed")
    return any(row[column] != "NA" and float(row[column]) >= STORM_MILES_PER_HOUR for row in rows)
