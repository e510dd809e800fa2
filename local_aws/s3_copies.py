"""CopyObject and UploadPartCopy: how a source is written, what may not be copied, and the ETag of a copy."""

import hashlib
import re
from typing import Any
from urllib.parse import quote, unquote_plus

from ministack.services import s3 as service

from local_aws.exports.permissions import caller_role
from local_aws.faults import planned
from local_aws.replacements import replace, require
from local_aws.role_permissions import denial
from local_aws.s3_missing_keys import with_listing_right

Response = tuple[int, dict[str, str], Any]

SOURCE = "x-amz-copy-source"
MAXIMUM_COPY_BYTES = 5 * 1024**3
TOO_LARGE = "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"
RANGE = re.compile(r"bytes=(\d+)-(\d+)")
OUTSIDE = "The specified copy range is invalid for the source object size"
WRONG_SOURCE = "Invalid copy source object key"
ONTO_ITSELF = (
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's "
    "metadata, storage class, website redirect location or encryption attributes."
)
SERVER_ERRORS = {"InternalError": 500, "ServiceUnavailable": 503, "SlowDown": 503}
END = "</CopyObjectResult>"
CHANGES = (
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-customer-algorithm",
)

_original: dict[str, Any] = {}


def install() -> None:
    """Replace the two operations."""
    require(service, "_buckets", "_error", "_object_tags", "_object_versions")
    _original["copy"] = replace(service, "_copy_object", ("bucket_name", "dest_key", "headers"), copy_object)
    parameters = ("bucket_name", "dest_key", "query_params", "headers")
    _original["part"] = replace(service, "_upload_part_copy", parameters, upload_part_copy)


def copy_object(bucket_name: str, dest_key: str, headers: dict[str, str]) -> Response:
    """CopyObject of up to 5 GiB, with the faults that a test has planned."""
    fault = planned.take("fail", "CopyObject")
    if fault is not None:
        return _refused(f"{fault['error']}, as planned by a test", fault["error"])
    source = _source(headers.get(SOURCE, ""))
    refusal = _refusal((bucket_name, dest_key), source, headers)
    if refusal is not None:
        return refusal
    answer: Response = _original["copy"](bucket_name, dest_key, _with_plain_source(headers))
    if answer[0] == 200:
        return _with_checksums(bucket_name, dest_key, _with_etag_of_one_part(bucket_name, dest_key, answer))
    return with_listing_right(source[0], source[1], answer)


def _refusal(destination: tuple[str, str], source: tuple[str, str, bool], headers: dict[str, str]) -> Response | None:
    """Why the source may not be copied to this bucket and key. A missing source is refused by ministack."""
    bucket, key, is_current = source
    if not key:
        details = {"ArgumentName": SOURCE, "ArgumentValue": SOURCE}
        return service._error("InvalidArgument", WRONG_SOURCE, 400, extra=details)  # type: ignore[no-any-return]
    stored = _stored(bucket, key) if is_current else None
    if is_current and stored is None:
        return None
    version = stored.get("version_id") if stored is not None else _version(headers)
    if stored is not None and stored["size"] > MAXIMUM_COPY_BYTES:
        return _refused(TOO_LARGE)
    is_replaced = headers.get("x-amz-metadata-directive", "COPY").upper() == "REPLACE"
    is_changed = is_replaced or any(name in headers for name in CHANGES)
    if stored is not None and (bucket, key) == destination and not is_changed:
        return _refused(ONTO_ITSELF)
    if (bucket, key, version) in service._object_tags:
        read = "s3:GetObjectTagging" if is_current else "s3:GetObjectVersionTagging"
        denied = _tagging_denial((read, f"{bucket}/{key}"), "/".join(destination), headers)
        if denied is not None:
            return service._error("AccessDenied", denied, 403)  # type: ignore[no-any-return]
    return service._check_put_preconditions(headers, _stored(*destination))  # type: ignore[no-any-return]


def upload_part_copy(
    bucket_name: str, dest_key: str, query_params: dict[str, Any], headers: dict[str, str]
) -> Response:
    """UploadPartCopy."""
    bucket, key, _ = _source(headers.get(SOURCE, ""))
    stored, wanted = _stored(bucket, key), RANGE.fullmatch(headers.get("x-amz-copy-source-range", ""))
    if stored is not None and wanted and int(wanted[2]) >= int(wanted[1]) >= stored["size"]:
        return _refused(OUTSIDE)
    answer: Response = _original["part"](bucket_name, dest_key, query_params, _with_plain_source(headers))
    return with_listing_right(bucket, key, answer)


def _tagging_denial(reading: tuple[str, str], destination: str, headers: dict[str, str]) -> str | None:
    """Why the caller's role may not take the tags of the source along, or None when it may or does not want to.

    `reading`: the action that reads the tags, and the source.
    """
    role_arn = caller_role()
    if role_arn is None or headers.get("x-amz-tagging-directive", "COPY").upper() != "COPY":
        return None
    needed = (reading, ("s3:PutObjectTagging", destination))
    denials = (denial(role_arn, action, f"arn:aws:s3:::{path}") for action, path in needed)
    return next((message for message in denials if message is not None), None)


def _source(text: str) -> tuple[str, str, bool]:
    """The bucket and key of a source, and whether its current version is meant. S3 takes a plus for a space."""
    path, _, version = text.partition("?")
    bucket, _, key = unquote_plus(path).lstrip("/").partition("/")
    return bucket, key, not version


def _version(headers: dict[str, str]) -> str:
    """The version of the source that is named; empty for none."""
    return headers.get(SOURCE, "").partition("?")[2].removeprefix("versionId=")


def _with_plain_source(headers: dict[str, str]) -> dict[str, str]:
    """The headers with the source written in the one way that ministack reads as S3 does."""
    bucket, key, _ = _source(headers.get(SOURCE, ""))
    version = headers.get(SOURCE, "").partition("?")[2]
    return {**headers, SOURCE: quote(f"{bucket}/{key}" if key else bucket) + (f"?{version}" if version else "")}


def _stored(bucket: str, key: str) -> Any:
    found = service._buckets.get(bucket)
    return None if found is None else found["objects"].get(key)


def _refused(message: str, code: str = "InvalidRequest") -> Response:
    return service._error(code, message, SERVER_ERRORS.get(code, 400))  # type: ignore[no-any-return]


def _with_checksums(bucket_name: str, key: str, answer: Response) -> Response:
    """The answer with the checksums that the copy has."""
    checksums = (_stored(bucket_name, key).get("checksums") or {}).items()
    elements = "".join(f"<Checksum{name}>{value}</Checksum{name}>" for name, value in checksums if "-" not in value)
    if not elements:
        return answer
    status, headers, body = answer
    end = f"{elements}<ChecksumType>FULL_OBJECT</ChecksumType>{END}"
    return status, headers, body.replace(END.encode(), end.encode())


def _with_etag_of_one_part(bucket_name: str, key: str, answer: Response) -> Response:
    """A copy is stored in one part, also of an object that was uploaded in several and has their ETag."""
    stored = _stored(bucket_name, key)
    old = stored["etag"]
    if "-" not in old:
        return answer
    new = f'"{hashlib.md5(stored["body"][:], usedforsecurity=False).hexdigest()}"'
    stored["etag"] = new
    for version in service._object_versions.get((bucket_name, key), []):
        if version["version_id"] == stored.get("version_id"):
            version["etag"] = new
    status, headers, body = answer
    return status, headers, body.replace(old.strip('"').encode(), new.strip('"').encode())
