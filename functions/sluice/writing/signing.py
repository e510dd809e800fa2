"""Heads of DynamoDB requests: botocore's credentials and signature on a body that is ready-made."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

TARGET_PREFIX = "DynamoDB_20120810."
CONTENT_TYPE = "application/x-amz-json-1.0"
USER_AGENT = "Sluice"
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Signer(Protocol):
    """Makes the head of a request: everything before the body, the empty line included."""

    def __call__(self, operation: str, body: bytes, /) -> bytes: ...


class BotocoreSigner:
    """Signs with SigV4; each request asks for the credentials anew, so that they are refreshed in time."""

    def __init__(self, credentials: Credentials, region: str, url: str) -> None:
        parts = urlsplit(url)
        self._credentials = credentials
        self._region = region
        self._url = url
        request_line = f"POST {parts.path or '/'} HTTP/1.1\r\n"
        self._start = f"{request_line}Host: {_host(parts)}\r\nUser-Agent: {USER_AGENT}\r\n"

    def __call__(self, operation: str, body: bytes, /) -> bytes:
        headers = {"X-Amz-Target": TARGET_PREFIX + operation, "Content-Type": CONTENT_TYPE}
        request = AWSRequest("POST", self._url, headers, body)
        SigV4Auth(self._credentials.get_frozen_credentials(), "dynamodb", self._region).add_auth(request)
        lines = "".join([f"{name}: {value}\r\n" for name, value in request.headers.items()])
        return f"{self._start}{lines}Content-Length: {len(body)}\r\n\r\n".encode("latin-1")


def _host(parts: SplitResult) -> str:
    """The host as botocore signs it: without the port where that is the scheme's own."""
    hostname = parts.hostname or ""
    host = f"[{hostname}]" if ":" in hostname else hostname
    return host if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f"{host}:{parts.port}"
