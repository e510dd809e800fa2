"""The least that a load, or a change of many items, can be: ready-made, signed requests from so many threads."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any

from botocore.credentials import Credentials

from bench.flights import FILE_MAPPING, KEYS
from local_aws.lifecycle import LocalAws, client_environment
from sluice.aws.connection import Connection, Endpoint
from sluice.aws.signing import SigV4Signer
from sluice.dynamodb.keys import KeySchema
from sluice.mapping.encoders import encoder_for

BATCH_ITEMS = 25


def csv_items(data: bytes, mapping: Mapping[str, Any], keys: list[dict[str, str]]) -> list[bytes]:
    """The items of a CSV file as csv_load makes them, in DynamoDB's JSON."""
    rows = csv.reader(io.StringIO(data.decode(), newline=""))
    encode = encoder_for({"mapping": mapping}, tuple(next(rows)), KeySchema.from_state(keys))
    return [item for row in rows for _, item in encode(row)]


def batches(items: Sequence[bytes]) -> list[bytes]:
    """The items as the puts of full batches."""
    puts = [b'{"PutRequest":{"Item":%s}}' % item for item in items]
    return [b",".join(puts[start : start + BATCH_ITEMS]) for start in range(0, len(puts), BATCH_ITEMS)]


def flight_batches(data: bytes) -> list[bytes]:
    """The items of a flights file, as the puts of full batches."""
    return batches(csv_items(data, FILE_MAPPING, KEYS))


class BareRequests:
    """Requests of one operation, made and signed before the clock starts."""

    def __init__(self, aws: LocalAws, operation: str, bodies: Iterable[bytes]) -> None:
        self._endpoint = Endpoint(aws.endpoint_url)
        environment = client_environment(aws)
        credentials = Credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
        sign = SigV4Signer(credentials, aws.region, aws.endpoint_url)
        self._requests = [sign(operation, body) + body for body in bodies]

    def seconds(self, senders: int) -> float:
        """Send everything once, from so many threads; returns the wall time. Every request has to be done whole."""
        waiting: SimpleQueue[bytes] = SimpleQueue()
        for request in self._requests:
            waiting.put(request)
        start = time.perf_counter()
        with ThreadPoolExecutor(senders) as pool:
            for done in [pool.submit(self._send, waiting) for _ in range(senders)]:
                done.result()
        return time.perf_counter() - start

    def _send(self, waiting: SimpleQueue[bytes]) -> None:
        connection = Connection(self._endpoint, None)
        try:
            while True:
                # A server may end a connection after so many requests.
                if not connection.is_reusable():
                    connection.close()
                    connection = Connection(self._endpoint, None)
                connection.send(waiting.get_nowait())
                response = connection.receive()
                if response.status != 200 or json.loads(response.body).get("UnprocessedItems"):
                    raise AssertionError(f"a request was not done: {response.body[:500]!r}")
        except Empty:
            pass
        finally:
            connection.close()


def bare_writes(aws: LocalAws, table: str, batches: Iterable[bytes]) -> BareRequests:
    """The batches as requests to one table."""
    start = b'{"RequestItems":{%s:[' % json.dumps(table).encode()
    return BareRequests(
        aws, "BatchWriteItem", (start + each + b']},"ReturnConsumedCapacity":"TOTAL"}' for each in batches)
    )
