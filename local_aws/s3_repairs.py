"""S3: ranges of any version, bodies that stay on disk, and errors for missing keys."""

import re
from contextvars import ContextVar
from typing import Any

from ministack.services import s3 as service

from local_aws.replacements import check, replace, require
from local_aws.s3_missing_keys import with_listing_right
from local_aws.s3_objects import StoredFile

Response = tuple[int, dict[str, str], Any]

RANGE = re.compile(r"bytes=(\d*)-(\d*)")
UNSATISFIABLE = "The requested range is not satisfiable"

_original: dict[str, Any] = {}
_leaves_files: ContextVar[bool] = ContextVar("_leaves_files", default=False)


def install() -> None:
    """Replace how GetObject cuts ranges, how bodies are read, and what HeadObject says of a missing key."""
    require(service, "_error", "_buckets", "_object_versions")
    check(service, "_parse_range", ("range_header", "total"))
    check(service, "_put_object", ("bucket_name", "key", "body", "headers"))
    parameters = ("bucket_name", "key", "headers", "query_params")
    _original["get_object"] = replace(service, "_get_object", parameters, get_object)
    _original["head_object"] = replace(service, "_head_object", parameters, head_object)
    _original["read_body"] = replace(service, "_read_body", ("bucket_name", "key", "obj"), read_body)
    parameters = ("bucket", "bucket_name", "key", "v")
    _original["version_body"] = replace(service, "_version_body", parameters, version_body)


def get_object(
    bucket_name: str, key: str, headers: dict[str, str], query_params: dict[str, Any] | None = None
) -> Response:
    """GetObject: ministack reads the whole object, of which the range is cut here, whatever its version."""
    wanted = headers.get("range", "")
    if wanted:
        headers = {name: value for name, value in headers.items() if name not in ("range", "x-amz-checksum-mode")}
    token = _leaves_files.set(True)
    try:
        status, answer_headers, body = _original["get_object"](bucket_name, key, headers, query_params)
    finally:
        _leaves_files.reset(token)
    if status == 200 and wanted:
        return _cut(wanted, answer_headers, body)
    if isinstance(body, StoredFile):
        return status, answer_headers, body[:]
    return with_listing_right(bucket_name, key, (status, answer_headers, body))


def head_object(
    bucket_name: str,
    key: str,
    headers: dict[str, str] | None = None,
    query_params: dict[str, Any] | None = None,
) -> Response:
    """HeadObject."""
    return with_listing_right(bucket_name, key, _original["head_object"](bucket_name, key, headers, query_params))


def _cut(wanted: str, headers: dict[str, str], body: Any) -> Response:
    size = len(body)
    if not _is_range(wanted):
        return 200, headers, body[:]
    found = service._parse_range(wanted, size)
    if found is None:
        details = {"RangeRequested": wanted, "ActualObjectSize": str(size)}
        named = {"Content-Range": f"bytes */{size}"}
        return service._error("InvalidRange", UNSATISFIABLE, 416, extra=details, headers=named)  # type: ignore[no-any-return]
    start, end = found
    part = body[start : end + 1]
    return (
        206,
        {**headers, "Content-Length": str(len(part)), "Content-Range": f"bytes {start}-{end}/{size}"},
        part,
    )


def _is_range(wanted: str) -> bool:
    """Whether S3 takes this for a range; what it does not, it ignores, also several ranges at once."""
    found = RANGE.fullmatch(wanted)
    if found is None or not (found[1] or found[2]):
        return False
    return not (found[1] and found[2]) or int(found[1]) <= int(found[2])


def read_body(bucket_name: str, key: str, obj: dict[str, Any]) -> Any:
    """An object's body: as bytes, but for GetObject, which takes its part of a file."""
    return _loaded(_original["read_body"](bucket_name, key, obj))


def version_body(bucket: dict[str, Any], bucket_name: str, key: str, v: dict[str, Any]) -> Any:
    """A version's body, as `read_body` gives it."""
    return _loaded(_original["version_body"](bucket, bucket_name, key, v))


def _loaded(body: Any) -> Any:
    return body[:] if isinstance(body, StoredFile) and not _leaves_files.get() else body
