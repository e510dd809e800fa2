"""One kept-alive HTTP connection that sends ready-made requests.

http.client connects. Its own requests and responses take four times the processor time of those here.
"""

from __future__ import annotations

import select
import ssl
from dataclasses import dataclass
from http.client import BadStatusLine, HTTPConnection, HTTPSConnection, IncompleteRead, LineTooLong, RemoteDisconnected
from typing import BinaryIO, cast
from urllib.parse import urlsplit

_LINE_MAX_BYTES = 65_536
# A response that has come in is taken from the socket at once.
_BUFFER_BYTES = 128 << 10
_BODYLESS_STATUSES = (204, 304)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go; `ca_bundle` is the file of trusted certificates for https."""

    url: str
    ca_bundle: str | None = None
    connect_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response; header names in lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Connection:
    """A connection for one thread at a time. Raises OSError and http.client.HTTPException when it breaks."""

    def __init__(self, endpoint: Endpoint, tls: ssl.SSLContext | None) -> None:
        parts = urlsplit(endpoint.url)
        timeout = endpoint.connect_timeout_seconds
        if tls is None:
            self._http = HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
        else:
            self._http = HTTPSConnection(parts.hostname or "", parts.port, timeout=timeout, context=tls)
        self._http.connect()
        self._http.sock.settimeout(endpoint.read_timeout_seconds)
        self._stream = cast("BinaryIO", self._http.sock.makefile("rb", _BUFFER_BYTES))
        self._readable = select.poll()
        self._readable.register(self._http.sock, select.POLLIN)
        self._is_open = True

    def send(self, request: bytes) -> None:
        """Send one request, head and body; its response has to be received before the next one is sent."""
        self._is_open = False
        self._http.sock.sendall(request)

    def receive(self) -> Response:
        """Read the response to the request that was sent."""
        response = read_response(self._stream)
        self._is_open = not response.headers.get(b"connection", b"").lower().startswith(b"close")
        return response

    def is_reusable(self) -> bool:
        """Whether another request may be sent: the server has closed an idle connection that is readable."""
        return self._is_open and not self._readable.poll(0)

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()
        self._http.close()


def tls_context(endpoint: Endpoint) -> ssl.SSLContext | None:
    """What https connections to the endpoint share; None for http."""
    if urlsplit(endpoint.url).scheme != "https":
        return None
    return ssl.create_default_context(cafile=endpoint.ca_bundle)


def read_response(stream: BinaryIO) -> Response:
    """Read one response. Raises http.client.HTTPException when it is cut off or is no HTTP."""
    status = _read_status(stream)
    headers = _read_headers(stream)
    while 100 <= status < 200:
        status, headers = _read_status(stream), _read_headers(stream)
    return Response(status, headers, b"" if status in _BODYLESS_STATUSES else _read_body(stream, headers))


def _read_status(stream: BinaryIO) -> int:
    line = _read_line(stream)
    version, _, rest = line.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
        raise BadStatusLine(line.decode("latin-1"))
    return int(rest[:3])


def _read_headers(stream: BinaryIO) -> dict[bytes, bytes]:
    headers = {}
    while line := _read_line(stream).rstrip(b"\r\n"):
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    return headers


def _read_body(stream: BinaryIO, headers: dict[bytes, bytes]) -> bytes:
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        return _read_chunks(stream)
    if b"content-length" not in headers:
        headers[b"connection"] = b"close"
        return stream.read()
    return _read_exactly(stream, int(headers[b"content-length"]))


def _read_chunks(stream: BinaryIO) -> bytes:
    chunks = []
    while size := int(_read_line(stream).partition(b";")[0], 16):
        chunks.append(_read_exactly(stream, size))
        _read_line(stream)
    _read_headers(stream)
    return b"".join(chunks)


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise IncompleteRead(data, size - len(data))
    return data


def _read_line(stream: BinaryIO) -> bytes:
    line = stream.readline(_LINE_MAX_BYTES)
    if not line:
        raise RemoteDisconnected("the server closed the connection without a response")
    if not line.endswith(b"\n"):
        raise LineTooLong("header line")
    return line
