"""What local AWS's DynamoDB costs its processor for each request, beside moto's server and dynalite."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from bench.figures import Better, Measurement, figure
from bench.flights import KEYS, NUMBERS, TABLE, flight_keys, flights_csv
from bench.peer_servers import PEERS, Server, local_aws
from bench.signed_load import CONNECTIONS, cpu_seconds_per_request, send_all, signed

ITEMS = {"BatchWriteItem": 5_000, "UpdateItem": 5_000, "Scan": 500, "Query": 2_000}
BATCH_ITEMS = 25
# Of each operation so many requests, and so many turns of each server.
REQUESTS = {"BatchWriteItem": 400, "UpdateItem": 3_000, "Scan": 160, "Query": 1_000}
TURNS = 3
# Of so many of them a peer gets one, but one per connection at least: moto's server copies tables to read them.
SHARES = {"moto": 10, "dynalite": 1}
GOALS = {"moto": 3.0, "dynalite": 1.0}

Item = dict[str, dict[str, str]]


def flight_items(count: int) -> list[Item]:
    """The first flights as DynamoDB's JSON."""
    rows = csv.DictReader(io.StringIO(flights_csv(count), newline=""))
    return [_flight_item(row) for row in rows]


def _flight_item(row: dict[str, str]) -> Item:
    kinds = {name: "N" if name in NUMBERS else "S" for name in row}
    item = {name: {kinds[name]: value} for name, value in row.items() if value}
    flight_id, departure = flight_keys(row)
    return {"flight_id": {"S": flight_id}, "departure": {"S": departure}, **item}


def bodies(operation: str, items: list[Item], count: int) -> list[bytes]:
    """The requests of one turn."""
    return [json.dumps(request).encode() for request in islice(MAKERS[operation](items), count)]


def _batches(items: list[Item]) -> Iterator[dict[str, Any]]:
    while True:
        for start in range(0, len(items), BATCH_ITEMS):
            puts = [{"PutRequest": {"Item": item}} for item in items[start : start + BATCH_ITEMS]]
            yield {"RequestItems": {TABLE: puts}, "ReturnConsumedCapacity": "TOTAL"}


def _updates(items: list[Item]) -> Iterator[dict[str, Any]]:
    while True:
        for number, item in enumerate(items):
            yield {
                "TableName": TABLE,
                "Key": {key["name"]: item[key["name"]] for key in KEYS},
                "UpdateExpression": "SET #d = :new",
                "ConditionExpression": "attribute_exists(flight_id) AND distance = :old",
                "ExpressionAttributeNames": {"#d": "delay_class"},
                "ExpressionAttributeValues": {":new": {"S": f"class {number}"}, ":old": item["distance"]},
                "ReturnConsumedCapacity": "TOTAL",
            }


def _scans(_: list[Item]) -> Iterator[dict[str, Any]]:
    while True:
        yield {"TableName": TABLE, "ReturnConsumedCapacity": "TOTAL"}


def _queries(items: list[Item]) -> Iterator[dict[str, Any]]:
    while True:
        for item in items:
            yield {
                "TableName": TABLE,
                "KeyConditionExpression": "flight_id = :id AND departure <= :last",
                "ExpressionAttributeValues": {":id": item["flight_id"], ":last": item["departure"]},
                "ScanIndexForward": False,
                "Limit": 20,
                "ReturnConsumedCapacity": "TOTAL",
            }


MAKERS: dict[str, Callable[[list[Item]], Iterator[dict[str, Any]]]] = {
    "BatchWriteItem": _batches,
    "UpdateItem": _updates,
    "Scan": _scans,
    "Query": _queries,
}


def compare(operation: str, peer: str) -> Measurement:
    """The peer's processor time for a request over local AWS's, the best turn of each."""
    items = flight_items(ITEMS[operation])
    counts = (REQUESTS[operation], max(CONNECTIONS, REQUESTS[operation] // SHARES[peer]))
    with local_aws() as own, PEERS[peer]() as other:
        for server in (own, other):
            _load(server, items)
        requests = [
            signed(server, operation, bodies(operation, items, count))
            for server, count in zip((own, other), counts, strict=True)
        ]
        pairs = list(zip((own, other), requests, strict=True))
        turns = [[cpu_seconds_per_request(*pair) for pair in pairs] for _ in range(TURNS)]
    milliseconds = [round(1000 * min(column), 4) for column in zip(*turns, strict=True)]
    detail = {
        "serverCpuMillisecondsPerRequest": dict(zip(("local AWS", peer), milliseconds, strict=True)),
        "requests": dict(zip(("local AWS", peer), counts, strict=True)),
        "connections": CONNECTIONS,
        "request": json.loads(bodies(operation, items[:1], 1)[0]),
        "tableItems": ITEMS[operation],
        "compared": f"the best of {TURNS} turns of each server; requests are signed beforehand",
    }
    return Measurement(milliseconds[1] / milliseconds[0], detail)


def _load(server: Server, items: list[Item]) -> None:
    definition = {
        "TableName": TABLE,
        "KeySchema": [
            {"AttributeName": key["name"], "KeyType": kind} for key, kind in zip(KEYS, ("HASH", "RANGE"), strict=True)
        ],
        "AttributeDefinitions": [{"AttributeName": key["name"], "AttributeType": key["type"]} for key in KEYS],
        "BillingMode": "PAY_PER_REQUEST",
    }
    send_all(server, signed(server, "CreateTable", [json.dumps(definition).encode()]))
    while _status(server) != "ACTIVE":
        pass
    batches = islice(_batches(items), len(items) // BATCH_ITEMS)
    send_all(server, signed(server, "BatchWriteItem", [json.dumps(batch).encode() for batch in batches]))


def _status(server: Server) -> str:
    (answer,) = send_all(server, signed(server, "DescribeTable", [json.dumps({"TableName": TABLE}).encode()]))
    return str(json.loads(answer)["Table"]["TableStatus"])


def _register(operation: str, peer: str) -> None:
    name = f"local_{'_'.join(_words(operation))}_vs_{peer}"
    figure(name, goal=GOALS[peer], better=Better.HIGHER, unit="ratio")(lambda: compare(operation, peer))


def _words(operation: str) -> list[str]:
    spaced = "".join(f" {each.lower()}" if each.isupper() else each for each in operation)
    return spaced.split()


for _operation in REQUESTS:
    for _peer in GOALS:
        _register(_operation, _peer)
