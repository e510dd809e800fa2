"""GetObject and PutObject on local AWS and on moto's server: processor time of the server per request."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from statistics import geometric_mean, median
from typing import Any

import boto3

from bench.figures import Better, Measurement, figure
from bench.moto_server import moto_server
from bench.object_load import SignedRequest, cpu_seconds_per_request, send, signed_request
from local_aws.lifecycle import client_environment, running

BUCKET = "bench-objects"
OBJECTS = 16
ROUNDS = 2
# Requests per round by the size of the object: enough for a tenth of a second of processor time.
REQUESTS = {1_000: 1_000, 64_000: 800, 1_000_000: 300}


@figure("local_s3_get_vs_moto", goal=3, better=Better.HIGHER, unit="ratio")
def get_object() -> Measurement:
    """How much more processor time moto's server takes for GetObject: the geometric mean over the sizes."""
    return _compared("get")


@figure("local_s3_put_vs_moto", goal=3, better=Better.HIGHER, unit="ratio")
def put_object() -> Measurement:
    """The same for PutObject. Of a large body, MD5 and SHA-256 take most, here and there."""
    return _compared("put")


@dataclass(frozen=True)
class Server:
    """A server with a bucket of its own."""

    endpoint_url: str
    pid: int
    client: Any

    def prepared(self, operation: str, size: int) -> list[SignedRequest]:
        """Requests for objects of this size."""
        if operation == "get":
            return [self._signed("get_object", f"{size}/{number}") for number in range(OBJECTS)]
        return [self._signed("put_object", f"{size}/{n}", Body=_body(size, n)) for n in range(OBJECTS)]

    def milliseconds(self, operation: str, size: int) -> float:
        """Processor time per request, in milliseconds."""
        requests = self.prepared(operation, size)
        return 1000 * cpu_seconds_per_request(self.pid, self.endpoint_url, requests, REQUESTS[size])

    def _signed(self, operation: str, key: str, **arguments: Any) -> SignedRequest:
        return signed_request(
            self.client, lambda client: getattr(client, operation)(Bucket=BUCKET, Key=key, **arguments)
        )


@cache
def _body(size: int, number: int) -> bytes:
    return os.urandom(size)


def _compared(operation: str) -> Measurement:
    with _servers() as (local, moto):
        taken = {size: _turns(operation, size, local, moto) for size in REQUESTS}
    ratios = {size: median(theirs) / median(ours) for size, (ours, theirs) in taken.items()}
    detail = {
        "connections": 8,
        "compared": "the median of the rounds; the value is the geometric mean of the ratios",
        "bytes": {
            str(size): {
                "localMilliseconds": [round(each, 3) for each in ours],
                "motoMilliseconds": [round(each, 3) for each in theirs],
                "ratio": round(ratios[size], 2),
            }
            for size, (ours, theirs) in taken.items()
        },
    }
    return Measurement(geometric_mean(ratios.values()), detail)


def _turns(operation: str, size: int, local: Server, moto: Server) -> tuple[list[float], list[float]]:
    """Both servers in turns, after a first pass that is not counted."""
    for server in (local, moto):
        send(server.endpoint_url, server.prepared("put", size), OBJECTS)
        send(server.endpoint_url, server.prepared(operation, size), OBJECTS)
    pairs = [(local.milliseconds(operation, size), moto.milliseconds(operation, size)) for _ in range(ROUNDS)]
    return [ours for ours, _ in pairs], [theirs for _, theirs in pairs]


@contextmanager
def _servers() -> Iterator[tuple[Server, Server]]:
    with running() as aws, moto_server() as moto:
        environment = client_environment(aws)
        keys = (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
        yield _server(aws.endpoint_url, aws.pid, keys), _server(moto.endpoint_url, moto.pid, keys)


def _server(endpoint_url: str, pid: int, keys: tuple[str, str]) -> Server:
    client: Any = boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
    )
    client.create_bucket(Bucket=BUCKET)
    return Server(endpoint_url, pid, client)
