"""Small objects in one request: signed as botocore signs, and nothing but the pinned object."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from unittest.mock import Mock

import botocore.session
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sluice.aws.connection import Endpoint
from sluice.reading.object_gets import GetSigner, GetTarget, ObjectGets
from tests.unit.sources import a_source

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "a-session-token")
REGION = "eu-central-1"
BODY = b"g,x\na,1\n"
ETAG = '"etag"'


@pytest.mark.parametrize("token", [None, "a-session-token"])
@pytest.mark.parametrize("url", ["https://s3.eu-central-1.amazonaws.com", "http://localhost:4566/"])
@pytest.mark.parametrize("key", ["in/a.csv", "a b+c%20~/\u00fc//../x=1&y?#.csv"])
def test_signature_is_botocores(token: str | None, url: str, key: str) -> None:
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", token)
    signer = GetSigner(GetTarget(Endpoint(url), REGION, credentials))
    for _ in range(2):
        head, *lines = signer(a_source(key=key), "20260131T120000Z").decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if line)
        given = headers.pop("Authorization")
        del headers["User-Agent"]
        request = AWSRequest("GET", url.rstrip("/") + head.split(" ")[1], headers)
        request.context |= {"timestamp": "20260131T120000Z", "payload_signing_enabled": True}
        auth = S3SigV4Auth(credentials, "s3", REGION)
        signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        assert given.endswith(f"Signature={signature}")
        assert headers.get("x-amz-security-token") == token
        assert headers["x-amz-content-sha256"] == hashlib.sha256(b"").hexdigest()


@dataclass
class FakeObjects:
    """Answers every request alike."""

    status: int = 200
    etag: str = ETAG
    body: bytes = BODY
    cut: int = 0
    closes: bool = False
    paths: list[str] = field(default_factory=list)
    connections: int = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeObjects

    def setup(self) -> None:
        super().setup()
        self.fake.connections += 1

    def do_GET(self) -> None:
        fake = self.fake
        fake.paths.append(self.path)
        self.send_response(fake.status)
        self.send_header("ETag", fake.etag)
        self.send_header("Content-Length", str(len(fake.body)))
        if fake.closes:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(fake.body[: len(fake.body) - fake.cut])
        self.close_connection = bool(fake.cut) or fake.closes

    def log_message(self, *_arguments: Any) -> None:
        """Nothing to stderr."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True


@pytest.fixture
def fake() -> Iterator[tuple[FakeObjects, ObjectGets]]:
    objects = FakeObjects()
    with _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": objects})) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        target = GetTarget(Endpoint(f"http://127.0.0.1:{server.server_address[1]}"), REGION, CREDENTIALS)
        try:
            yield objects, ObjectGets(lambda: target)
        finally:
            server.shutdown()
            thread.join()


def whole(gets: ObjectGets, **changed: Any) -> bytes | None:
    begun = gets.begin(a_source(**{"size": len(BODY)} | changed))
    return gets.finish(begun) if begun else None


def test_whole_object_comes_in_one_request(fake: tuple[FakeObjects, ObjectGets]) -> None:
    objects, gets = fake
    assert [whole(gets, key=f"in/{each}.csv") for each in "ab"] == [BODY, BODY]
    assert (objects.paths, objects.connections) == (["/bucket/in/a.csv", "/bucket/in/b.csv"], 1)


def test_requests_are_in_flight_at_the_same_time(fake: tuple[FakeObjects, ObjectGets]) -> None:
    objects, gets = fake
    first, second = [gets.begin(a_source(size=len(BODY))) for _ in range(2)]
    assert first
    assert second
    assert [gets.finish(each) for each in (second, first)] == [BODY, BODY]
    assert objects.connections == 2
    begun = gets.begin(a_source())
    assert begun
    gets.abandon(begun)


@pytest.mark.parametrize(
    "changed",
    [{"status": 412}, {"status": 206}, {"etag": '"other"'}, {"body": BODY * 2}, {"cut": 1}],
    ids=["refused", "partial", "other_etag", "other_size", "cut"],
)
def test_all_but_the_pinned_object_is_left_to_botocore(
    fake: tuple[FakeObjects, ObjectGets], changed: dict[str, Any]
) -> None:
    objects, gets = fake
    for name, value in changed.items():
        setattr(objects, name, value)
    assert whole(gets) is None


def test_closed_connection_is_not_used_again(fake: tuple[FakeObjects, ObjectGets]) -> None:
    objects, gets = fake
    objects.closes = True
    assert [whole(gets), whole(gets)] == [BODY, BODY]
    assert objects.connections == 2


@pytest.mark.parametrize("changed", [{"version_id": "1"}, {"bucket": "arn:aws:s3:eu-central-1:1:accesspoint/a"}])
def test_what_needs_more_than_a_path_is_left_to_botocore(
    fake: tuple[FakeObjects, ObjectGets], changed: dict[str, Any]
) -> None:
    objects, gets = fake
    assert whole(gets, **changed) is None
    assert objects.paths == []


def test_endpoint_that_cannot_be_reached_is_not_tried_again() -> None:
    gets = ObjectGets(lambda: GetTarget(Endpoint("http://127.0.0.1:1"), REGION, CREDENTIALS))
    assert whole(gets) is None
    assert gets._target is None


def test_request_that_cannot_be_sent_is_left_to_botocore(fake: tuple[FakeObjects, ObjectGets]) -> None:
    _, gets = fake
    assert whole(gets) == BODY
    (connection,) = gets._idle
    connection.send = Mock(side_effect=BrokenPipeError)  # type: ignore[method-assign]
    assert whole(gets) is None


def test_target_is_the_clients() -> None:
    session = botocore.session.get_session()
    session.set_credentials("a", "b")
    client: Any = session.create_client("s3", REGION)
    gets = ObjectGets.like(session, lambda: client)
    gets._resolve_once()
    assert gets._target
    assert (gets._target.endpoint.url, gets._target.region) == ("https://s3.eu-central-1.amazonaws.com", REGION)


def test_without_credentials_botocore_raises_its_own_error() -> None:
    session = Mock(get_credentials=lambda: None)
    assert whole(ObjectGets.like(session, Mock())) is None
