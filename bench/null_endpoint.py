"""DynamoDB and S3 that only acknowledge, in a process of their own, so that the client alone is measured.

BatchWriteItem and UpdateItem take every item, DescribeTable tells how many there were, Scan and BatchGetItem read
`table`. S3 serves `sources`, objects of any size that repeat a block of rows, and what was put, where that is kept.
"""

from __future__ import annotations

import json
import multiprocessing
import re
import socketserver
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Protocol

ETAG = '"0"'
_PUT = b'"PutRequest"'
_UPDATED = b'{"ConsumedCapacity":{"TableName":"t","CapacityUnits":1.0}}'
_NO_SUCH_KEY = b"<Error><Code>NoSuchKey</Code></Error>"


@dataclass(frozen=True, slots=True)
class RepeatedRows:
    """An object of a header and so many times the same rows."""

    header: bytes
    rows: bytes
    times: int

    @property
    def size(self) -> int:
        """Bytes of the object."""
        return len(self.header) + len(self.rows) * self.times

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` to `end`, piece by piece."""
        if start < len(self.header):
            yield self.header[start:end]
            start = len(self.header)
        while start < end:
            offset = (start - len(self.header)) % len(self.rows)
            piece = self.rows[offset : offset + min(end - start, 1 << 20)]
            yield piece
            start += len(piece)


class ScannedTable(Protocol):
    """A table that is read."""

    def scan(self, request: Mapping[str, Any], /) -> bytes:
        """The answer to a Scan."""


class ReadTable(Protocol):
    """A table whose items are read by their keys."""

    def batch_get(self, request: Mapping[str, Any], /) -> bytes:
        """The answer to a BatchGetItem."""


@dataclass
class NullServices:
    """What the endpoint serves and has seen; `batches`, the bodies of writes, are kept only on request.

    `scan_seconds`, `put_seconds`: how long it waits before an answer to Scan or PutObject, `megabyte_seconds`: before
    each MiB of an object. `objects`: what was put, kept when `keeps_objects`. `read_table` answers BatchGetItem.
    """

    keys: list[dict[str, str]]
    sources: dict[str, RepeatedRows] = field(default_factory=dict)
    table: ScannedTable | None = None
    scan_seconds: float = 0.0
    keeps_batches: bool = False
    batches: list[bytes] = field(default_factory=list)
    items: int = 0
    put_seconds: float = 0.0
    megabyte_seconds: float = 0.0
    keeps_objects: bool = False
    objects: dict[str, bytes] = field(default_factory=dict)
    read_table: ReadTable | None = None

    def dynamodb(self, operation: str, body: bytes) -> bytes:
        """The answer to one call."""
        if operation == "DescribeTable":
            return json.dumps({"Table": self._table()}).encode()
        if operation == "Scan" and self.table:
            time.sleep(self.scan_seconds)
            return self.table.scan(json.loads(body))
        if operation == "BatchGetItem" and self.read_table:
            return self.read_table.batch_get(json.loads(body))
        if self.keeps_batches:
            self.batches.append(body)
        if operation == "UpdateItem":
            return _UPDATED if b"TOTAL" in body else b"{}"
        items = body.count(_PUT)
        self.items += items
        capacity = [{"TableName": "t", "CapacityUnits": float(items)}]
        answer: dict[str, Any] = {"UnprocessedItems": {}}
        return json.dumps(answer | ({"ConsumedCapacity": capacity} if b"TOTAL" in body[-100:] else {})).encode()

    def put(self, path: str, body: bytes) -> None:
        """Take an object."""
        time.sleep(self.put_seconds)
        if self.keeps_objects:
            self.objects[path] = body

    def _table(self) -> dict[str, Any]:
        kinds = ("HASH", "RANGE")
        return {
            "TableName": "t",
            "TableStatus": "ACTIVE",
            "ItemCount": self.items,
            "AttributeDefinitions": [{"AttributeName": key["name"], "AttributeType": key["type"]} for key in self.keys],
            "KeySchema": [
                {"AttributeName": key["name"], "KeyType": kind} for key, kind in zip(self.keys, kinds, strict=False)
            ],
        }


class _Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    wbufsize = -1
    services: NullServices

    def handle(self) -> None:
        while request_line := self.rfile.readline():
            method, path, _version = request_line.split()
            headers = self._headers()
            if b"100-continue" in headers.get(b"expect", b""):
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self.wfile.flush()
            body = self.rfile.read(int(headers.get(b"content-length", b"0")))
            if target := headers.get(b"x-amz-target"):
                self._answer(self.services.dynamodb(target.partition(b".")[2].decode(), body))
            elif method == b"GET":
                self._object(path.decode(), headers.get(b"range", b"").decode())
            else:
                if method == b"PUT":
                    self.services.put(path.decode(), body)
                self._answer(b"")
            self.wfile.flush()

    def _headers(self) -> dict[bytes, bytes]:
        headers = {}
        while line := self.rfile.readline().rstrip():
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        return headers

    def _answer(self, body: bytes, status: bytes = b"200 OK") -> None:
        self.wfile.write(
            b"HTTP/1.1 %s\r\nContent-Type: application/x-amz-json-1.0\r\nETag: %s\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (status, ETAG.encode(), len(body), body)
        )

    def _object(self, path: str, wanted: str) -> None:
        if path in self.services.objects:
            self._answer(self.services.objects[path])
            return
        source = self.services.sources.get(path.rpartition("/")[2])
        if source is None:
            self._answer(_NO_SUCH_KEY, b"404 Not Found")
            return
        start, end, status = 0, source.size, b"200 OK"
        if found := re.fullmatch(r"bytes=(\d+)-(\d*)", wanted):
            start, end = int(found[1]), int(found[2]) + 1 if found[2] else source.size
            status = b"206 Partial Content\r\nContent-Range: bytes %d-%d/%d" % (start, end - 1, source.size)
        head = b"HTTP/1.1 %s\r\nETag: %s\r\nContent-Length: %d\r\n\r\n"
        self.wfile.write(head % (status, ETAG.encode(), end - start))
        for piece in source.read(start, end):
            time.sleep(self.services.megabyte_seconds * len(piece) / (1 << 20))
            self.wfile.write(piece)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no event."""


@contextmanager
def in_thread(services: NullServices) -> Iterator[str]:
    """Serve from this process; yields the URL."""
    handler = type("Handler", (_Handler,), {"services": services})
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def in_process(services: NullServices) -> Iterator[str]:
    """Serve from another process; yields the URL."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(services, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        process.join()


def _serve(services: NullServices, pipe: Connection) -> None:
    with in_thread(services) as url:
        pipe.send(url)
        pipe.recv()
