"""Requests to local AWS without an SDK: signed by botocore, changed, and sent as they are."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from unittest.mock import patch

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local_aws import LocalAws

TARGET = {"x-amz-target": "DynamoDB_20120810.ListTables", "content-type": "application/x-amz-json-1.0"}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str


@dataclass(frozen=True)
class RawRequest:
    """A request; `host` is what its Host header says, which is not where it is sent to."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    def send(self, local_aws: LocalAws, address: str = "127.0.0.1") -> Answer:
        connection = http.client.HTTPConnection(address, local_aws.port, timeout=30)
        try:
            connection.putrequest(self.method, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            if self.body:
                connection.putheader("content-length", str(len(self.body)))
            connection.endheaders(self.body)
            response = connection.getresponse()
            return Answer(
                response.status,
                {name.lower(): value for name, value in response.getheaders()},
                response.read().decode(errors="replace"),
            )
        finally:
            connection.close()


def unsigned(
    local_aws: LocalAws, method: str = "POST", path: str = "/", headers: Mapping[str, str] | None = None, body: str = ""
) -> RawRequest:
    """A request that names the right host and has no signature."""
    return RawRequest(method, path, {"host": f"127.0.0.1:{local_aws.port}", **(headers or {})}, body.encode())


def credentials_of(local_aws: LocalAws) -> Credentials:
    """The owner's credentials, as botocore has them."""
    return Credentials(local_aws.credentials.access_key_id, local_aws.credentials.secret_access_key)


def signed(
    request: RawRequest,
    credentials: Credentials,
    service: str = "dynamodb",
    *,
    age: timedelta = timedelta(0),
    auth: Any = None,
) -> RawRequest:
    """The request with botocore's signature, made `age` ago."""
    signer = (auth or (S3SigV4Auth if service == "s3" else SigV4Auth))(credentials, service, "us-east-1")
    url = f"http://{request.headers['host']}{request.path}"
    unsigned_request = AWSRequest(request.method, url, dict(request.headers), request.body)
    with patch("botocore.auth.get_current_datetime", lambda: datetime.now(UTC).replace(tzinfo=None) - age):
        signer.add_auth(unsigned_request)
    prepared = unsigned_request.prepare()
    path = prepared.url.removeprefix(f"http://{request.headers['host']}")
    headers = {name: _text(value) for name, value in prepared.headers.items() if name.lower() != "content-length"}
    return RawRequest(request.method, path, headers, request.body)


def presigned(
    request: RawRequest, credentials: Credentials, service: str, expires: int, *, age: timedelta = timedelta(0)
) -> RawRequest:
    """The request with a signature in its query, for so many seconds."""
    signer = S3SigV4QueryAuth if service == "s3" else SigV4QueryAuth
    return signed(request, credentials, service, age=age, auth=partial(signer, expires=expires))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
