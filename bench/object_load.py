"""Requests that boto3 has signed beforehand, sent as they are over so many connections."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from bench.processes import cpu_seconds

CONNECTIONS = 8
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """The bytes of one HTTP request."""

    data: bytes


def signed_request(client: Any, call: Callable[[Any], object]) -> SignedRequest:
    """The request that `call` would send with this boto3 client, which sends nothing."""
    caught: list[Any] = []

    def catch(request: Any, **_: Any) -> AWSResponse:
        caught.append(request)
        return AWSResponse(request.url, 200, HTTPHeaders(), _Empty())

    client.meta.events.register_first("before-send", catch)
    try:
        call(client)
    finally:
        client.meta.events.unregister("before-send", catch)
    return SignedRequest(_serialized(caught[0]))


class _Empty:
    """The body of an answer that never came."""

    def stream(self, **_: Any) -> list[bytes]:
        return []


def _serialized(request: Any) -> bytes:
    parts = urlsplit(request.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    body = request.body or b""
    body = body.read() if hasattr(body, "read") else body
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    headers |= {"host": parts.netloc, "content-length": str(len(body))}
    headers.pop("expect", None)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{request.method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def cpu_seconds_per_request(pid: int, endpoint_url: str, requests: Sequence[SignedRequest], count: int) -> float:
    """What the server process uses of the processor for each of `count` requests, over eight connections."""
    before = cpu_seconds(pid)
    send(endpoint_url, requests, count)
    return (cpu_seconds(pid) - before) / count


def send(endpoint_url: str, requests: Sequence[SignedRequest], count: int) -> None:
    """Send about `count` requests: each connection repeats its own share of them, as moto fails on the same key twice.

    Raises AssertionError for an answer other than 200.
    """

    def work(number: int) -> None:
        connection = Connection(endpoint_url)
        for request in itertools.islice(itertools.cycle(requests[number::CONNECTIONS]), count // CONNECTIONS):
            connection.ask(request)
        connection.close()

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(work, range(CONNECTIONS)))


class Connection:
    """One kept connection; it is opened again after the server has closed it."""

    def __init__(self, endpoint_url: str) -> None:
        parts = urlsplit(endpoint_url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._socket: socket.socket | None = None

    def ask(self, request: SignedRequest) -> bytes:
        """Send a request; returns the answer's body. Raises AssertionError for an answer other than 200."""
        try:
            head, body = self._once(request)
        except (ConnectionError, EOFError):
            self.close()
            head, body = self._once(request)
        if b" 200 " not in head[:16]:
            raise AssertionError(f"the server answered {head[:100]!r}: {body[:500]!r}")
        if b"\r\nconnection: close" in head.lower():
            self.close()
        return body

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _once(self, request: SignedRequest) -> tuple[bytes, bytes]:
        if self._socket is None:
            self._socket = socket.create_connection(self._address)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request.data)
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._read()
        head = bytes(received[:end])
        size = end + 4 + _content_length(head)
        while len(received) < size:
            received += self._read()
        return head, bytes(received[end + 4 :])

    def _read(self) -> bytes:
        assert self._socket is not None
        part = self._socket.recv(_READ_BYTES)
        if not part:
            raise EOFError
        return part


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    raise AssertionError(f"the answer has no Content-Length: {head[:500]!r}")
