"""DynamoDB's data plane for bulk work: ready-made JSON bodies over kept-alive connections."""

from __future__ import annotations

import json
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from ssl import SSLContext
from threading import Lock
from typing import Any, Self

import botocore.session
from botocore.httpsession import get_cert_path

from sluice.aws.clients import is_about_kms, with_advice
from sluice.aws.connection import Connection, Endpoint, Response, tls_context
from sluice.aws.retry import Backoff, RetryPolicy
from sluice.aws.signing import Signer, SigV4Signer
from sluice.errors import (
    AccessDeniedError,
    ServiceUnavailableError,
    TableNotFoundError,
    ThrottledError,
    UnexpectedResponseError,
    WireError,
)

_THROTTLES = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "Throttling",
        "RequestLimitExceeded",
    }
)
_CONFLICTS = frozenset({"TransactionConflictException", "ReplicatedWriteConflictException"})
_DENIALS = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    }
)


@dataclass(slots=True)
class Attempts:
    """What it took to get an answer. `may_have_run`: an attempt without answer may have been carried out."""

    sent: int = 0
    throttled: int = 0
    may_have_run: bool = False


class _FailedAttemptError(Exception):
    """One attempt that is worth another."""

    def __init__(self, reason: str, *, is_throttle: bool = False, may_have_run: bool = False) -> None:
        super().__init__(reason)
        self.is_throttle = is_throttle
        self.may_have_run = may_have_run


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go and who signs them."""

    endpoint: Endpoint
    signer: Signer


class Wire:
    """Calls DynamoDB from any number of threads; each call takes an idle connection or opens one.

    `resolve` is called once, before the first request.
    """

    def __init__(self, resolve: Callable[[], Target], retries: RetryPolicy | None = None) -> None:
        self.retries = retries or RetryPolicy()
        self._resolve = resolve
        self._resolving = Lock()
        self._target: Target | None = None
        self._tls: SSLContext | None = None
        self._idle: deque[Connection] = deque()

    @classmethod
    def from_session(
        cls,
        session: botocore.session.Session,
        region: str | None = None,
        endpoint_url: str | None = None,
        retries: RetryPolicy | None = None,
    ) -> Wire:
        """With the endpoint, region, credentials and certificates of the session's botocore clients."""
        return cls(lambda: _session_target(session, region, endpoint_url), retries)

    @property
    def target(self) -> Target:
        """Resolved at the first request: a botocore client takes longer to make than a function to import."""
        with self._resolving:
            if self._target is None:
                target = self._resolve()
                self._tls = tls_context(target.endpoint)
                self._target = target
        return self._target

    def call(self, operation: str, body: bytes, attempts: Attempts | None = None) -> dict[str, Any]:
        """Send one request until it is answered for good; return the answer's JSON, count into `attempts`.

        Raises ThrottledError and ServiceUnavailableError when the retries are used up, TableNotFoundError,
        AccessDeniedError, UnexpectedResponseError, and WireError for what else DynamoDB refuses.
        """
        counted, backoff = attempts or Attempts(), Backoff(self.retries)
        while True:
            counted.sent += 1
            try:
                return _answer(self._exchange(operation, body))
            except _FailedAttemptError as failure:
                counted.throttled += failure.is_throttle
                counted.may_have_run |= failure.may_have_run
                if backoff.is_used_up():
                    error = ThrottledError if failure.is_throttle else ServiceUnavailableError
                    raise error(f"DynamoDB {operation}, retries used up: {failure}") from failure
            backoff.pause()

    def begin(self, operation: str, body: bytes) -> Connection | None:
        """Send one request without waiting for its answer, which `finish` reads; None when it could not be sent."""
        try:
            return self._send(operation, body)
        except _FailedAttemptError:
            return None

    def finish(self, connection: Connection) -> dict[str, Any] | None:
        """The answer to the request begun on the connection; None when it takes another attempt, by `call`.

        Raises what `call` raises for what DynamoDB refuses.
        """
        try:
            return _answer(self._receive(connection))
        except _FailedAttemptError:
            return None

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _exchange(self, operation: str, body: bytes) -> Response:
        return self._receive(self._send(operation, body))

    def _send(self, operation: str, body: bytes) -> Connection:
        target = self.target
        request = target.signer(operation, body) + body
        connection = self._connect(target.endpoint)
        try:
            connection.send(request)
        except OSError as exc:
            raise _broken(connection, exc) from exc
        return connection

    def _receive(self, connection: Connection) -> Response:
        try:
            response = connection.receive()
        except (OSError, HTTPException, ValueError) as exc:
            raise _broken(connection, exc) from exc
        self._idle.append(connection)
        return response

    def _connect(self, endpoint: Endpoint) -> Connection:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            if connection.is_reusable():
                return connection
            connection.close()
        try:
            return Connection(endpoint, self._tls)
        except OSError as exc:
            raise _FailedAttemptError(f"{type(exc).__name__}: {exc}") from exc


def _broken(connection: Connection, error: Exception) -> _FailedAttemptError:
    connection.close()
    return _FailedAttemptError(f"{type(error).__name__}: {error}", may_have_run=True)


def _session_target(session: botocore.session.Session, region: str | None, endpoint_url: str | None) -> Target:
    meta = session.create_client("dynamodb", region_name=region, endpoint_url=endpoint_url).meta
    credentials = session.get_credentials()
    if credentials is None:
        raise AccessDeniedError("no AWS credentials were found")
    ca_bundle = session.get_config_variable("ca_bundle") or get_cert_path(verify=True)
    signer = SigV4Signer(credentials, meta.region_name, meta.endpoint_url)
    return Target(Endpoint(meta.endpoint_url, ca_bundle), signer)


def _answer(response: Response) -> dict[str, Any]:
    if response.status != 200:
        raise _refusal(response)
    checksum = response.headers.get(b"x-amz-crc32")
    if checksum is not None and checksum != b"%d" % zlib.crc32(response.body):
        raise _FailedAttemptError("the response differs from its checksum", may_have_run=True)
    answer = _json_object(response.body)
    if answer is None:
        raise UnexpectedResponseError("DynamoDB's response is not a JSON object")
    return answer


def _refusal(response: Response) -> Exception:
    details = _json_object(response.body) or {}
    name = str(details.get("__type", response.status)).rpartition("#")[2]
    message = str(details.get("message") or details.get("Message") or "")
    if name in _THROTTLES or response.status == 429:
        return _FailedAttemptError(f"{name}: {message}", is_throttle=True)
    if name in _CONFLICTS:
        return _FailedAttemptError(f"{name}: {message}")
    if response.status >= 500:
        return _FailedAttemptError(f"{name}: {message}", may_have_run=True)
    if name == "ResourceNotFoundException":
        return TableNotFoundError(message)
    if name in _DENIALS or is_about_kms(name):
        return AccessDeniedError(with_advice(f"{name}: {message}"))
    return WireError(name, message, response.status, details)


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
