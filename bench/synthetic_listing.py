"""An S3 whose listing has as many objects as a measurement needs, which holds what was put, and a table.

It answers what a plan asks for: ListObjectsV2, PutObject, multipart uploads, GetObject, and DescribeTable.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = 1000
ETAG = '"d41d8cd98f00b204e9800998ecf8427e"'


@dataclass
class SyntheticListing:
    """`objects`: how many the listing has, of `size` bytes each. `stored`: what was put, by its path."""

    objects: int
    size: int
    prefix: str
    stored: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)

    def key(self, number: int) -> str:
        """The key of an object."""
        return f"{self.prefix}year=2026/month={number % 12 + 1:02}/part-{number:08}-of-orders.csv"

    def page(self, start: int) -> bytes:
        """A page of the listing, from the object of that number on."""
        end = min(start + PAGE, self.objects)
        entry = (
            "<Contents><Key>{}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>{}</ETag><Size>{}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
        )
        etag = ETAG.replace('"', "&quot;")
        entries = "".join(entry.format(self.key(number), etag, self.size) for number in range(start, end))
        more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < self.objects else ""
        is_truncated = str(end < self.objects).lower()
        return f"<ListBucketResult><IsTruncated>{is_truncated}</IsTruncated>{more}{entries}</ListBucketResult>".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    listing: SyntheticListing

    def do_GET(self) -> None:
        parts, query = self._target()
        if "list-type" in query:
            self._answer(self.listing.page(int(query.get("continuation-token", ["0"])[0])))
        elif parts in self.listing.stored:
            self._answer(self.listing.stored[parts])
        else:
            self._answer(b"<Error><Code>NoSuchKey</Code></Error>", 404)

    def do_PUT(self) -> None:
        path, query = self._target()
        body = self._body()
        if "partNumber" in query:
            self.listing.uploads.setdefault(path, {})[int(query["partNumber"][0])] = body
        else:
            self.listing.stored[path] = body
        self._answer(b"")

    def do_POST(self) -> None:
        path, query = self._target()
        self._body()
        if "uploads" in query:
            self._answer(b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
        elif "uploadId" in query:
            parts = self.listing.uploads.pop(path)
            self.listing.stored[path] = b"".join(parts[number] for number in sorted(parts))
            self._answer(b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")
        else:
            self._answer(json.dumps(_described()).encode())

    def log_message(self, *_arguments: Any) -> None:
        """Nothing is logged."""

    def _target(self) -> tuple[str, dict[str, list[str]]]:
        parts = urlsplit(self.path)
        return parts.path, parse_qs(parts.query, keep_blank_values=True)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", "0")))

    def _answer(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("ETag", ETAG)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _described() -> dict[str, Any]:
    key = {"AttributeName": "id", "KeyType": "HASH"}
    attribute = {"AttributeName": "id", "AttributeType": "S"}
    table = {"TableName": "orders", "TableStatus": "ACTIVE", "KeySchema": [key], "AttributeDefinitions": [attribute]}
    return {"Table": table, "Attributes": {}}


@contextmanager
def serving(listing: SyntheticListing) -> Iterator[str]:
    """Serve it from this process; yields the URL."""
    handler = type("Handler", (_Handler,), {"listing": listing})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
