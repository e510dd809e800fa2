"""The least that a load can be: ready-made, signed BatchWriteItem requests from so many threads."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue

from botocore.credentials import Credentials

from bench.flights import FILE_MAPPING, KEYS
from local_aws.lifecycle import LocalAws, client_environment
from sluice.encoding.encoders import encoder_for
from sluice.keys import KeySchema
from sluice.writing.connection import Connection, Endpoint
from sluice.writing.signing import SigV4Signer

BATCH_ITEMS = 25


def flight_batches(data: bytes) -> list[bytes]:
    """The items of a flights file as csv_load makes them, as the puts of full batches."""
    rows = csv.reader(io.StringIO(data.decode(), newline=""))
    encode = encoder_for({"mapping": FILE_MAPPING}, tuple(next(rows)), KeySchema.from_state(KEYS))
    puts = [b'{"PutRequest":{"Item":%s}}' % item for row in rows for _, item in encode(row)]
    return [b",".join(puts[start : start + BATCH_ITEMS]) for start in range(0, len(puts), BATCH_ITEMS)]


class BareWrites:
    """The batches as requests to one table, made before the clock starts."""

    def __init__(self, aws: LocalAws, table: str, batches: Iterable[bytes]) -> None:
        self._endpoint = Endpoint(aws.endpoint_url)
        environment = client_environment(aws)
        credentials = Credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
        sign = SigV4Signer(credentials, aws.region, aws.endpoint_url)
        start = b'{"RequestItems":{%s:[' % json.dumps(table).encode()
        bodies = (start + batch + b']},"ReturnConsumedCapacity":"TOTAL"}' for batch in batches)
        self._requests = [sign("BatchWriteItem", body) + body for body in bodies]

    def seconds(self, senders: int) -> float:
        """Send everything once, from so many threads; returns the wall time. Every item has to be taken."""
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
                if response.status != 200 or json.loads(response.body)["UnprocessedItems"]:
                    raise AssertionError(f"an item was not taken: {response.body[:500]!r}")
        except Empty:
            pass
        finally:
            connection.close()
