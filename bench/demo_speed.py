"""The demo's two largest jobs on local AWS, beside their requests without Sluice: ready-made and signed."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.bare_writes import BareRequests, bare_writes, batches, csv_items, flight_batches
from bench.figures import Better, Measurement, figure
from bench.flights import FILE_MAPPING, KEYS, flights_file
from bench.processes import cpu_seconds
from bench.runs import completed
from demo.airports import airports_csv
from sluice_cli.sandbox import Sandbox, sandbox
from transforms.airports_geohash import geohash

ROUNDS = 3
SENDERS = (2, 4, 8)
TRANSFORM = "airports_geohash"
AIRPORT_KEYS = [{"name": "icao", "type": "S"}]
EVENT = Path(__file__).resolve().parent.parent / "events" / "workflows" / "csv_load.json"
CHANGED = "geohash"


@dataclass(frozen=True, slots=True)
class Turn:
    """One job: its wall time, and the processor time of the server meanwhile."""

    seconds: float
    server_cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same rows or items by Sluice, and by the bare requests with the number of senders that was fastest."""

    count: int
    sluice: list[Turn]
    bare: dict[int, list[Turn]]

    @property
    def per_second(self) -> float:
        """How many Sluice did a second in its best turn."""
        return self.count / _best(self.sluice)

    @property
    def ratio(self) -> float:
        """The best time of Sluice over the best of the bare requests."""
        return _best(self.sluice) / min(_best(turns) for turns in self.bare.values())

    def measurement(self, value: float) -> Measurement:
        """The value, with all turns."""
        bare = {str(senders): _columns(turns) for senders, turns in self.bare.items()}
        detail = {
            "count": self.count,
            "processors": os.cpu_count(),
            "compared": "the best time of each side; bare requests are signed beforehand and come from so many threads",
            "sluice": _columns(self.sluice),
            "bareRequests": bare,
            "ratio": round(self.ratio, 3),
        }
        return Measurement(value, detail)


@figure("demo_load_rows_per_second", goal=15_000, better=Better.HIGHER, unit="rows/s")
def load_speed() -> Measurement:
    """csv_load of all flights into a new table, from the execution's start to its end."""
    return loads().measurement(loads().per_second)


@figure("demo_load_vs_bare_requests", goal=1.2, better=Better.LOWER, unit="ratio")
def load_ratio() -> Measurement:
    """Its time over that of the same BatchWriteItem requests."""
    return loads().measurement(loads().ratio)


@figure("demo_updates_per_second", goal=2_000, better=Better.HIGHER, unit="items/s")
def update_speed() -> Measurement:
    """table_transform of all airports in place, from the execution's start to its end."""
    return updates().measurement(updates().per_second)


@figure("demo_updates_vs_bare_requests", goal=1.2, better=Better.LOWER, unit="ratio")
def update_ratio() -> Measurement:
    """Its time over that of the same UpdateItem requests."""
    return updates().measurement(updates().ratio)


@cache
def loads() -> Comparison:
    """Loads of flights.csv."""
    data = flights_file()
    puts = flight_batches(data)
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as stack:
        source = stack.put(data)

        def bare(senders: int) -> Turn:
            table = stack.new_table(*(key["name"] for key in KEYS))
            requests = bare_writes(stack.aws, table, puts)
            return _dropped(stack, table, _turn(stack, lambda: requests.seconds(senders)))

        def sluice() -> Turn:
            table = stack.new_table(*(key["name"] for key in KEYS))
            document = {"source": source, "table": table, "mapping": FILE_MAPPING}
            turn = _turn(stack, lambda: _seconds(stack, "csv_load", document))
            return _dropped(stack, table, turn)

        return _compare(data.count(b"\n") - 1, sluice, bare)


@cache
def updates() -> Comparison:
    """Updates of the airports: each gets its geohash."""
    items = csv_items(airports_csv(), json.loads(EVENT.read_text())["mapping"], AIRPORT_KEYS)
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as stack:

        def filled() -> str:
            table = stack.new_table(AIRPORT_KEYS[0]["name"])
            bare_writes(stack.aws, table, batches(items)).seconds(SENDERS[0])
            return table

        def bare(senders: int) -> Turn:
            table = filled()
            requests = BareRequests(stack.aws, "UpdateItem", [_update(table, json.loads(item)) for item in items])
            return _dropped(stack, table, _turn(stack, lambda: requests.seconds(senders)))

        def sluice() -> Turn:
            table = filled()
            document = {"table": table, "transform": TRANSFORM, "mode": "apply", "withoutBackup": True}
            turn = _turn(stack, lambda: _seconds(stack, "table_transform", document))
            _check_changed(stack, table, len(items))
            return _dropped(stack, table, turn)

        return _compare(len(items), sluice, bare)


def _compare(count: int, sluice: Callable[[], Turn], bare: Callable[[int], Turn]) -> Comparison:
    turns = [({senders: bare(senders) for senders in SENDERS}, sluice()) for _ in range(ROUNDS)]
    return Comparison(
        count, [own for _, own in turns], {senders: [each[senders] for each, _ in turns] for senders in SENDERS}
    )


def _turn(stack: Sandbox, job: Callable[[], float]) -> Turn:
    before = cpu_seconds(stack.aws.pid)
    return Turn(job(), cpu_seconds(stack.aws.pid) - before)


def _dropped(stack: Sandbox, table: str, turn: Turn) -> Turn:
    stack.dynamodb.delete_table(TableName=table)
    return turn


def _seconds(stack: Sandbox, workflow: str, document: dict[str, Any]) -> float:
    ended = completed(stack, workflow, document)
    return (ended["stopDate"] - ended["startDate"]).total_seconds()


def _update(table: str, airport: dict[str, Any]) -> bytes:
    """What table_transform sends for an airport."""
    position = airport["position"]["M"]
    request = {
        "TableName": table,
        "UpdateExpression": "SET #0=:0",
        "ConditionExpression": "attribute_exists(#1) AND attribute_not_exists(#0)",
        "ExpressionAttributeNames": {"#0": CHANGED, "#1": AIRPORT_KEYS[0]["name"]},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        "ReturnConsumedCapacity": "TOTAL",
        "Key": {key["name"]: airport[key["name"]] for key in AIRPORT_KEYS},
        "ExpressionAttributeValues": {
            ":0": {"S": geohash(float(position["latitude"]["N"]), float(position["longitude"]["N"]))}
        },
    }
    return json.dumps(request).encode()


def _check_changed(stack: Sandbox, table: str, count: int) -> None:
    pages = stack.dynamodb.get_paginator("scan").paginate(
        TableName=table, FilterExpression=f"attribute_exists({CHANGED})", Select="COUNT"
    )
    found = sum(page["Count"] for page in pages)
    if found != count:
        raise AssertionError(f"{found:,} of {count:,} items were changed")


def _best(turns: list[Turn]) -> float:
    return min(turn.seconds for turn in turns)


def _columns(turns: list[Turn]) -> dict[str, Any]:
    return {
        "seconds": [round(each.seconds, 2) for each in turns],
        "serverCpuSeconds": [round(each.server_cpu_seconds, 2) for each in turns],
    }
