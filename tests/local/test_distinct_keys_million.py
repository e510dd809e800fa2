"""A million items with 20,000 keys: found once each, in memory that does not grow with the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import botocore.session
import pytest

from bench.processes import forget_peak, peak_megabytes, resident_megabytes
from local_aws.lifecycle import client_environment
from sluice.writing.wire import Wire
from tests.local.deployed import PROCESSOR_FUNCTION, Deployed
from tests.local.key_processors import processed_keys
from tests.local.user_tables import found_keys, users
from tests.local.workers import MEGABYTE, worker_bytes

KEYS = 20_000
ITEMS_PER_KEY = 50
ITEMS = KEYS * ITEMS_PER_KEY
SEGMENTS = 8
BATCH_ITEMS = 25
LOADERS = 2

# A table's items stay in the server's memory. A run adds the order of its keys, the parts and the result files, 24 MB
# here; a worker of the scan holds one page and the keys of its segment, 22 MB.
TABLE_BYTES_PER_ITEM = 500
RUN_BYTES_PER_ITEM = 100
WORKER_BYTES_PER_ITEM = 50


@dataclass(frozen=True)
class Table:
    """The table's name, and what the server held before it."""

    name: str
    server_bytes_before: float


@pytest.fixture
def table(stack: Deployed) -> Iterator[Table]:
    """The table; it ends with the test, since it takes most of the server's memory."""
    table = Table(stack.new_table("UserRef", "ConnectionId", "SN"), held_bytes(stack))
    try:
        with ThreadPoolExecutor(LOADERS) as loaders:
            shares = [range(first, ITEMS_PER_KEY, LOADERS) for first in range(LOADERS)]
            list(loaders.map(lambda share: load(stack, table.name, share), shares))
        yield table
    finally:
        stack.dynamodb.delete_table(TableName=table.name)


def load(stack: Deployed, table: str, connections: Iterable[int]) -> None:
    """Give every user these connections, by BatchWriteItem in ready-made requests."""
    session, environment = botocore.session.get_session(), client_environment(stack.aws)
    session.set_credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    with Wire.from_session(session, stack.aws.region, stack.aws.endpoint_url) as wire:
        for connection in connections:
            for first in range(0, KEYS, BATCH_ITEMS):
                answer = wire.call("BatchWriteItem", batch(table, connection, range(first, first + BATCH_ITEMS)))
                assert not answer["UnprocessedItems"]


def batch(table: str, connection: int, users: Iterable[int]) -> bytes:
    """One request: the same connection of so many users."""
    puts = ",".join(
        f'{{"PutRequest":{{"Item":{{"UserRef":{{"S":"user-{user}"}},"ConnectionId":{{"N":"{connection}"}}}}}}}}'
        for user in users
    )
    return f'{{"RequestItems":{{"{table}":[{puts}]}}}}'.encode()


def held_bytes(stack: Deployed) -> float:
    """What the server holds."""
    return resident_megabytes(stack.aws.pid) * MEGABYTE


@pytest.mark.usefixtures("processors")
def test_a_million_items_take_bounded_memory(stack: Deployed, table: Table) -> None:
    stack.run("distinct_keys", {"table": stack.new_table("UserRef", "ConnectionId", "SN"), "segments": SEGMENTS})
    scan = stack.outputs["ScanDistinctKeysFunctionName"]
    idle_bytes, loaded_bytes = worker_bytes(stack, scan), held_bytes(stack)
    forget_peak(stack.aws.pid)
    processor = {"processor": {"function": PROCESSOR_FUNCTION}, "batchSize": 500}
    ended = stack.run("distinct_keys", {"table": table.name, "segments": SEGMENTS, **processor})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (KEYS, KEYS, 0, 0, 0)), ended
    assert users(found_keys(stack, ended.name)) == sorted(f"user-{user}" for user in range(KEYS))
    assert processed_keys(stack, ended.name) == Counter({f"user-{user}": 1 for user in range(KEYS)})
    assert (worker_bytes(stack, scan) - idle_bytes) / ITEMS < WORKER_BYTES_PER_ITEM
    assert (peak_megabytes(stack.aws.pid) * MEGABYTE - loaded_bytes) / ITEMS < RUN_BYTES_PER_ITEM
    assert (loaded_bytes - table.server_bytes_before) / ITEMS < TABLE_BYTES_PER_ITEM
