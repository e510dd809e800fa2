"""table_transform: a dry run, a run that is stopped and resumed, and what the table holds afterwards."""

from __future__ import annotations

import json
import time
from secrets import token_hex
from typing import Any

from e2e.loads import expected_airports
from e2e.site import CheckFailedError, Site, check_counts, check_equal
from transforms.airports_geohash import geohash

WRITE_UNITS_PER_SECOND = 1_000
SOME_ITEMS = 2_000
LONGEST_WAIT_SECONDS = 300
LOOK_EVERY_SECONDS = 1


def check_table_transform(site: Site) -> str:
    """Give each airport a geohash: a dry run first, stop the run midway, resume it, and compare the whole table."""
    table = f"{site.table_prefix}airports"
    expected = {key: _with_geohash(item) for key, item in expected_airports().items()}
    document: dict[str, Any] = {"table": table, "transform": "airports_geohash", "withoutBackup": True}
    dry = site.run("table_transform", document)
    check_counts(dry, (len(expected), 0, len(expected), 0, 0))
    stopped_after = _stopped_run(site, document | {"mode": "apply", "maxWriteUnitsPerSecond": WRITE_UNITS_PER_SECOND})
    check_equal("items of the table", {item["icao"]["S"]: item for item in site.items(table)}, expected)
    return f"{len(expected):,} items changed once; the run was stopped after {stopped_after:,} of them, and resumed"


def _stopped_run(site: Site, document: dict[str, Any]) -> int:
    """Start a run, stop it midway, resume it to its end; returns how many items were changed when it stopped."""
    name = f"check-{token_hex(4)}"
    machine = site.outputs["TableTransformStateMachineArn"]
    site.stepfunctions.start_execution(stateMachineArn=machine, name=name, input=json.dumps(document))
    changed = _wait_for_changes(site, document["table"])
    code, _ = site.sluice("stop", name)
    check_equal("exit code of sluice stop", code, 0)
    code, printed = site.sluice("resume", name, "--json")
    if code:
        raise CheckFailedError(f"sluice resume ended with exit code {code}: {printed}")
    return changed


def _wait_for_changes(site: Site, table: str) -> int:
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while (changed := _changed(site, table)) < SOME_ITEMS:
        if time.monotonic() > deadline:
            raise CheckFailedError(f"only {changed} items were changed within {LONGEST_WAIT_SECONDS} s")
        time.sleep(LOOK_EVERY_SECONDS)
    return changed


def _changed(site: Site, table: str) -> int:
    pages = site.dynamodb.get_paginator("scan").paginate(
        TableName=table, FilterExpression="attribute_exists(geohash)", Select="COUNT"
    )
    return sum(page["Count"] for page in pages)


def _with_geohash(item: dict[str, Any]) -> dict[str, Any]:
    position = item["position"]["M"]
    point = (float(position[each]["N"]) for each in ("latitude", "longitude"))
    return item | {"geohash": {"S": geohash(*point)}}
