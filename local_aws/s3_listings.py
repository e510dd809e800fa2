"""Listings of S3: encoding types, numbers of keys and markers that it refuses, and tokens that only it can make."""

import base64
import binascii
import re
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from ministack.services import s3 as service

from local_aws.replacements import replace

Response = tuple[int, dict[str, str], Any]
Query = dict[str, Any]

# https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
MAXIMUM_KEYS = 1_000
LARGEST_NUMBER = 2_147_483_647
WRONG_ENCODING = "Invalid Encoding Method specified in Request"
REFUSED_CONTINUATION = "The continuation token provided is incorrect"
WRONG_NUMBER = "Argument max-keys must be an integer between 0 and 2147483647"
NO_NUMBER = "Provided max-keys not an integer or within integer range"
NO_KEY_MARKER = "A version-id marker cannot be specified without a key marker."
CONTINUATION = "continuation-token"
# Before the key in a token, to distinguish it from other texts in base 64.
TOKEN_MARK = b"\x01local\x01"
NEXT_TOKEN = re.compile(rb"(?<=<NextContinuationToken>)[^<]*")
USED_TOKEN = re.compile(rb"(?<=<ContinuationToken>)[^<]*")
TRUNCATION = re.compile(rb"<IsTruncated>true</IsTruncated>|<NextMarker>[^<]*</NextMarker>")

PART_MARKER = "part-number-marker"
PART_NUMBER = re.compile(rb"<PartNumber>(\d+)</PartNumber>")
UNENCODED = ("_list_object_versions", "_list_multipart_uploads")
ENCODED = ("Key", "Prefix", "Delimiter", "KeyMarker", "NextKeyMarker")

_original: dict[str, Any] = {}


def install() -> None:
    """Replace the operations that list objects and versions."""
    for name in ("_list_objects_v1", "_list_objects_v2", "_list_object_versions", "_list_multipart_uploads"):
        operation = list_objects_v2 if name == "_list_objects_v2" else _checked(name)
        _original[name] = replace(service, name, ("bucket_name", "query_params"), operation)
    parameters = ("bucket_name", "key", "query_params")
    _original["_list_parts"] = replace(service, "_list_parts", parameters, list_parts)


def _checked(name: str) -> Any:
    """The operation of this name after S3's checks of its parameters."""

    def operation(bucket_name: str, query_params: Query) -> Response:
        refusal = _refusal(query_params)
        if refusal is not None:
            return refusal
        answer: Response = _original[name](bucket_name, _limited(query_params))
        if name in UNENCODED and "encoding-type" in query_params:
            answer = _encoded(answer)
        return _untruncated(answer) if _value(query_params, "max-keys") == "0" else answer

    return operation


def list_objects_v2(bucket_name: str, query_params: Query) -> Response:
    """ListObjectsV2."""
    token = _value(query_params, CONTINUATION)
    if token is None:
        return _with_tokens(_checked("_list_objects_v2")(bucket_name, query_params))
    key = _key_of(token)
    if key is None:
        return _refused(REFUSED_CONTINUATION, ArgumentName=CONTINUATION)
    query = {name: value for name, value in query_params.items() if name != "start-after"}
    inner = base64.b64encode(key).decode()
    status, headers, body = _checked("_list_objects_v2")(bucket_name, {**query, CONTINUATION: [inner]})
    return _with_tokens((status, headers, USED_TOKEN.sub(lambda _: token.encode(), body)))


def list_parts(bucket_name: str, key: str, query_params: Query) -> Response:
    """ListParts, whose pages all say where the next one begins."""
    if _value(query_params, PART_MARKER) == "":
        query_params = {name: value for name, value in query_params.items() if name != PART_MARKER}
    status, headers, body = _original["_list_parts"](bucket_name, key, query_params)
    if status == 200 and b"<NextPartNumberMarker>" not in body:
        numbers = PART_NUMBER.findall(body)
        marker = b"<NextPartNumberMarker>%s</NextPartNumberMarker><MaxParts>" % (numbers[-1] if numbers else b"0")
        body = body.replace(b"<MaxParts>", marker, 1)
    return status, headers, body


def _with_tokens(answer: Response) -> Response:
    """The answer with a next token of this module's instead of ministack's, which is the key in base 64."""
    status, headers, body = answer
    if status != 200:
        return answer
    return status, headers, NEXT_TOKEN.sub(lambda found: _token(base64.b64decode(found[0])), body)


def _token(key: bytes) -> bytes:
    return base64.b64encode(TOKEN_MARK + key)


def _key_of(token: str) -> bytes | None:
    """The key that a page began after; None for a text that is not a token."""
    try:
        text = base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        return None
    return text.removeprefix(TOKEN_MARK) if text.startswith(TOKEN_MARK) else None


def _refusal(query: Query) -> Response | None:
    encoding = _value(query, "encoding-type")
    if encoding is not None and encoding != "url":
        return _refused(WRONG_ENCODING, ArgumentName="encoding-type", ArgumentValue=encoding)
    number = _value(query, "max-keys")
    if number is not None and not number.lstrip("-").isdecimal():
        return _refused(NO_NUMBER, ArgumentName="max-keys", ArgumentValue=number)
    if number is not None and not 0 <= int(number) <= LARGEST_NUMBER:
        return _refused(WRONG_NUMBER, ArgumentName="max-keys", ArgumentValue=number)
    marker = _value(query, "version-id-marker")
    if marker and not _value(query, "key-marker"):
        return _refused(NO_KEY_MARKER, ArgumentName="version-id-marker", ArgumentValue=marker)
    return None


def _limited(query: Query) -> Query:
    number = _value(query, "max-keys")
    return query if number is None or int(number) <= MAXIMUM_KEYS else {**query, "max-keys": [str(MAXIMUM_KEYS)]}


def _encoded(answer: Response) -> Response:
    """The answer with its keys and prefixes encoded, which ministack leaves as they are in these listings."""
    status, headers, body = answer
    if status != 200 or b"<EncodingType>" in body:
        return answer
    root = ElementTree.fromstring(body)  # noqa: S314  (written by ministack)
    namespace = root.tag.rpartition("}")[0].lstrip("{")
    if namespace:
        ElementTree.register_namespace("", namespace)
    for element in root.iter():
        if element.tag.rpartition("}")[2] in ENCODED and element.text:
            element.text = quote(element.text, safe="/")
    message = ElementTree.Element(f"{{{namespace}}}EncodingType" if namespace else "EncodingType")
    message.text = "url"
    root.insert(1, message)
    return status, headers, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _untruncated(answer: Response) -> Response:
    """A page without keys has no next one."""
    status, headers, body = answer
    shown = TRUNCATION.sub(lambda found: found[0].replace(b"true", b"false") if b"true" in found[0] else b"", body)
    return status, headers, re.sub(rb"<NextContinuationToken>[^<]*</NextContinuationToken>", b"", shown)


def _value(query: Query, name: str) -> str | None:
    return None if name not in query else str(service._qp(query, name))


def _refused(message: str, **extra: str) -> Response:
    return service._error("InvalidArgument", message, 400, extra=extra)  # type: ignore[no-any-return]
