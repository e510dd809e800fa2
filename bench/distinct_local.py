"""distinct_keys on real tables on local AWS, against the better of a full scan and one skip per key."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import botocore.session

from bench.distinct_policy import REQUEST_UNITS
from bench.figures import Better, Measurement, figure
from bench.plain_scans import Listing, full_scan, skips, whole_table
from bench.real_tables import AIRPORTS_BY_COUNTRY, FLIGHTS_BY_DEST, FLIGHTS_BY_TAILNUM, WEATHER_BY_DAY, RealTable
from bench.runs import completed
from bench.scan_simulator import ScanCost
from local_aws.lifecycle import client_environment
from sluice.aws.wire import Wire
from sluice.dynamodb.keys import KeySchema
from sluice.workflows.distinct_keys.segment_scan import SegmentScan
from sluice_cli.sandbox import Sandbox, sandbox

GOAL = 1.10
COUNTED = "answers to Scan and the ConsumedCapacity in them; those of distinct_keys as the run's summary adds them up"


@figure("distinct_local_flights_dest", goal=GOAL, better=Better.LOWER, unit="ratio")
def flights_by_dest() -> Measurement:
    """Few collections, most of them large: one skip per key is forty times better than a full scan."""
    return compare(FLIGHTS_BY_DEST)


@figure("distinct_local_flights_tailnum", goal=GOAL, better=Better.LOWER, unit="ratio")
def flights_by_tailnum() -> Measurement:
    """Collections of one to hundreds of items, around the size at which skips begin to pay."""
    return compare(FLIGHTS_BY_TAILNUM)


@figure("distinct_local_weather_day", goal=GOAL, better=Better.LOWER, unit="ratio")
def weather_by_day() -> Measurement:
    """Small collections of nearly one size: a full scan is five times better than one skip per key."""
    return compare(WEATHER_BY_DAY)


@figure("distinct_local_airports_country", goal=GOAL, better=Better.LOWER, unit="ratio")
def airports_by_country() -> Measurement:
    """Many tiny collections and a few large ones: neither of the two is good."""
    return compare(AIRPORTS_BY_COUNTRY)


def compare(real: RealTable) -> Measurement:
    """Load the table, list its keys with all three methods, and compare the costs."""
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as stack:
        table = _load(stack, real)
        described = stack.dynamodb.describe_table(TableName=table)["Table"]
        scan = whole_table(table, KeySchema.from_describe_table(described))
        with _wire(stack) as wire:
            full, skipped = full_scan(scan, wire.call), skips(scan, wire.call)
        summary = json.loads(completed(stack, "distinct_keys", {"table": table})["output"])
        run = Listing(_keys_written(stack, summary, scan), _cost(summary["scan"]))
    if not run.keys == full.keys == skipped.keys or summary["counts"]["read"] != len(full.keys):
        raise AssertionError("the three methods do not find the same keys")
    detail = {
        "keys": len(full.keys),
        "items": described["ItemCount"],
        "distinctKeys": {"segments": summary["scan"]["segments"], **_columns(run.cost)},
        "fullScan": _columns(full.cost),
        "oneSkipPerKey": _columns(skipped.cost),
        "cost": f"read units and {REQUEST_UNITS:g} per request",
        "counted": COUNTED,
    }
    return Measurement(over_better(run.cost, full.cost, skipped.cost), detail)


def over_better(run: ScanCost, *others: ScanCost) -> float:
    """The total cost of a run over that of the better of the others."""
    return run.total(REQUEST_UNITS) / min(other.total(REQUEST_UNITS) for other in others)


def _load(stack: Sandbox, real: RealTable) -> str:
    """A table with an item of every row. Raises AssertionError when one is missing."""
    data, table = real.csv(), stack.new_table(real.partition, real.sort)
    ended = completed(stack, "csv_load", {"source": stack.put(data), "table": table, "mapping": real.mapping})
    counts = json.loads(ended["output"])["counts"]
    items = stack.dynamodb.describe_table(TableName=table)["Table"]["ItemCount"]
    if not items == counts["read"] == counts["written"]:
        raise AssertionError(f"the table holds {items:,} items of {counts['read']:,} rows")
    return table


def _wire(stack: Sandbox) -> Wire:
    environment, session = client_environment(stack.aws), botocore.session.get_session()
    session.set_credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    return Wire.from_session(session, region=stack.aws.region, endpoint_url=stack.aws.endpoint_url)


def _keys_written(stack: Sandbox, summary: dict[str, Any], scan: SegmentScan) -> frozenset[tuple[str, ...]]:
    """The keys in the files that the run has left. Raises AssertionError when one is there twice."""
    bucket, prefix = summary["results"]["bucket"], summary["scan"]["keys"]
    pages = stack.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    parts = [each["Key"] for page in pages for each in page.get("Contents", [])]
    bodies = [stack.s3.get_object(Bucket=bucket, Key=part)["Body"].read() for part in parts]
    keys = scan.partition.of_items([json.loads(line) for body in bodies for line in body.splitlines()])
    if len(keys) != len(set(keys)):
        raise AssertionError("a key was written twice")
    return frozenset(keys)


def _cost(scan: dict[str, Any]) -> ScanCost:
    return ScanCost(scan["requests"], scan["readUnits"])


def _columns(cost: ScanCost) -> dict[str, float]:
    return {"requests": cost.requests, "readUnits": cost.units, "total": cost.total(REQUEST_UNITS)}
