"""What S3's error documents say beside code and message: the key, the bucket, the condition that did not hold."""

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

Response = tuple[int, dict[str, str], Any]
Fields = dict[str, str]

MESSAGES = {
    "InvalidDigest": "The Content-MD5 you specified was invalid.",
    "MalformedXML": "The XML you provided was not well-formed or did not validate against our published schema",
    "NoSuchUpload": (
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
        "completed."
    ),
    "PreconditionFailed": "At least one of the pre-conditions you specified did not hold",
}
COPY_RANGE = "x-amz-copy-source-range"
UNKNOWN_DELETE_CONDITIONS = ("x-amz-if-match-last-modified-time", "x-amz-if-match-size")


@dataclass(frozen=True)
class Request:
    """What a request to S3 is about. `resource` is the path that ministack's error names, often an empty text."""

    path: str
    headers: dict[str, str]
    query: dict[str, Any]
    resource: str = ""

    @property
    def bucket(self) -> str:
        """The bucket that the error is about, which may be that of a copy's source."""
        return unquote(self.resource or self.path).lstrip("/").partition("/")[0]

    @property
    def key(self) -> str:
        """The key that the error is about."""
        named = self.resource.lstrip("/").partition("/")[2]
        return named or unquote(self.path).lstrip("/").partition("/")[2]

    def parameter(self, name: str) -> str:
        """A parameter of the query."""
        value = self.query.get(name, "")
        return str(value[0] if isinstance(value, list) else value)


def _bucket_name(request: Request) -> Fields:
    return {"BucketName": request.bucket}


def _unknown_header(request: Request) -> Fields:
    names = (name for name in UNKNOWN_DELETE_CONDITIONS if name in request.headers)
    return {"Header": next(names, "")}


def _argument(request: Request) -> Fields:
    value = request.headers.get(COPY_RANGE, "")
    return {"ArgumentName": COPY_RANGE, "ArgumentValue": value} if value else {}


FIELDS: dict[str, Callable[[Request], Fields]] = {
    "NoSuchKey": lambda request: {"Key": request.key},
    "NoSuchVersion": lambda request: {"Key": request.key, "VersionId": request.parameter("versionId")},
    "NoSuchUpload": lambda request: {"UploadId": request.parameter("uploadId")},
    "NoSuchBucket": _bucket_name,
    "NoSuchBucketPolicy": _bucket_name,
    "NoSuchTagSet": _bucket_name,
    "NoSuchCORSConfiguration": _bucket_name,
    "NoSuchLifecycleConfiguration": _bucket_name,
    "NoSuchWebsiteConfiguration": _bucket_name,
    "NoSuchPublicAccessBlockConfiguration": _bucket_name,
    "ServerSideEncryptionConfigurationNotFoundError": _bucket_name,
    "OwnershipControlsNotFoundError": _bucket_name,
    "ObjectLockConfigurationNotFoundError": _bucket_name,
    "BucketAlreadyExists": _bucket_name,
    "BucketAlreadyOwnedByYou": _bucket_name,
    "BucketNotEmpty": _bucket_name,
    "InvalidBucketName": _bucket_name,
    "InvalidArgument": _argument,
    "InvalidDigest": lambda request: {"Content-MD5": request.headers.get("content-md5", "")},
    "InvalidStorageClass": lambda request: {"StorageClassRequested": request.headers.get("x-amz-storage-class", "")},
    "NotImplemented": _unknown_header,
}


def with_fields(response: Response, path: str, headers: dict[str, str], query: dict[str, Any]) -> Response:
    """The error as S3 tells it: with its own fields, and without the resource that ministack names."""
    status, answer_headers, body = response
    if not body or b"<Error>" not in body:
        return response
    root = ElementTree.fromstring(body)  # noqa: S314  (written by ministack)
    resource = root.find("Resource")
    code = root.findtext("Code", "")
    request = Request(path, headers, query, (resource.text or "") if resource is not None else "")
    if resource is not None:
        root.remove(resource)
    _set_message(root, code)
    _add_fields(root, FIELDS[code](request) if code in FIELDS else {})
    return status, answer_headers, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _set_message(root: ElementTree.Element, code: str) -> None:
    message = root.find("Message")
    if message is not None and code in MESSAGES:
        message.text = MESSAGES[code]


def _add_fields(root: ElementTree.Element, fields: Fields) -> None:
    """After code and message, unless the error has such fields already."""
    if any(root.find(name) is not None for name in fields):
        fields = {}
    for name, text in fields.items():
        if text:
            element = ElementTree.Element(name)
            element.text = text
            root.insert(2, element)
    if root.find("HostId") is None:
        ElementTree.SubElement(root, "HostId").text = base64.b64encode(os.urandom(57)).decode()
