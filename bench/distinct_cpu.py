"""Processor time of distinct_keys' scan requests, against boto3's Table.scan."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
import botocore.session

from bench.even_table import KEYS, EvenTable
from bench.figures import Better, Measurement, figure
from bench.null_endpoint import NullServices, in_process
from bench.scan_contestants import TABLE, with_slice, with_table, with_wire
from sluice.aws.wire import Wire
from sluice.workflows.distinct_keys.slice import COLLECTOR_THRESHOLD

REGION = "us-east-1"
ROUNDS = 6
ITEM_BYTES = 250
# Items in a page, and pages: from one skip per key to pages of 1 MB.
PAGES = {1: 400, 16: 400, 128: 200, 1024: 50, 4096: 12}
CONTESTANTS = {
    "slice": "all that scan_distinct_keys does for a page: request, policy, the keys as JSON Lines",
    "wire": "the wire alone: request, the keys in a set",
    "boto3": "Table.scan, the keys in a set",
}

Contestants = Mapping[str, Callable[[], int]]


@figure("distinct_cpu_vs_boto3", goal=4, better=Better.HIGHER, unit="ratio")
def versus_table_scan() -> Measurement:
    """Requests per CPU second over those of boto3's Table.scan: the page size at which that is least."""
    with functions_collector():
        seconds = {limit: _best_seconds(limit, pages) for limit, pages in PAGES.items()}
    detail: dict[str, Any] = {
        "contestants": CONTESTANTS,
        "compared": f"the best of {ROUNDS} turns of each, with the collector as scan_distinct_keys sets it for all",
        "requestsPerCpuSecondByLimit": {
            limit: {name: round(PAGES[limit] / each) for name, each in best.items()} for limit, best in seconds.items()
        },
        "wireOverBoto3ByLimit": {limit: round(best["boto3"] / best["wire"], 2) for limit, best in seconds.items()},
        "sliceOverBoto3ByLimit": {limit: round(best["boto3"] / best["slice"], 2) for limit, best in seconds.items()},
    }
    return Measurement(min(best["boto3"] / best["slice"] for best in seconds.values()), detail)


@contextmanager
def functions_collector() -> Iterator[None]:
    """The collector as functions set it that make many objects."""
    before = gc.get_threshold()
    gc.set_threshold(COLLECTOR_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _best_seconds(limit: int, pages: int) -> dict[str, float]:
    """The CPU seconds that each contestant needs for the same pages."""
    table = EvenTable(limit * pages, items_per_key=1, item_bytes=ITEM_BYTES)
    with in_process(NullServices(KEYS, table=table)) as url, contestants(url, limit) as those:
        return best_cpu_seconds(those, table.keys, ROUNDS)


@contextmanager
def contestants(url: str, limit: int) -> Iterator[Contestants]:
    """The contestants for pages of so many items."""
    session = botocore.session.get_session()
    session.set_credentials("bench", "bench")
    resource = boto3.resource(
        "dynamodb", REGION, endpoint_url=url, aws_access_key_id="bench", aws_secret_access_key="bench"
    )
    table = resource.Table(TABLE)
    with Wire.from_session(session, REGION, url) as wire:
        yield {
            "slice": lambda: with_slice(wire, limit),
            "wire": lambda: with_wire(wire, limit),
            "boto3": lambda: with_table(table, limit),
        }


def best_cpu_seconds(contestants: Contestants, keys: int, rounds: int) -> dict[str, float]:
    """The least CPU seconds of each in so many rounds of turns, after one that does not count.

    Raises AssertionError when one does not find all the keys.
    """
    best = dict.fromkeys(contestants, float("inf"))
    for is_counted in [False] + [True] * rounds:
        for name, contestant in contestants.items():
            gc.collect()
            start = time.process_time()
            found = contestant()
            seconds = time.process_time() - start
            if found != keys:
                raise AssertionError(f"{name} found {found:,} keys of {keys:,}")
            best[name] = min(best[name], seconds) if is_counted else best[name]
    return best
