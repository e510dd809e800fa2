"""Whether a request is signed, now and with credentials that this server has given out."""

import hmac
import time
from calendar import timegm
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from local_aws.access.refusals import CREDENTIALS_ADVICE, Reason, RefusedError
from local_aws.access.requests import Request
from local_aws.access.signatures import (
    ALGORITHM,
    Query,
    Scope,
    canonical_path,
    canonical_request,
    signature,
)
from local_aws.access.version_2 import check_version_2

SKEW_SECONDS = 15 * 60
LONGEST_EXPIRY_SECONDS = 7 * 24 * 3600
SHA256_CHARACTERS = 64
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
TOKEN = "x-amz-security-token"  # noqa: S105  (a header's name)
QUERY_SIGNATURE = frozenset(
    ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature")
)
# Names that stand for a signature in the query, however they are spelled: ministack reads some in lower case.
QUERY_CREDENTIALS = frozenset(("x-amz-algorithm", "x-amz-credential", "x-amz-signature", "awsaccesskeyid"))

# The secret of an access key, for a request that came with this session token. Raises RefusedError.
SecretOf = Callable[[str, str], str]
# The times, in seconds since 1970, one of which a request must be signed at.
Times = Callable[[], Iterable[float]]


@dataclass(frozen=True, slots=True)
class Signature:
    """A Version 4 signature, from the Authorization header or from the query of a presigned URL."""

    access_key_id: str
    scope: Scope
    time: str
    signed_headers: str
    hex: str
    token: str
    expires_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Signer:
    """The access key of a verified signature, and the Region that it is good for (none in Version 2)."""

    access_key_id: str
    region: str


def system_time() -> tuple[float, ...]:
    """The time of this machine."""
    return (time.time(),)


class Verifier:
    """Checks signatures of requests."""

    def __init__(self, secret_of: SecretOf, times: Times = system_time) -> None:
        self._secret_of = secret_of
        self._times = times

    def check(self, request: Request, body_hash: str) -> Signer:
        """Who signed this request. Raises RefusedError."""
        query = request.query
        query_names = [name.lower() for name, _ in query]
        in_query = [name for name in query_names if name in QUERY_CREDENTIALS]
        if "authorization" in request.headers:
            if in_query:
                raise RefusedError(Reason.INCOMPLETE, "The request has two signatures: in its header and its query.")
            return self._check_version_4(_from_header(request), request, query, body_hash)
        if not in_query:
            raise RefusedError(Reason.UNSIGNED, f"The request is not signed. {CREDENTIALS_ADVICE}")
        if in_query == ["awsaccesskeyid"]:
            return Signer(check_version_2(request, query, self._secret_of, self._times()), "")
        return self._check_version_4(_from_query(query), request, query, body_hash)

    def _check_version_4(self, signed: Signature, request: Request, query: Query, body_hash: str) -> Signer:
        self._check_time(signed)
        secret = self._secret_of(signed.access_key_id, signed.token)
        payload_hash = _payload_hash(signed, request, body_hash)
        _check_signed_headers(signed, request)
        path = canonical_path(request.raw_path, signed.scope.service)
        if signed.expires_seconds is not None:
            query = [(name, value) for name, value in query if name != "X-Amz-Signature"]
        canonical = canonical_request(
            request.method,
            path,
            query,
            headers=request.headers,
            signed_headers=signed.signed_headers,
            payload_hash=payload_hash,
        )
        expected = signature(secret, signed.scope, signed.time, canonical)
        if not hmac.compare_digest(expected.encode(), signed.hex.encode()):
            message = f"The signature does not match the request and the secret key of {signed.access_key_id}."
            raise RefusedError(Reason.WRONG_SIGNATURE, f"{message} {CREDENTIALS_ADVICE}")
        return Signer(signed.access_key_id, signed.scope.region)

    def _check_time(self, signed: Signature) -> None:
        signed_at = _seconds(signed.time)
        if signed.time[:8] != signed.scope.date:
            raise RefusedError(Reason.INCOMPLETE, "The date in the credential is not that of X-Amz-Date.")
        tolerance_seconds = SKEW_SECONDS if signed.expires_seconds is None else signed.expires_seconds
        if any(signed_at - SKEW_SECONDS <= now <= signed_at + tolerance_seconds for now in self._times()):
            return
        if signed.expires_seconds is None:
            raise RefusedError(Reason.WRONG_TIME, f"The request was signed at {signed.time}: too far from now.")
        raise RefusedError(Reason.EXPIRED_URL, "Request has expired: make a new presigned URL.")


def _from_header(request: Request) -> Signature:
    algorithm, _, rest = request.headers["authorization"].partition(" ")
    pairs = [part.strip().partition("=") for part in rest.split(",")]
    fields = {name: value for name, _, value in pairs}
    if algorithm != ALGORITHM or len(pairs) != 3 or fields.keys() != {"Credential", "SignedHeaders", "Signature"}:
        raise _incomplete("The Authorization header")
    return _signature(
        credential=fields["Credential"],
        time=request.headers.get("x-amz-date", ""),
        signed_headers=fields["SignedHeaders"],
        hex_digits=fields["Signature"],
        token=request.headers.get(TOKEN, ""),
    )


def _from_query(query: Query) -> Signature:
    found = [(name, value) for name, value in query if name in QUERY_SIGNATURE]
    fields = dict(found)
    expires = fields.get("X-Amz-Expires", "")
    is_complete = len(found) == len(fields) == len(QUERY_SIGNATURE) and fields["X-Amz-Algorithm"] == ALGORITHM
    if not is_complete or not expires.isdecimal() or int(expires) > LONGEST_EXPIRY_SECONDS:
        raise _incomplete("The presigned URL")
    return _signature(
        credential=fields["X-Amz-Credential"],
        time=fields["X-Amz-Date"],
        signed_headers=fields["X-Amz-SignedHeaders"],
        hex_digits=fields["X-Amz-Signature"],
        token=dict(query).get("X-Amz-Security-Token", ""),
        expires_seconds=int(expires),
    )


def _signature(
    *, credential: str, time: str, signed_headers: str, hex_digits: str, token: str, expires_seconds: int | None = None
) -> Signature:
    parts = credential.split("/")
    if len(parts) != 5 or parts[4] != "aws4_request" or not parts[0]:
        raise _incomplete("The credential")
    return Signature(parts[0], Scope(*parts[1:4]), time, signed_headers, hex_digits, token, expires_seconds)


def _incomplete(what: str) -> RefusedError:
    return RefusedError(
        Reason.INCOMPLETE, f"{what} is not a complete signature of Version 4 ({ALGORITHM}). {CREDENTIALS_ADVICE}"
    )


def _payload_hash(signed: Signature, request: Request, body_hash: str) -> str:
    """The hash that was signed; a plain one must be the body's. Raises RefusedError."""
    declared = request.headers.get("x-amz-content-sha256")
    if declared is None:
        is_unsigned = signed.expires_seconds is not None and signed.scope.service == "s3"
        return UNSIGNED_PAYLOAD if is_unsigned else body_hash
    if declared == body_hash:
        return declared
    if signed.scope.service == "s3" and (declared == UNSIGNED_PAYLOAD or declared.startswith("STREAMING-")):
        return declared
    raise RefusedError(Reason.WRONG_PAYLOAD, "The body does not have the hash in X-Amz-Content-Sha256.")


def _check_signed_headers(signed: Signature, request: Request) -> None:
    """The host and each header of AWS's must be signed, and each signed header be there. Raises RefusedError."""
    names = signed.signed_headers.split(";")
    missing = [name for name in names if name not in request.headers]
    unsigned = {name for name in request.headers if name == "host" or name.startswith("x-amz-")}.difference(names)
    if missing or unsigned:
        message = f"missing: {', '.join(missing) or 'none'}; unsigned: {', '.join(sorted(unsigned)) or 'none'}"
        raise RefusedError(
            Reason.WRONG_SIGNATURE, f"The signature covers other headers than the request has ({message})."
        )


@lru_cache(maxsize=64)
def _seconds(amazon_time: str) -> int:
    try:
        return timegm(time.strptime(amazon_time, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise _incomplete("X-Amz-Date") from None
