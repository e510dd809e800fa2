"""Requests to S3 as a whole: the content type that it assumes, what it says of encryption and checksums, errors."""

import base64
import re
from typing import Any

from ministack.services import s3 as service

from local_aws import s3_conditions, s3_listings, s3_uploads
from local_aws.replacements import replace
from local_aws.s3_conditions import unsupported
from local_aws.s3_errors import with_fields
from local_aws.s3_objects import CONTENT_TYPE

Headers = dict[str, str]
Response = tuple[int, Headers, Any]

ENCRYPTION = "x-amz-server-side-encryption"
CUSTOMER_ENCRYPTION = f"{ENCRYPTION}-customer-algorithm"
# What is beside these in a query is not about an object's content.
OBJECT_PARAMETERS = frozenset(("partNumber", "uploadId", "uploads", "versionId", "x-id"))
RESPONSE_HEADERS = ("response-", "X-Amz-", "AWSAccessKeyId", "Signature", "Expires")
COPY_SOURCE = "x-amz-copy-source"
OPTIONS = ("signed_path", "enforce_bucket_region", "internal", "access_point_region", "access_point")

CHECKSUM_BYTES = {
    f"x-amz-checksum-{name}": size
    for name, size in {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "sha1": 20, "sha256": 32}.items()
}
DISPLAY_NAME = re.compile(rb"(<Owner><ID>[^<]*</ID>)<DisplayName>[^<]*</DisplayName>")

_original: dict[str, Any] = {}


def install() -> None:
    """Replace how requests are handled, and what has modules of its own."""
    for module in (s3_conditions, s3_listings, s3_uploads):
        module.install()
    parameters = ("method", "path", "headers", "body", "query_params", *OPTIONS)
    _original["handle"] = replace(service, "handle_request", parameters, handle_request)


async def handle_request(
    method: str, path: str, headers: Headers, body: bytes, query_params: dict[str, Any], *options: Any, **named: Any
) -> Response:
    """A request to S3."""
    is_content = method != "DELETE" and _is_content(path, query_params)
    if is_content and method in ("PUT", "POST"):
        refusal = unsupported(headers) or (_checksum_refusal(headers) if method == "PUT" else None)
        if refusal is not None:
            return with_fields(refusal, path, headers, query_params)
        if "content-type" not in headers:
            headers = {**headers, "content-type": CONTENT_TYPE}
    if "versionId" in query_params and method in ("GET", "HEAD", "DELETE"):
        refusal = _version_refusal(path, headers, query_params)
        if refusal is not None:
            return with_fields(refusal, path, headers, query_params)
    handle = _original["handle"]
    answer: Response = await handle(method, path, headers, body, query_params, *options, **named)
    if answer[0] >= 400:
        return with_fields(answer, path, headers, query_params)
    if method == "GET" and not is_content:
        return answer[0], answer[1], _without_display_names(answer[2])
    if is_content and answer[0] < 300:
        _add_encryption(answer[1])
        if method == "PUT" and "uploadId" not in query_params:
            _add_checksum(path, headers, answer[1])
    return answer


def _checksum_refusal(headers: Headers) -> Response | None:
    """The refusal of a checksum that is not one of its algorithm, right or wrong."""
    for name, size in CHECKSUM_BYTES.items():
        if name in headers and _decoded_size(headers[name]) != size:
            message = f"Value for {name} header is invalid."
            return service._error("InvalidRequest", message, 400)  # type: ignore[no-any-return]
    return None


def _decoded_size(text: str) -> int | None:
    try:
        return len(base64.b64decode(text, validate=True))
    except ValueError:
        return None


def _version_refusal(path: str, headers: Headers, query: dict[str, Any]) -> Response | None:
    """The refusal of any version but `null` in a bucket that never had versions."""
    version = service._qp(query, "versionId")
    bucket, _ = service._parse_bucket_key(path, headers)
    if version == "null" or bucket not in service._buckets or service._bucket_versioning.get(bucket):
        return None
    details = {"ArgumentName": "versionId", "ArgumentValue": version}
    return service._error("InvalidArgument", "Invalid version id specified", 400, extra=details)  # type: ignore[no-any-return]


def _without_display_names(body: Any) -> Any:
    """S3 names owners by their ID only."""
    return DISPLAY_NAME.sub(rb"\1", body) if isinstance(body, bytes) and b"<DisplayName>" in body else body


def _is_content(path: str, query: dict[str, Any]) -> bool:
    """Whether a request reads or writes an object or a part, not the settings of one."""
    if "/" not in path.lstrip("/"):
        return False
    return not query or all(name in OBJECT_PARAMETERS or name.startswith(RESPONSE_HEADERS) for name in query)


def _add_encryption(headers: Headers) -> None:
    """S3 encrypts every object, by default with its own keys."""
    if CUSTOMER_ENCRYPTION not in headers:
        headers.setdefault(ENCRYPTION, "AES256")


def _add_checksum(path: str, request_headers: Headers, headers: Headers) -> None:
    """The checksums that came with an object."""
    if COPY_SOURCE in request_headers:
        return
    bucket, key = service._parse_bucket_key(path, request_headers)
    stored = service._buckets[bucket]["objects"].get(key) or {}
    for algorithm, value in (stored.get("checksums") or {}).items():
        headers.setdefault(f"x-amz-checksum-{algorithm.lower()}", value)
        headers.setdefault("x-amz-checksum-type", "FULL_OBJECT")
