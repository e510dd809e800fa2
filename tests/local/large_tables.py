"""Tables of a million items on local AWS, which holds them in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import botocore.session

from local_aws.lifecycle import client_environment
from sluice.aws.wire import Wire
from tests.local.deployed import Deployed
from tests.local.memory import held_bytes

BATCH_ITEMS = 25
LOADERS = 2
# A table's items stay in the server's memory.
TABLE_BYTES_PER_ITEM = 500


@dataclass(frozen=True)
class LargeTable:
    """The table's name, and what the server held before it."""

    name: str
    server_bytes_before: float


@contextmanager
def large_table(stack: Deployed, name: str, items: int, item: Callable[[int], str]) -> Iterator[LargeTable]:
    """The table with so many items, in DynamoDB JSON by their numbers; it ends with the context."""
    table = LargeTable(name, held_bytes(stack))
    try:
        with ThreadPoolExecutor(LOADERS) as loaders:
            shares = [range(first * BATCH_ITEMS, items, LOADERS * BATCH_ITEMS) for first in range(LOADERS)]
            list(loaders.map(lambda share: _load(stack, name, (_batch(name, start, item) for start in share)), shares))
        yield table
    finally:
        stack.dynamodb.delete_table(TableName=name)


def _load(stack: Deployed, table: str, batches: Iterable[bytes]) -> None:
    session, environment = botocore.session.get_session(), client_environment(stack.aws)
    session.set_credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    with Wire.from_session(session, stack.aws.region, stack.aws.endpoint_url) as wire:
        for batch in batches:
            assert not wire.call("BatchWriteItem", batch)["UnprocessedItems"], table


def _batch(table: str, start: int, item: Callable[[int], str]) -> bytes:
    puts = ",".join(f'{{"PutRequest":{{"Item":{item(number)}}}}}' for number in range(start, start + BATCH_ITEMS))
    return f'{{"RequestItems":{{"{table}":[{puts}]}}}}'.encode()
