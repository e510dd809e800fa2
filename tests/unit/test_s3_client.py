"""S3 errors whose bodies break off are retried like any other broken connection."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import HTTPClientError, IncompleteReadError

from sluice.aws.clients import CONNECTION_ERRORS, aws_errors, retry_broken_error_bodies
from sluice.errors import ServiceUnavailableError

ERROR = b"<Error><Code>InternalError</Code><Message>try again</Message></Error>"


class BrokenAnswers(ThreadingHTTPServer):
    """Breaks off the body of so many errors, then answers."""

    daemon_threads = True
    broken = 0
    requests = 0


class Handler(BaseHTTPRequestHandler):
    """GetObject."""

    server: BrokenAnswers

    def do_GET(self) -> None:
        self.server.requests += 1
        if self.server.requests <= self.server.broken:
            self.send_response(500)
            self.send_header("Content-Length", str(len(ERROR) + 100))
            self.end_headers()
            self.wfile.write(ERROR)
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"data")

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[BrokenAnswers]:
    with BrokenAnswers(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def client(server: BrokenAnswers) -> Any:
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        config=Config(retries={"mode": "standard", "total_max_attempts": 3}, s3={"addressing_style": "path"}),
    )
    retry_broken_error_bodies(s3)
    return s3


def test_error_body_that_breaks_off_is_retried(server: BrokenAnswers) -> None:
    server.broken = 2
    assert client(server).get_object(Bucket="data", Key="key")["Body"].read() == b"data"
    assert server.requests == 3


def test_error_body_that_always_breaks_off_ends_as_a_broken_connection(server: BrokenAnswers) -> None:
    server.broken = 10
    with pytest.raises(HTTPClientError) as raised:
        client(server).get_object(Bucket="data", Key="key")
    assert isinstance(raised.value, CONNECTION_ERRORS)
    assert server.requests == 3


def test_body_that_ends_early_may_be_whole_the_next_time() -> None:
    problem = r"s3://b/k: 1 read, but total bytes expected is 2"
    with pytest.raises(ServiceUnavailableError, match=problem), aws_errors("s3://b/k"):
        raise IncompleteReadError(actual_bytes=1, expected_bytes=2)
