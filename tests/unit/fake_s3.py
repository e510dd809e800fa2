"""S3 in memory: objects and multipart uploads, and calls that break off before or after their effect."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError


class CrashError(Exception):
    """The function has been killed."""


@dataclass
class FakeS3:
    """One bucket. `crash_at`: number of the call that a function does not survive, which has its effect or not."""

    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    crash_at: int | None = None
    has_effect: bool = True
    calls: int = 0

    def _call(self, effect: Any) -> Any:
        self.calls += 1
        crashes = self.crash_at == self.calls
        answer = None if crashes and not self.has_effect else effect()
        if crashes:
            raise CrashError
        return answer

    def put_object(self, **given: Any) -> Any:
        """Conditional with IfNoneMatch or IfMatch."""

        def put() -> Any:
            key = given["Key"]
            if "IfNoneMatch" in given and key in self.objects:
                raise failure("PutObject", "PreconditionFailed", 412)
            if "IfMatch" in given and given["IfMatch"] != etag(self.objects.get(key, b"")):
                raise failure("PutObject", "PreconditionFailed", 412)
            self.objects[key] = bytes(given["Body"])
            return {"ETag": etag(self.objects[key])}

        return self._call(put)

    def get_object(self, **given: Any) -> Any:
        """The whole object, or a range of it."""

        def get() -> Any:
            if given["Key"] not in self.objects:
                raise failure("GetObject", "NoSuchKey", 404)
            data = self.objects[given["Key"]]
            first, _, last = given.get("Range", f"bytes=0-{len(data)}").removeprefix("bytes=").partition("-")
            return {"Body": io.BytesIO(data[int(first) : int(last) + 1]), "ETag": etag(data)}

        return self._call(get)

    def head_object(self, **given: Any) -> Any:
        """As S3 tells it: without a name for what is missing."""

        def head() -> Any:
            if given["Key"] not in self.objects:
                raise failure("HeadObject", "404", 404)
            data = self.objects[given["Key"]]
            return {"ETag": etag(data), "ContentLength": len(data)}

        return self._call(head)

    def create_multipart_upload(self, **given: Any) -> Any:
        """Begin an upload."""

        def create() -> Any:
            upload = f"{given['Key']}#{len(self.uploads)}-{self.calls}"
            self.uploads[upload] = {}
            return {"UploadId": upload}

        return self._call(create)

    def upload_part(self, **given: Any) -> Any:
        """One part; the last that comes under a number stays."""

        def upload() -> Any:
            self._open(given["UploadId"])[given["PartNumber"]] = given["Body"]
            return {"ETag": etag(given["Body"])}

        return self._call(upload)

    def complete_multipart_upload(self, **given: Any) -> Any:
        """The parts that are named, as they were when their ETags were returned."""

        def complete() -> Any:
            parts, named = self._open(given["UploadId"]), given["MultipartUpload"]["Parts"]
            if any(etag(parts.get(each["PartNumber"], b"")) != each["ETag"] for each in named):
                raise failure("CompleteMultipartUpload", "InvalidPart", 400)
            self.objects[given["Key"]] = b"".join(parts[each["PartNumber"]] for each in named)
            del self.uploads[given["UploadId"]]

        return self._call(complete)

    def _open(self, upload: str) -> dict[int, bytes]:
        if upload not in self.uploads:
            raise failure("UploadPart", "NoSuchUpload", 404)
        return self.uploads[upload]


def failure(operation: str, code: str, status: int) -> ClientError:
    """What botocore raises."""
    response: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, operation)


def etag(data: bytes) -> str:
    """As S3 has it."""
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
