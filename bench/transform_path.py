"""From a table's items to acknowledged updates of one attribute: items per CPU second, against boto3."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from bench.distinct_cpu import best_cpu_seconds, functions_collector
from bench.export_contestants import Clients, clients
from bench.export_files import flight_items
from bench.figures import Better, Measurement, figure
from bench.flights import KEYS, TABLE
from bench.null_endpoint import NullServices, in_process, in_thread
from bench.transform_contestants import with_slice, with_table
from bench.whole_items import WholeItems

ITEMS, ROUNDS = 20_000, 4
CHECKED_ITEMS = 1_000
CONTESTANTS = {
    "sluice": "all that transform_segment does with its event, in place and applied: marker, pages, transform, "
    "conditional updates, sample, outcome, cursor",
    "boto3": "Table.scan, the same transform, Table.update_item without a condition",
}
_ASSIGNMENT = re.compile(r"SET (#?\w+) ?= ?(:\w+)")

Change = Callable[[Clients], int]


@figure("transform_path_vs_boto3", goal=4, better=Better.HIGHER, unit="ratio")
def versus_boto3() -> Measurement:
    """Items per CPU second over those of boto3's Table.scan and Table.update_item."""
    if updates_sent(with_slice, CHECKED_ITEMS) != updates_sent(with_table, CHECKED_ITEMS):
        raise AssertionError("the contestants do not send the same updates")
    with in_process(null_services(ITEMS)) as url, clients(url) as through, functions_collector():
        contestants = {"sluice": lambda: with_slice(through), "boto3": lambda: with_table(through)}
        best = best_cpu_seconds(contestants, ITEMS, ROUNDS)
    detail: dict[str, Any] = {
        "contestants": CONTESTANTS,
        "items": ITEMS,
        "compared": f"the best of {ROUNDS} turns of each, with the collector as transform_segment sets it for both",
        "itemsPerCpuSecond": {name: round(ITEMS / seconds) for name, seconds in best.items()},
    }
    return Measurement(best["boto3"] / best["sluice"], detail)


def null_services(items: int, *, keeps_batches: bool = False) -> NullServices:
    """The endpoint with a table of so many flights."""
    table = WholeItems(flight_items(items), [key["name"] for key in KEYS])
    return NullServices(KEYS, table=table, keeps_batches=keeps_batches)


def updates_sent(change: Change, items: int) -> list[str]:
    """Of each update that a contestant sends: the key, the attribute and its new value. Sorted."""
    services = null_services(items, keeps_batches=True)
    with in_thread(services) as url, clients(url) as through:
        change(through)
    updates = [json.loads(body) for body in services.batches]
    return sorted(_shown(update) for update in updates if update["TableName"] == TABLE)


def _shown(update: dict[str, Any]) -> str:
    assigned = _ASSIGNMENT.fullmatch(update["UpdateExpression"])
    if assigned is None:
        raise AssertionError(f"more than one attribute is set: {update['UpdateExpression']}")
    name, value = assigned.groups()
    name = update.get("ExpressionAttributeNames", {}).get(name, name)
    return json.dumps([update["Key"], name, update["ExpressionAttributeValues"][value]], sort_keys=True)
