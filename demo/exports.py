"""table_export and export_process: the airports in full, then what has changed, into a second table."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.error import HTTPError

from demo.airports import TABLE
from demo.sandbox import DemoFailedError, DemoSandbox, create_table, say
from local_aws import clock

COPY = "airports_copy"
NEW = {"icao": {"S": "XSLU"}, "name": {"S": "Sluice Field"}, "country": {"S": "NL"}}


def export_airports(sandbox: DemoSandbox) -> None:
    """Export, change some items, export the changes, and process both: the two tables end up equal."""
    sandbox.dynamodb.update_continuous_backups(
        TableName=TABLE, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    create_table(sandbox.dynamodb, COPY, "icao")
    _later(sandbox, timedelta(minutes=10))
    _export_and_process(sandbox)
    _change(sandbox)
    _later(sandbox, timedelta(hours=1))
    _export_and_process(sandbox)
    sandbox.sluice("export", "status", "--table", TABLE, "--local")
    _compare(sandbox)


def _later(sandbox: DemoSandbox, step: timedelta) -> None:
    try:
        clock.advance(sandbox.aws, step.total_seconds())
    except HTTPError as error:
        raise DemoFailedError("this local AWS was not started by the demo: sluice local down, and again") from error
    say(f"put local AWS's clock forward by {step}")


def _export_and_process(sandbox: DemoSandbox) -> None:
    sandbox.run("table_export", "table_export.json")
    exports = sandbox.dynamodb.list_exports()["ExportSummaries"]
    newest = max(each["ExportArn"] for each in exports if f":table/{TABLE}/" in each["ExportArn"])
    sandbox.run("export_process", "export_process.json", f"export={newest}")


def _change(sandbox: DemoSandbox) -> None:
    """One insert, a hundred updates and a hundred deletes."""
    icaos = sorted(each["icao"]["S"] for each in _items(sandbox, TABLE))
    sandbox.dynamodb.put_item(TableName=TABLE, Item=NEW)
    for icao in icaos[::200][:100]:
        sandbox.dynamodb.update_item(
            TableName=TABLE,
            Key={"icao": {"S": icao}},
            UpdateExpression="SET visited = :yes",
            ExpressionAttributeValues={":yes": {"BOOL": True}},
        )
    for icao in icaos[100::200][:100]:
        sandbox.dynamodb.delete_item(TableName=TABLE, Key={"icao": {"S": icao}})
    say("inserted 1 airport, updated 100 and deleted 100")


def _compare(sandbox: DemoSandbox) -> None:
    source, copy = (sorted(_items(sandbox, name), key=lambda item: item["icao"]["S"]) for name in (TABLE, COPY))
    if source != copy:
        raise DemoFailedError(f"{COPY} is not equal to {TABLE}: {len(copy)} items, {len(source)} in the source")
    print(f"{COPY} is equal to {TABLE}: {len(copy):,} items")  # noqa: T201


def _items(sandbox: DemoSandbox, table: str) -> list[dict[str, Any]]:
    pages = sandbox.dynamodb.get_paginator("scan").paginate(TableName=table)
    return [item for page in pages for item in page["Items"]]
