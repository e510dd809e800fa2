"""The wire against a server on loopback that fails as planned."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import Event, Thread

import botocore.session
import pytest

from sluice.aws.connection import Endpoint, read_response
from sluice.aws.retry import Backoff, RetryPolicy
from sluice.aws.signing import SigV4Signer
from sluice.aws.wire import Attempts, Target, Wire
from sluice.errors import (
    AccessDeniedError,
    ServiceUnavailableError,
    TableNotFoundError,
    ThrottledError,
    UnexpectedResponseError,
    WireError,
)
from tests.unit.fake_dynamodb import (
    REGION,
    FakeDynamoDB,
    Fault,
    expected_signature,
    serving,
    throttle,
    wire_to,
)

HASTY = RetryPolicy(attempts=4, first_pause_seconds=0)
PUT = json.dumps({"TableName": "birds", "Item": {"pk": {"S": "wren"}}}).encode()
BATCH = json.dumps({"RequestItems": {"birds": [{"PutRequest": {"Item": {"pk": {"S": "wren"}}}}]}}).encode()


@pytest.fixture
def fake() -> Iterator[FakeDynamoDB]:
    with serving(FakeDynamoDB()) as started:
        yield started


@pytest.fixture
def wire(fake: FakeDynamoDB) -> Iterator[Wire]:
    wire = wire_to(fake.url, HASTY)
    yield wire
    wire.close()


@contextmanager
def answering(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A listening socket in the hands of `serve`; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Thread(target=serve, args=(listener,))
        server.start()
        yield listener.getsockname()[1]
        server.join()


def answer_with(text: bytes) -> Callable[[socket.socket], None]:
    """Answer one connection with these very bytes, and close it."""

    def serve(listener: socket.socket) -> None:
        connection, _address = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(text)

    return serve


def session(**settings: str) -> botocore.session.Session:
    made = botocore.session.Session()
    for name, value in settings.items():
        made.set_config_variable(name, value)
    made.set_credentials("AKIDEXAMPLE", "secret", "token")
    return made


def test_call_returns_the_answer_and_keeps_its_connection(fake: FakeDynamoDB, wire: Wire) -> None:
    answers = [wire.call("BatchWriteItem", BATCH) for _ in range(3)]
    assert answers[0]["UnprocessedItems"] == {}
    assert fake.connections == 1


def test_request_carries_the_signature_and_headers_that_botocore_would_send(fake: FakeDynamoDB, wire: Wire) -> None:
    wire.call("BatchWriteItem", BATCH)
    client = session().create_client("dynamodb", region_name=REGION, endpoint_url=fake.url)
    client.batch_write_item(RequestItems={"birds": [{"PutRequest": {"Item": {"pk": {"S": "wren"}}}}]})  # type: ignore[attr-defined]
    ours, botocores = fake.seen
    assert ours.headers["authorization"] == expected_signature(ours, fake.url)
    for name in ("host", "x-amz-target", "content-type"):
        assert ours.headers[name] == botocores.headers[name]
    signed = [seen.headers["authorization"].partition("SignedHeaders=")[2].split(",")[0] for seen in fake.seen]
    assert signed[0] == signed[1]
    assert ours.headers["user-agent"] == "Sluice"


@pytest.mark.parametrize(
    "fault",
    [
        throttle(),
        throttle("ThrottlingException"),
        throttle("TransactionConflictException"),
        Fault(429, "TooManyRequests"),
        Fault(500, "InternalServerError"),
        Fault(503, body=b"<html><b>Http/1.1 Service Unavailable</b></html>"),
        Fault(is_cut=True),
        Fault(checksum=1),
    ],
)
def test_call_tries_again_after_a_passing_fault(fake: FakeDynamoDB, wire: Wire, fault: Fault) -> None:
    fake.faults.extend([fault, fault])
    attempts = Attempts()
    assert wire.call("BatchWriteItem", BATCH, attempts)["UnprocessedItems"] == {}
    assert attempts.sent == len(fake.seen) == 3


@pytest.mark.parametrize(
    ("fault", "may_have_run", "throttled"),
    [
        (throttle(), False, 1),
        (throttle("TransactionConflictException"), False, 0),
        (Fault(500, "InternalServerError"), True, 0),
        (Fault(is_cut=True), True, 0),
    ],
)
def test_attempts_tell_whether_an_earlier_one_may_have_run(
    fake: FakeDynamoDB, wire: Wire, fault: Fault, may_have_run: bool, throttled: int
) -> None:
    fake.faults.append(fault)
    attempts = Attempts()
    wire.call("BatchWriteItem", BATCH, attempts)
    assert (attempts.may_have_run, attempts.throttled) == (may_have_run, throttled)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (throttle(), ThrottledError),
        (Fault(500, "InternalServerError"), ServiceUnavailableError),
        (Fault(is_cut=True), ServiceUnavailableError),
    ],
)
def test_call_raises_by_kind_of_fault_when_the_retries_are_used_up(
    fake: FakeDynamoDB, wire: Wire, fault: Fault, error: type[Exception]
) -> None:
    fake.faults.extend([fault] * 4)
    with pytest.raises(error, match="BatchWriteItem, retries used up"):
        wire.call("BatchWriteItem", BATCH)
    assert len(fake.seen) == 4


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("ResourceNotFoundException", TableNotFoundError),
        ("AccessDeniedException", AccessDeniedError),
        ("UnrecognizedClientException", AccessDeniedError),
    ],
)
def test_call_raises_at_once_what_trying_again_cannot_cure(
    fake: FakeDynamoDB, wire: Wire, name: str, error: type[Exception]
) -> None:
    fake.faults.append(Fault(400, name))
    with pytest.raises(error):
        wire.call("BatchWriteItem", BATCH)
    assert len(fake.seen) == 1


def test_refusal_carries_dynamodbs_name_message_and_details(fake: FakeDynamoDB, wire: Wire) -> None:
    fake.items[(("S", "wren"),)] = {"pk": {"S": "wren"}}
    with pytest.raises(WireError) as caught:
        wire.call("PutItem", PUT)
    assert caught.value.name == "ConditionalCheckFailedException"
    assert caught.value.message == "The conditional request failed"
    assert caught.value.status == 400
    assert caught.value.details["Item"] == {"pk": {"S": "wren"}}


def test_refusal_without_a_body_goes_by_its_status(fake: FakeDynamoDB, wire: Wire) -> None:
    fake.faults.append(Fault(413, body=b""))
    with pytest.raises(WireError, match=r"^413$") as caught:
        wire.call("BatchWriteItem", BATCH)
    assert caught.value.name == "413"


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"[]"])
def test_answer_that_is_no_json_object_is_unexpected(fake: FakeDynamoDB, wire: Wire, body: bytes) -> None:
    fake.faults.append(Fault(200, body=body))
    with pytest.raises(UnexpectedResponseError):
        wire.call("BatchWriteItem", BATCH)


def test_refused_connection_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        attempts = Attempts()
        with pytest.raises(ServiceUnavailableError):
            wire_to(url, HASTY).call("PutItem", PUT, attempts)
    assert attempts == Attempts(sent=4)


def test_connection_that_the_server_closed_while_idle_is_replaced() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    answered, closed = Event(), Event()

    def answer_once_per_connection(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _address = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)
                answered.wait(10)
            closed.set()

    with answering(answer_once_per_connection) as port:
        url = f"http://127.0.0.1:{port}"
        attempts = Attempts()
        with wire_to(url, HASTY) as wire:
            wire.call("PutItem", PUT, attempts)
            answered.set()
            closed.wait(10)
            wire.call("PutItem", PUT, attempts)
    assert attempts == Attempts(sent=2)


def test_request_that_cannot_be_sent_whole_may_have_run_all_the_same() -> None:
    def hang_up(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _address = listener.accept()
            connection.recv(1)
            connection.close()

    with answering(hang_up) as port, wire_to(f"http://127.0.0.1:{port}", RetryPolicy(attempts=1)) as wire:
        attempts = Attempts()
        with pytest.raises(ServiceUnavailableError):
            wire.call("PutItem", b"x" * 50_000_000, attempts)
        assert attempts == Attempts(sent=1, may_have_run=True)
        assert wire.begin("PutItem", b"x" * 50_000_000) is None


def test_session_gives_region_endpoint_and_credentials(fake: FakeDynamoDB) -> None:
    wire = Wire.from_session(session(region=REGION), endpoint_url=fake.url, retries=HASTY)
    assert wire.target.endpoint.url == fake.url
    assert wire.target.endpoint.ca_bundle
    wire.call("BatchWriteItem", BATCH)
    assert f"/{REGION}/dynamodb/aws4_request" in fake.seen[0].headers["authorization"]
    wire.close()


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"])
def test_endpoint_is_taken_from_the_environment(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "http://localhost:4567")
    assert Wire.from_session(session(), region=REGION).target.endpoint.url == "http://localhost:4567"


def test_endpoint_is_taken_from_the_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile far]\nregion = eu-west-1\nservices = mine\n"
        "[services mine]\ndynamodb =\n  endpoint_url = http://localhost:4568\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert Wire.from_session(session(profile="far")).target.endpoint.url == "http://localhost:4568"


def test_endpoint_on_aws_is_https_with_checked_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    wire = Wire.from_session(session(), region=REGION)
    assert wire.target.endpoint.url == f"https://dynamodb.{REGION}.amazonaws.com"
    with answering(answer_with(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        endpoint = Endpoint(f"https://127.0.0.1:{port}", wire.target.endpoint.ca_bundle)
        with pytest.raises(ServiceUnavailableError, match="SSLError"):
            Wire(lambda: Target(endpoint, wire.target.signer), RetryPolicy(attempts=1)).call("PutItem", PUT)


def test_session_without_credentials_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Keyless(botocore.session.Session):
        def get_credentials(self, *_arguments: object, **_named: object) -> None:
            return None

    with pytest.raises(AccessDeniedError, match="credentials"):
        Wire.from_session(Keyless(), region=REGION).call("PutItem", PUT)


def test_credentials_are_read_for_each_request(fake: FakeDynamoDB) -> None:
    class Rotating:
        used = 0

        def get_frozen_credentials(self) -> object:
            self.used += 1
            return botocore.credentials.Credentials(f"AKID{self.used}", "secret").get_frozen_credentials()

    signer = SigV4Signer(Rotating(), REGION, fake.url)  # type: ignore[arg-type]
    wire = Wire(lambda: Target(Endpoint(fake.url), signer), HASTY)
    wire.call("BatchWriteItem", BATCH)
    wire.call("BatchWriteItem", BATCH)
    wire.close()
    assert ["Credential=AKID1/" in fake.seen[0].headers["authorization"], "AKID2" in str(fake.seen[1])] == [True] * 2


@pytest.mark.parametrize(
    ("text", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}rest", b"{}"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n", b"{}"),
        (b"HTTP/1.0 200 OK\r\n\r\n{}", b"{}"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
def test_response_is_read_however_its_length_is_given(text: bytes, body: bytes) -> None:
    assert read_response(BytesIO(text)).body == body


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
    ],
)
def test_broken_response_is_worth_another_attempt(text: bytes) -> None:
    with answering(answer_with(text)) as port:
        url = f"http://127.0.0.1:{port}"
        wire = wire_to(url, RetryPolicy(attempts=1))
        with pytest.raises(ServiceUnavailableError):
            wire.call("PutItem", PUT)


def test_backoff_ends_after_its_attempts_or_its_time_and_begins_again_with_progress() -> None:
    backoff = Backoff(RetryPolicy(attempts=3))
    assert [backoff.is_used_up() for _ in range(3)] == [False, False, True]
    backoff.made_progress()
    assert not backoff.is_used_up()
    assert Backoff(RetryPolicy(give_up_seconds=-1)).is_used_up()
