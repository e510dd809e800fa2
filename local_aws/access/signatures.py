"""Signature Version 4, and Version 2 for the S3 URLs that boto3 presigns by default.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
"""

import base64
import hmac
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote, unquote, unquote_plus

ALGORITHM = "AWS4-HMAC-SHA256"
UNRESERVED = "-_.~"
# The parts of a query that name what is asked of an object, which Version 2 signs.
SUB_RESOURCES = frozenset(
    [
        "accelerate",
        "acl",
        "analytics",
        "cors",
        "defaultObjectAcl",
        "delete",
        "inventory",
        "lifecycle",
        "location",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "partNumber",
        "policy",
        "replication",
        "requestPayment",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "select",
        "select-type",
        "storageClass",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
    ]
)

Query = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a Version 4 signature is good for: a day, a Region and a service."""

    date: str
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def parsed_query(text: str) -> Query:
    """Decoded names and values, in the request's order."""
    parts = (part.partition("=") for part in text.split("&") if part)
    return [(unquote_plus(name), unquote_plus(value)) for name, _, value in parts]


def canonical_request(
    method: str, path: str, query: Query, *, headers: Mapping[str, str], signed_headers: str, payload_hash: str
) -> str:
    """The text whose hash Version 4 signs. `path` is what `canonical_path` returned."""
    pairs = sorted((quote(name, safe=UNRESERVED), quote(value, safe=UNRESERVED)) for name, value in query)
    canonical_query = "&".join(f"{name}={value}" for name, value in pairs)
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in signed_headers.split(";"))
    return f"{method}\n{path}\n{canonical_query}\n{lines}\n{signed_headers}\n{payload_hash}"


def canonical_path(raw_path: str, service: str) -> str:
    """S3 signs the path as it is; the other services normalize it and encode it once more."""
    if service == "s3":
        return quote(unquote(raw_path), safe=UNRESERVED + "/")
    return "/" if raw_path == "/" else _normalized_path(raw_path)


@lru_cache(maxsize=1024)
def _normalized_path(raw_path: str) -> str:
    normalized = posixpath.normpath(raw_path).replace("//", "/")
    ending = "/" if raw_path.endswith("/") and normalized != "/" else ""
    return quote(normalized + ending, safe=UNRESERVED + "/")


def signature(secret_key: str, scope: Scope, time: str, request: str) -> str:
    """Version 4's signature of a canonical request, which was signed at `time` (as in X-Amz-Date)."""
    to_sign = f"{ALGORITHM}\n{time}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    return hmac.digest(_signing_key(secret_key, scope), to_sign.encode(), "sha256").hex()


@lru_cache(maxsize=1024)
def _signing_key(secret_key: str, scope: Scope) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (scope.date, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def version_2_signature(
    secret_key: str, method: str, path: str, query: Query, *, headers: Mapping[str, str], expires: str
) -> str:
    """Version 2's signature of a presigned URL. `path` begins with the bucket, also where the host names it."""
    # boto3 moves the headers that it signs into the query.
    known = {**headers, **{name: value for name, value in query if name.islower()}}
    amazon = sorted((name, value) for name, value in known.items() if name.startswith("x-amz-"))
    resources = sorted((name, value) for name, value in query if name in SUB_RESOURCES)
    lines = [method, known.get("content-md5", ""), known.get("content-type", ""), expires]
    lines += [f"{name}:{value.strip()}" for name, value in amazon]
    resource = path + ("?" + "&".join(map(_sub_resource, resources)) if resources else "")
    to_sign = "\n".join([*lines, resource])
    return base64.b64encode(hmac.digest(secret_key.encode(), to_sign.encode(), "sha1")).decode()


def _sub_resource(pair: Iterable[str]) -> str:
    return "=".join(filter(None, pair))
