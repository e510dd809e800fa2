"""table_export and export_process: the airports in full, then what has changed, into a second table."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.error import HTTPError

from demo.airports import TABLE
from demo.place import DemoFailedError, Place, create_table, say
from local_aws import clock

COPY = "airports_copy"
NEW = {"icao": {"S": "XSLU"}, "name": {"S": "Sluice Field"}, "country": {"S": "NL"}}


def export_airports(place: Place) -> None:
    """Export, change some items, export the changes, and process both: the two tables end up equal."""
    place.dynamodb.update_continuous_backups(
        TableName=TABLE, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    create_table(place.dynamodb, COPY, "icao")
    _later(place, timedelta(minutes=10))
    _export_and_process(place)
    _change(place)
    _later(place, timedelta(hours=1))
    _export_and_process(place)
    place.sluice("export", "status", "--table", TABLE, "--local")
    _compare(place)


def _later(place: Place, step: timedelta) -> None:
    try:
        clock.advance(place.aws, step.total_seconds())
    except HTTPError as error:
        raise DemoFailedError("this local AWS was not started by the demo: sluice local down, and again") from error
    say(f"put local AWS's clock forward by {step}")


def _export_and_process(place: Place) -> None:
    place.run("table_export", "table_export.json")
    exports = place.dynamodb.list_exports()["ExportSummaries"]
    newest = max(each["ExportArn"] for each in exports if f":table/{TABLE}/" in each["ExportArn"])
    place.run("export_process", "export_process.json", f"export={newest}")


def _change(place: Place) -> None:
    """One insert, a hundred updates and a hundred deletes."""
    icaos = sorted(each["icao"]["S"] for each in _items(place, TABLE))
    place.dynamodb.put_item(TableName=TABLE, Item=NEW)
    for icao in icaos[::200][:100]:
        place.dynamodb.update_item(
            TableName=TABLE,
            Key={"icao": {"S": icao}},
            UpdateExpression="SET visited = :yes",
            ExpressionAttributeValues={":yes": {"BOOL": True}},
        )
    for icao in icaos[100::200][:100]:
        place.dynamodb.delete_item(TableName=TABLE, Key={"icao": {"S": icao}})
    say("inserted 1 airport, updated 100 and deleted 100")


def _compare(place: Place) -> None:
    source, copy = (sorted(_items(place, name), key=lambda item: item["icao"]["S"]) for name in (TABLE, COPY))
    if source != copy:
        raise DemoFailedError(f"{COPY} is not equal to {TABLE}: {len(copy)} items, {len(source)} in the source")
    print(f"{COPY} is equal to {TABLE}: {len(copy):,} items")  # noqa: T201


def _items(place: Place, table: str) -> list[dict[str, Any]]:
    pages = place.dynamodb.get_paginator("scan").paginate(TableName=table)
    return [item for page in pages for item in page["Items"]]
