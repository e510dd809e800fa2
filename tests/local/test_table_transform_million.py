"""A million items through a transform: each accounted for, in memory that does not grow with the table."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.processes import forget_peak
from tests.local.deployed import Deployed
from tests.local.large_tables import LargeTable, large_table
from tests.local.memory import held_bytes, server_peak_bytes, worker_bytes

ITEMS = 1_000_000
# Of so many items one has a position, so that the transform changes it, and one a position that it cannot read.
OF_ITEMS, CHANGED, POISON = 100, 7, 13
EACH = ITEMS // OF_ITEMS
SEGMENTS = 8
MILLION_SECONDS = 600
WORKER = "TransformSegmentFunctionName"

# What a run adds is the attribute that 10,000 items get, 10,000 rejects and the result files; a worker holds two pages.
RUN_BYTES_PER_ITEM = 100
WORKER_BYTES_PER_ITEM = 100


@pytest.fixture
def table(stack: Deployed) -> Iterator[LargeTable]:
    """Airports, most of which have no position."""
    with large_table(stack, stack.new_table("icao"), ITEMS, airport) as table:
        yield table


def airport(number: int) -> str:
    key = f'"icao":{{"S":"{number:07}"}}'
    latitude = {CHANGED: '{"N":"1"}', POISON: '{"S":"north"}'}.get(number % OF_ITEMS)
    position = f',"position":{{"M":{{"latitude":{latitude},"longitude":{{"N":"2"}}}}}}' if latitude else ""
    return f"{{{key}{position}}}"


@pytest.mark.long
def test_a_million_items_take_bounded_memory(stack: Deployed, table: LargeTable) -> None:
    document = {
        "transform": "airports_geohash",
        "mode": "apply",
        "withoutBackup": True,
        "segments": SEGMENTS,
        "rejectsTolerated": "any",
    }
    stack.run("table_transform", {"table": stack.new_table("icao"), **document})
    idle_bytes, loaded_bytes = worker_bytes(stack, WORKER), held_bytes(stack)
    forget_peak(stack.aws.pid)
    started = stack.start("table_transform", {"table": table.name, **document, "verify": {"sample": 1_000}})
    ended = stack.wait(started, MILLION_SECONDS)
    rest = ITEMS - 2 * EACH
    assert (ended.status, ended.counts) == ("SUCCEEDED", (ITEMS, EACH, rest, EACH, 0)), ended
    assert ended.summary["changes"] == {"changed": EACH, "unchanged": rest, "deleted": 0, "conflicts": 0}
    assert ended.summary["capacity"]["writeUnits"] == EACH
    rejected = {each["key"]["icao"]["S"] for each in stack.rejects(ended)}
    assert rejected == {f"{number:07}" for number in range(POISON, ITEMS, OF_ITEMS)}
    assert (ended.summary["verified"]["sampled"], ended.summary["verified"]["differences"]) == (1_000, 0)
    assert (worker_bytes(stack, WORKER) - idle_bytes) / ITEMS < WORKER_BYTES_PER_ITEM
    assert (server_peak_bytes(stack) - loaded_bytes) / ITEMS < RUN_BYTES_PER_ITEM
