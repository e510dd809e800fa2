"""Presigned S3 URLs of Version 2, which boto3 makes unless `signature_version` is `s3v4`."""

import hmac
import re
from collections.abc import Callable, Iterable

from local_aws.access.origins import hostname
from local_aws.access.refusals import CREDENTIALS_ADVICE, Reason, RefusedError
from local_aws.access.requests import Request
from local_aws.access.signatures import Query, version_2_signature

FIELDS = frozenset(("AWSAccessKeyId", "Signature", "Expires"))
# What follows the bucket in a host such as bucket.localhost or bucket.s3.us-east-1.localhost.
BASE_HOST = re.compile(r"(^|\.)(s3[^/]*\.)?localhost$")


def check_version_2(
    request: Request, query: Query, secret_of: Callable[[str, str], str], times: Iterable[float]
) -> str:
    """The access key that signed this URL. Raises RefusedError."""
    found = [(name, value) for name, value in query if name in FIELDS]
    fields = dict(found)
    if not len(found) == len(fields) == len(FIELDS) or not fields["Expires"].isdecimal():
        raise RefusedError(Reason.INCOMPLETE, f"The presigned URL is not complete. {CREDENTIALS_ADVICE}")
    if int(fields["Expires"]) < min(times):
        raise RefusedError(Reason.EXPIRED_URL, "Request has expired: make a new presigned URL.")
    access_key_id = fields["AWSAccessKeyId"]
    secret = secret_of(access_key_id, dict(query).get("x-amz-security-token", ""))
    bucket = _bucket_of(request.headers["host"])
    path = f"/{bucket}{request.raw_path}" if bucket else request.raw_path
    expected = version_2_signature(
        secret, request.method, path, query, headers=request.headers, expires=fields["Expires"]
    )
    if not hmac.compare_digest(expected.encode(), fields["Signature"].encode()):
        message = f"The signature does not match the URL and the secret key of {access_key_id}."
        raise RefusedError(Reason.WRONG_SIGNATURE, f"{message} {CREDENTIALS_ADVICE}")
    return access_key_id


def _bucket_of(host: str) -> str:
    name = hostname(host)
    base = BASE_HOST.search(name)
    return name[: base.start()] if base else ""
