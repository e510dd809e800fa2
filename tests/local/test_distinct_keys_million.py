"""A million items with 20,000 keys: found once each, in memory that does not grow with the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from bench.processes import forget_peak
from tests.local.deployed import PROCESSOR_FUNCTION, Deployed
from tests.local.key_processors import processed_keys
from tests.local.large_tables import TABLE_BYTES_PER_ITEM, LargeTable, large_table
from tests.local.memory import held_bytes, server_peak_bytes, worker_bytes
from tests.local.user_tables import found_keys, users

KEYS = 20_000
ITEMS_PER_KEY = 50
ITEMS = KEYS * ITEMS_PER_KEY
SEGMENTS = 8
WORKER = "ScanDistinctKeysFunctionName"

# A run adds the order of its keys, the parts and the result files, 24 MB here; a worker of the scan holds one page and
# the keys of its segment, 22 MB.
RUN_BYTES_PER_ITEM = 100
WORKER_BYTES_PER_ITEM = 50


@pytest.fixture
def table(stack: Deployed) -> Iterator[LargeTable]:
    """Every user with the same number of connections."""
    name = stack.new_table("UserRef", "ConnectionId", "SN")
    with large_table(stack, name, ITEMS, connection) as table:
        yield table


def connection(number: int) -> str:
    return f'{{"UserRef":{{"S":"user-{number % KEYS}"}},"ConnectionId":{{"N":"{number // KEYS}"}}}}'


@pytest.mark.usefixtures("processors")
@pytest.mark.long
def test_a_million_items_take_bounded_memory(stack: Deployed, table: LargeTable) -> None:
    stack.run("distinct_keys", {"table": stack.new_table("UserRef", "ConnectionId", "SN"), "segments": SEGMENTS})
    idle_bytes, loaded_bytes = worker_bytes(stack, WORKER), held_bytes(stack)
    forget_peak(stack.aws.pid)
    processor = {"processor": {"function": PROCESSOR_FUNCTION}, "batchSize": 500}
    ended = stack.run("distinct_keys", {"table": table.name, "segments": SEGMENTS, **processor})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (KEYS, KEYS, 0, 0, 0)), ended
    assert users(found_keys(stack, ended.name)) == sorted(f"user-{user}" for user in range(KEYS))
    assert processed_keys(stack, ended.name) == Counter({f"user-{user}": 1 for user in range(KEYS)})
    assert (worker_bytes(stack, WORKER) - idle_bytes) / ITEMS < WORKER_BYTES_PER_ITEM
    assert (server_peak_bytes(stack) - loaded_bytes) / ITEMS < RUN_BYTES_PER_ITEM
    assert (loaded_bytes - table.server_bytes_before) / ITEMS < TABLE_BYTES_PER_ITEM
