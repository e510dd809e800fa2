"""An object that several slices write one after the other, none of which holds more than a part of it.

Where one part ends and the next begins depends on nothing but the bytes: an attempt that continues after another has
replaced it sends the same parts under the same numbers, which is harmless.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluice.aws.clients import aws_errors
from sluice.errors import ServiceUnavailableError, SourceNotFoundError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef


# S3 takes 10,000 parts, all but the last of 5 MB or more.
UPLOAD_PART_BYTES = 8 << 20
UPLOAD_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """The object that comes to be; one that `is_gzip` is a sequence of gzip members."""

    bucket: str
    key: str
    content_type: str
    is_gzip: bool = False


class SlicedUpload:
    """One object. What has less than a part goes as one request, when it is published."""

    def __init__(self, s3: S3Client, target: UploadTarget, part_bytes: int = UPLOAD_PART_BYTES) -> None:
        self._s3 = s3
        self._target = target
        self._part_bytes = part_bytes
        self._chunk_bytes = min(UPLOAD_CHUNK_BYTES, part_bytes)
        self._upload_id: str | None = None
        self._etags: list[str] = []
        # Bytes as they were written, and as they will be stored.
        self._written = bytearray()
        self._stored = bytearray()

    def restore(self, state: Mapping[str, Any], rest: bytes) -> bytes:
        """Go on with what `state` and `rest` have left; returns what follows this object's in `rest`."""
        written, stored = state["written"], state["stored"]
        self._upload_id, self._etags = state["uploadId"], list(state["etags"])
        self._written, self._stored = bytearray(rest[:written]), bytearray(rest[written : written + stored])
        return rest[written + stored :]

    @property
    def state(self) -> dict[str, Any]:
        """What has been sent, and how much has not."""
        return {
            "uploadId": self._upload_id,
            "etags": self._etags,
            "written": len(self._written),
            "stored": len(self._stored),
        }

    @property
    def rest(self) -> bytes:
        """What has not been sent."""
        return bytes(self._written + self._stored)

    def write(self, data: bytes) -> None:
        """Keep, or send. Raises AccessDeniedError, ServiceUnavailableError, UnexpectedResponseError."""
        self._written += data
        while len(self._written) >= self._chunk_bytes:
            self._store(self._chunk_bytes)
            if len(self._stored) >= self._part_bytes:
                self._send_part()

    def publish(self) -> None:
        """Let the whole object be seen; harmless when it is seen already. Raises what `write` raises."""
        self._store(len(self._written))
        if self._upload_id is None:
            with self._errors():
                self._s3.put_object(**self._object, Body=bytes(self._stored), ContentType=self._target.content_type)
        elif not self._is_published():
            if self._stored:
                self._send_part()
            self._complete(self._upload_id)

    def _store(self, size: int) -> None:
        data = bytes(self._written[:size])
        del self._written[:size]
        if data:
            self._stored += gzip.compress(data, mtime=0) if self._target.is_gzip else data

    def _send_part(self) -> None:
        if self._upload_id is None:
            with self._errors():
                begun = self._s3.create_multipart_upload(**self._object, ContentType=self._target.content_type)
            self._upload_id = begun["UploadId"]
        with self._errors():
            sent = self._s3.upload_part(
                **self._object, UploadId=self._upload_id, PartNumber=len(self._etags) + 1, Body=bytes(self._stored)
            )
        self._etags.append(sent["ETag"])
        self._stored.clear()

    def _is_published(self) -> bool:
        """Whether another attempt has completed the upload; nobody else writes the key."""
        try:
            with aws_errors(str(self._target.key), {"404": SourceNotFoundError(), "NoSuchKey": SourceNotFoundError()}):
                self._s3.head_object(**self._object)
        except SourceNotFoundError:
            return False
        return True

    def _complete(self, upload_id: str) -> None:
        parts: list[CompletedPartTypeDef] = [
            {"PartNumber": number, "ETag": etag} for number, etag in enumerate(self._etags, 1)
        ]
        with self._errors():
            self._s3.complete_multipart_upload(**self._object, UploadId=upload_id, MultipartUpload={"Parts": parts})

    @property
    def _object(self) -> dict[str, Any]:
        return {"Bucket": self._target.bucket, "Key": self._target.key}

    def _errors(self) -> AbstractContextManager[None]:
        name = f"s3://{self._target.bucket}/{self._target.key}"
        # The next attempt finds what that one has come to.
        completed = ServiceUnavailableError(f"{name}: the upload is over; another attempt has completed it")
        return aws_errors(name, {"NoSuchUpload": completed})
