"""Heads of requests: signed as botocore signs them."""

from __future__ import annotations

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sluice.aws.signing import SigV4Signer
from tests.unit.fake_dynamodb import CREDENTIALS, REGION

UNSIGNED = ("User-Agent", "Content-Length", "Authorization")


def authorization(credentials: Credentials, url: str, sent: dict[str, str], body: bytes) -> str:
    """The header that botocore computes for the request."""
    request = AWSRequest("POST", url, sent, body)
    request.context["timestamp"] = sent["X-Amz-Date"]
    auth = SigV4Auth(credentials.get_frozen_credentials(), "dynamodb", REGION)
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    names = auth.signed_headers(auth.headers_to_sign(request))
    return f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders={names}, Signature={signature}"


@pytest.mark.parametrize("token", [None, "a-session-token"])
@pytest.mark.parametrize(
    "url", ["https://dynamodb.eu-central-1.amazonaws.com", "http://localhost:4566/", "http://[::1]:1/a/b"]
)
@pytest.mark.parametrize(
    ("operation", "body"), [("BatchWriteItem", b"{}"), ("PutItem", b""), ("Scan", b"\xff" * 100_000)]
)
def test_signature_is_botocores(token: str | None, url: str, operation: str, body: bytes) -> None:
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", token)
    signer = SigV4Signer(credentials, REGION, url)
    for _ in range(2):
        lines = signer(operation, body).decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        sent = {name: value for name, value in headers.items() if name not in UNSIGNED}
        assert headers["Authorization"] == authorization(credentials, url, sent, body)
        assert headers.get("X-Amz-Security-Token") == token


def test_one_signer_signs_each_operation_by_its_name() -> None:
    signer = SigV4Signer(CREDENTIALS, REGION, "http://localhost:4566")
    heads = [signer(operation, b"{}").decode() for operation in ("PutItem", "Scan", "PutItem")]
    assert ["X-Amz-Target: DynamoDB_20120810.PutItem\r\n" in head for head in heads] == [True, False, True]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://dynamodb.eu-central-1.amazonaws.com", "dynamodb.eu-central-1.amazonaws.com"),
        ("https://localhost:443/", "localhost"),
        ("http://localhost:443/", "localhost:443"),
        ("http://[::1]:4566", "[::1]:4566"),
    ],
)
def test_head_names_the_host_that_is_signed(url: str, host: str) -> None:
    head = SigV4Signer(CREDENTIALS, REGION, url)("PutItem", b"{}").decode()
    assert f"\r\nHost: {host}\r\n" in head
    assert head.startswith("POST / HTTP/1.1\r\n")
    assert head.endswith("\r\nContent-Length: 2\r\n\r\n")
