"""The bytes of an S3 object as a stream that resumes after a lost connection, decompressed in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import IncompleteReadError
from urllib3.exceptions import HTTPError

from sluice.aws.clients import CONNECTION_ERRORS, aws_errors
from sluice.aws.retry import Backoff, RetryPolicy
from sluice.errors import ServiceUnavailableError, SourceChangedError, SourceNotFoundError
from sluice.reading.decompression import CODECS, DecompressedStream
from sluice.reading.leading_bytes import ZIP
from sluice.reading.source import ObjectPin, Source
from sluice.reading.zip_members import OpenStored, only_member, open_member, zip_members

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef


# For one read: connections may break as often as they like so long as bytes come in between.
RETRY_POLICY = RetryPolicy(attempts=6, first_pause_seconds=0.2)

_BROKEN = (*CONNECTION_ERRORS, IncompleteReadError, HTTPError, OSError)


class SourceStream(Protocol):
    """The bytes of a source, decompressed."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none only at the end."""

    def close(self) -> None:
        """Let go of the connection."""


def open_source(
    s3_client: S3Client, source: Source, start: int, end: int | None, retry_policy: RetryPolicy = RETRY_POLICY
) -> SourceStream:
    """The source's bytes from `start` to `end` (None: its end), in offsets of the decompressed bytes.

    Reading raises SourceChangedError when the object is no longer the pinned one, SourceNotFoundError when it is
    archived, SourceMalformedError for damaged compression, AccessDeniedError, and ServiceUnavailableError when S3
    keeps failing.
    """
    pin = source.pin
    return decompressed(lambda first, last: stored_bytes(s3_client, pin, first, last, retry_policy), pin, start, end)


def stored_bytes(
    s3_client: S3Client, pin: ObjectPin, start: int, end: int, retry_policy: RetryPolicy = RETRY_POLICY
) -> SourceStream:
    """The bytes as they are stored, from `start` to `end`. Raises what reading a source raises."""
    return ObjectStream(s3_client, pin, start, end, retry_policy)


def decompressed(open_stored: OpenStored, pin: ObjectPin, start: int = 0, end: int | None = None) -> SourceStream:
    """What an object holds, whose stored bytes `open_stored` opens. Raises SourceMalformedError for a damaged zip."""
    if pin.compression == ZIP:
        member = pin.member or only_member(zip_members(open_stored, pin.size, str(pin)), str(pin))
        return open_member(open_stored, member, str(pin), start, end)
    if pin.compression in CODECS:
        return DecompressedStream(open_stored(0, pin.size), CODECS[pin.compression], str(pin), start, end)
    return open_stored(start, pin.size if end is None else end)


class ObjectStream:
    """The stored bytes from `start` to `end`. After a broken connection it continues where that broke."""

    def __init__(
        self, s3_client: S3Client, pin: ObjectPin, start: int, end: int | None, retry_policy: RetryPolicy
    ) -> None:
        self._s3_client = s3_client
        self._pin = pin
        self._position = start
        self._end = pin.size if end is None else min(end, pin.size)
        self._retry_policy = retry_policy
        self._body: StreamingBody | None = None

    def read(self, size: int, /) -> bytes:
        """See SourceStream."""
        wanted = min(size, self._end - self._position)
        backoff = Backoff(self._retry_policy)
        while wanted > 0:
            if data := self._try_read(wanted, backoff):
                self._position += len(data)
                return data
        return b""

    def close(self) -> None:
        """See SourceStream."""
        if self._body is not None:
            self._body.close()
            self._body = None

    def _try_read(self, size: int, backoff: Backoff) -> bytes:
        """What the connection gives; nothing when it broke, which a body that ends too early has done too."""
        problem: Exception | None = None
        try:
            self._body = self._body or self._open()
            if data := self._body.read(size):
                return data
        except _BROKEN as error:
            problem = error
        self.close()
        if backoff.is_used_up():
            where = f"{self._pin}: reading broke off at byte {self._position} again and again"
            raise ServiceUnavailableError(f"{where}: {problem or 'the body ended early'}") from problem
        backoff.pause()
        return b""

    def _open(self) -> StreamingBody:
        pin = self._pin
        changed = SourceChangedError(f"{pin} is no longer the object that the run started with")
        missing = SourceChangedError(f"{pin} is no longer there")
        named = {
            "PreconditionFailed": changed,
            "InvalidRange": changed,
            "NoSuchKey": missing,
            "NoSuchVersion": missing,
            "NoSuchBucket": missing,
            "MethodNotAllowed": missing,
            "InvalidObjectState": SourceNotFoundError(f"{pin} is archived; restore it first"),
        }
        with aws_errors(str(pin), named):
            response = self._s3_client.get_object(**self._request())
        if response["ETag"] != pin.etag:
            response["Body"].close()
            raise changed
        return response["Body"]

    def _request(self) -> GetObjectRequestTypeDef:
        pin = self._pin
        request: GetObjectRequestTypeDef = {
            "Bucket": pin.bucket,
            "Key": pin.key,
            "Range": f"bytes={self._position}-{self._end - 1}",
            "IfMatch": pin.etag,
        }
        if pin.version_id:
            request["VersionId"] = pin.version_id
        return request
