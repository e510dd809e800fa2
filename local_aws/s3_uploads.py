"""CompleteMultipartUpload: what S3 checks of the parts."""

from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

from ministack.services import s3 as service

from local_aws.replacements import replace
from local_aws.s3_conditions import upload_refusal

Response = tuple[int, dict[str, str], Any]
# A part's number and its ETag without quotes, as the request lists them.
Part = tuple[str, str]

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MINIMUM_PART_BYTES = 5 * 1024 * 1024
MAXIMUM_PARTS = 10_000
NO_PARTS = "You must specify at least one part"
WRONG_NUMBER = "Part number must be an integer between 1 and 10000, inclusive"
WRONG_ORDER = "The list of parts was not in ascending order. Parts must be ordered by part number."
WRONG_PART = (
    "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified "
    "entity tag may not match the part's entity tag."
)
TOO_SMALL = "Your proposed upload is smaller than the minimum allowed size"

_original: dict[str, Any] = {}


def install() -> None:
    """Replace the operation."""
    parameters = ("bucket_name", "key", "body", "query_params", "headers")
    _original["complete"] = replace(service, "_complete_multipart_upload", parameters, complete_multipart_upload)


def complete_multipart_upload(
    bucket_name: str, key: str, body: bytes, query_params: dict[str, Any], headers: dict[str, str] | None = None
) -> Response:
    """CompleteMultipartUpload."""
    upload_id = service._qp(query_params, "uploadId")
    upload = service._multipart_uploads.get(upload_id)
    if upload is not None and (upload["bucket"], upload["key"]) == (bucket_name, key):
        refusal = upload_refusal(upload, headers or {}) or _refusal(_parts(body), upload["parts"], upload_id)
        if refusal is not None:
            return refusal
    return _original["complete"](bucket_name, key, body, query_params, headers)  # type: ignore[no-any-return]


def _parts(body: bytes) -> list[Part] | None:
    """The parts that the request lists; None where it is no XML, which ministack refuses."""
    if not body:
        return []
    try:
        root = ElementTree.fromstring(body)  # noqa: S314  (expat limits expansion)
    except ElementTree.ParseError:
        return None
    return [_part(element) for element in root if _local_name(element) == "Part"]


def _part(element: ElementTree.Element) -> Part:
    fields = {_local_name(child): (child.text or "").strip() for child in element}
    return fields.get("PartNumber", ""), fields.get("ETag", "").strip('"')


def _local_name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _refusal(parts: list[Part] | None, stored: dict[int, Any], upload_id: str) -> Response | None:
    if parts is None:
        return None
    if not parts:
        return _refused("InvalidRequest", NO_PARTS)
    for number, _ in parts:
        if not number.isdecimal() or not 1 <= int(number) <= MAXIMUM_PARTS:
            return _refused("InvalidArgument", WRONG_NUMBER, ArgumentName="partNumber", ArgumentValue=number)
    numbers = [int(number) for number, _ in parts]
    if any(number >= following for number, following in pairwise(numbers)):
        return _refused("InvalidPartOrder", WRONG_ORDER, UploadId=upload_id)
    for number, etag in parts:
        found = stored.get(int(number))
        if found is None or (etag and found["etag"].strip('"') != etag):
            return _refused("InvalidPart", WRONG_PART, UploadId=upload_id, PartNumber=number, ETag=etag)
    return _size_refusal(parts, stored)


def _size_refusal(parts: list[Part], stored: dict[int, Any]) -> Response | None:
    for number, etag in parts[:-1]:
        size = len(stored[int(number)]["body"])
        if size < MINIMUM_PART_BYTES:
            sizes = {"ProposedSize": str(size), "MinSizeAllowed": str(MINIMUM_PART_BYTES)}
            return _refused("EntityTooSmall", TOO_SMALL, **sizes, PartNumber=number, ETag=etag)
    return None


def _refused(code: str, message: str, **extra: str) -> Response:
    return service._error(code, message, 400, extra=extra)  # type: ignore[no-any-return]
