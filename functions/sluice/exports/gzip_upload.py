"""A gzip object in S3 that is written as it comes, in bounded memory, and seen when it is complete."""

from __future__ import annotations

import zlib
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING

from sluice.aws import aws_errors
from sluice.errors import SluiceError, SourceNotFoundError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

# S3 takes 10,000 parts of 5 MB and more.
PART_BYTES = 8 << 20
CONTENT_TYPE = "application/gzip"

_GZIP_FORMAT = 31


class GzipUpload:
    """One object; what has less than a part goes as one request. For one thread."""

    def __init__(self, s3: S3Client, bucket: str, key: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._key = key
        self._compressor = zlib.compressobj(wbits=_GZIP_FORMAT)
        self._pieces: list[bytes] = []
        self._piece_bytes = 0
        self._upload_id: str | None = None
        self._parts: list[CompletedPartTypeDef] = []

    def write(self, data: bytes) -> None:
        """Compress and keep, or send. Raises AccessDeniedError, ServiceUnavailableError, UnexpectedResponseError."""
        self._keep(self._compressor.compress(data))
        if self._piece_bytes >= PART_BYTES:
            self._send_part()

    def complete(self) -> None:
        """Let the object be seen. Raises what `write` raises."""
        self._keep(self._compressor.flush())
        if self._upload_id is None:
            with self._errors():
                self._s3.put_object(
                    Bucket=self._bucket, Key=self._key, Body=b"".join(self._pieces), ContentType=CONTENT_TYPE
                )
            return
        self._send_part()
        with self._errors():
            self._s3.complete_multipart_upload(
                Bucket=self._bucket, Key=self._key, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
            )
        self._upload_id = None

    def abort(self) -> None:
        """Give up what was begun and not completed, if S3 lets that be done: what is left costs, but is never seen."""
        if self._upload_id is not None:
            with suppress(SluiceError), self._errors():
                self._s3.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=self._upload_id)
            self._upload_id = None

    def _keep(self, data: bytes) -> None:
        self._pieces.append(data)
        self._piece_bytes += len(data)

    def _send_part(self) -> None:
        with self._errors():
            if self._upload_id is None:
                begun = self._s3.create_multipart_upload(Bucket=self._bucket, Key=self._key, ContentType=CONTENT_TYPE)
                self._upload_id = begun["UploadId"]
            number = len(self._parts) + 1
            sent = self._s3.upload_part(
                Bucket=self._bucket,
                Key=self._key,
                UploadId=self._upload_id,
                PartNumber=number,
                Body=b"".join(self._pieces),
            )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        self._pieces, self._piece_bytes = [], 0

    def _errors(self) -> AbstractContextManager[None]:
        missing = SourceNotFoundError(f"there is no bucket {self._bucket}")
        return aws_errors(f"s3://{self._bucket}/{self._key}", {"NoSuchBucket": missing})
