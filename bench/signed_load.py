"""A load of ready-made, signed DynamoDB requests from several connections, and what it costs the server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from bench.peer_servers import Server
from bench.processes import cpu_seconds

REGION = "us-east-1"
CONNECTIONS = 8
TIMEOUT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """One request as it goes over the wire."""

    headers: dict[str, str]
    body: bytes


def signed(server: Server, operation: str, bodies: Sequence[bytes]) -> list[SignedRequest]:
    """The bodies as signed requests of this operation."""
    auth = SigV4Auth(server.credentials, "dynamodb", REGION)
    return [SignedRequest(_headers(server, operation, body, auth), body) for body in bodies]


def cpu_seconds_per_request(server: Server, requests: Sequence[SignedRequest]) -> float:
    """Send every request once, from all connections; returns the server's processor time for each of them."""
    before = cpu_seconds(server.pid)
    send_all(server, requests)
    return (cpu_seconds(server.pid) - before) / len(requests)


def send_all(server: Server, requests: Sequence[SignedRequest]) -> list[bytes]:
    """The answers' bodies, connection by connection. Raises AssertionError when a request is refused."""
    parts = [requests[number::CONNECTIONS] for number in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        answers = pool.map(lambda part: list(_send(server, part)), parts)
        return [body for part in answers for body in part]


def _send(server: Server, requests: Sequence[SignedRequest]) -> Iterator[bytes]:
    address = urlsplit(server.url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_SECONDS)
    for request in requests:
        # Connects again where the server has closed the connection, as moto's does after each answer.
        connection.request("POST", "/", request.body, request.headers)
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise AssertionError(f"{server.url} answered {response.status}: {body[:500]!r}")
        yield body
    connection.close()


def _headers(server: Server, operation: str, body: bytes, auth: Any) -> dict[str, str]:
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{operation}"}
    request = AWSRequest("POST", f"{server.url}/", headers, data=body)
    auth.add_auth(request)
    return dict(request.headers.items())
