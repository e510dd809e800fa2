"""table_export and export_process: a full export, then an incremental one, applied to a copy that must be equal."""

from __future__ import annotations

from typing import Any

from e2e.site import Site, check_equal

# DynamoDB exports no later than five minutes ago, and no window shorter than fifteen.
RESTORABLE_SECONDS = 6 * 60
WINDOW_SECONDS = 21 * 60
CHANGED = 100


def check_exports(site: Site) -> str:
    """Export the airports, change some, export the changes; both exports are applied to a copy."""
    table, copy = f"{site.table_prefix}airports", site.create_table("airports-copy", "icao")
    site.dynamodb.update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    site.later(RESTORABLE_SECONDS, "point-in-time recovery reaches back five minutes")
    _export_and_process(site, table, copy)
    check_equal("the copy after the full export", _by_key(site, copy), _by_key(site, table))
    _change(site, table)
    site.later(WINDOW_SECONDS, "an incremental export needs a window of fifteen minutes")
    _export_and_process(site, table, copy)
    items = _by_key(site, table)
    check_equal("the copy after the incremental export", _by_key(site, copy), items)
    return f"the copy equals its source: {len(items):,} items after inserts, updates and deletes"


def _export_and_process(site: Site, table: str, copy: str) -> None:
    summary = site.run("table_export", {"table": table, "pollSeconds": 10})
    (made,) = summary["exports"]
    site.run("export_process", {"export": made["exportArn"], "sink": {"table": copy}})


def _change(site: Site, table: str) -> None:
    """Insert one airport, update a hundred, delete a hundred."""
    keys = sorted(_by_key(site, table))
    site.dynamodb.put_item(TableName=table, Item={"icao": {"S": "XSLU"}, "name": {"S": "Sluice Field"}})
    for icao in keys[::200][:CHANGED]:
        site.dynamodb.update_item(
            TableName=table,
            Key={"icao": {"S": icao}},
            UpdateExpression="SET visited = :yes",
            ExpressionAttributeValues={":yes": {"BOOL": True}},
        )
    for icao in keys[100::200][:CHANGED]:
        site.dynamodb.delete_item(TableName=table, Key={"icao": {"S": icao}})


def _by_key(site: Site, table: str) -> dict[str, dict[str, Any]]:
    return {item["icao"]["S"]: item for item in site.items(table)}
