"""Conditional requests to S3: values that it does not take, which condition did not hold, and uploads in conflict."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import s3 as service

from local_aws.replacements import replace

Response = tuple[int, dict[str, str], Any]
Check = Callable[..., Response | None]

NOT_HELD = "At least one of the pre-conditions you specified did not hold"
NOT_IMPLEMENTED = "A header you provided implies functionality that is not implemented"
CONFLICT = "The conditional request cannot succeed due to a conflicting operation against this resource."
WRITE_CONDITIONS = {"if-match": "If-Match", "if-none-match": "If-None-Match"}
READ_CONDITIONS = {**WRITE_CONDITIONS, "if-unmodified-since": "If-Unmodified-Since"}
COPY_CONDITIONS = {
    f"x-amz-copy-source-{name.lower()}": f"x-amz-copy-source-{name}"
    for name in ("If-Match", "If-Unmodified-Since", "If-None-Match", "If-Modified-Since")
}
MODIFIED_SINCE = "if-modified-since"
UPLOAD_ID = re.compile(rb"<UploadId>([^<]*)</UploadId>")
# A name that an object is given when an upload to its key is created, and that the upload keeps.
EXISTING = "local_aws_existing"

_original: dict[str, Any] = {}


def install() -> None:
    """Replace the error of a condition that does not hold, and remember what an upload found."""
    for name, parameters, conditions in (
        ("_check_put_preconditions", ("headers", "existing_obj"), WRITE_CONDITIONS),
        ("_check_read_preconditions", ("headers", "obj", "resp_headers"), READ_CONDITIONS),
        ("_check_copy_source_preconditions", ("headers", "src_obj"), COPY_CONDITIONS),
    ):
        _original[name] = replace(service, name, parameters, _naming(name, conditions))
    parameters = ("bucket_name", "key", "headers")
    _original["create"] = replace(service, "_create_multipart_upload", parameters, create_multipart_upload)


def _naming(name: str, conditions: dict[str, str]) -> Check:
    """The check of this name, whose refusal says which condition did not hold."""

    def check(headers: dict[str, str], *given: Any) -> Response | None:
        original: Check = _original[name]
        refusal = original(_without_future(headers), *given)
        if refusal is None or refusal[0] != 412:
            return refusal
        for header, shown in conditions.items():
            alone = original({header: headers[header]}, *given) if header in headers else None
            if alone is not None and alone[0] == 412:
                return _refused("PreconditionFailed", NOT_HELD, 412, {"Condition": shown})
        return refusal

    return check


def _without_future(headers: dict[str, str]) -> dict[str, str]:
    """S3 ignores If-Modified-Since with a time that is yet to come."""
    since = service._parse_http_date(headers[MODIFIED_SINCE]) if MODIFIED_SINCE in headers else None
    if since is None or since <= datetime.now(UTC):
        return headers
    return {name: value for name, value in headers.items() if name != MODIFIED_SINCE}


def unsupported(headers: dict[str, str]) -> Response | None:
    """The refusal of a write whose conditions have values that S3 does not take."""
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if match is not None and none_match is not None:
        return _not_implemented("If-Match,If-None-Match", "Multiple conditional request headers present in the request")
    name = "If-Match" if match == "*" else "If-None-Match" if none_match not in (None, "*") else None
    if name is None:
        return None
    return _not_implemented(name, f"We don't accept the provided value of {name} header for this API")


def create_multipart_upload(bucket_name: str, key: str, headers: dict[str, str]) -> Response:
    """CreateMultipartUpload."""
    answer: Response = _original["create"](bucket_name, key, headers)
    found = UPLOAD_ID.search(answer[2]) if answer[0] == 200 else None
    if found is not None:
        upload = service._multipart_uploads[found[1].decode()]
        existing = service._buckets[bucket_name]["objects"].get(key)
        upload[EXISTING] = None if existing is None else existing.setdefault(EXISTING, new_uuid())
    return answer


def upload_refusal(upload: dict[str, Any], headers: dict[str, str]) -> Response | None:
    """Why a conditional upload may not be completed: its condition fails, or the key was written since it began."""
    if "if-match" not in headers and "if-none-match" not in headers:
        return None
    key = upload["key"]
    current = service._buckets[upload["bucket"]]["objects"].get(key)
    refusal: Response | None = service._check_put_preconditions(headers, current)
    found = None if current is None else current.get(EXISTING, "")
    if refusal is None and found != upload.get(EXISTING):
        name = "If-Match" if "if-match" in headers else "If-None-Match"
        return _refused("ConditionalRequestConflict", CONFLICT, 409, {"Condition": name, "Key": key})
    return refusal


def _not_implemented(header: str, message: str) -> Response:
    return _refused("NotImplemented", NOT_IMPLEMENTED, 501, {"Header": header, "additionalMessage": message})


def _refused(code: str, message: str, status: int, extra: dict[str, str]) -> Response:
    return service._error(code, message, status, extra=extra)  # type: ignore[no-any-return]
