"""An object in S3 as a stream of bytes: always the pinned one, whatever becomes of the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import IncompleteReadError
from urllib3.exceptions import HTTPError

from sluice.aws import CONNECTION_ERRORS, aws_errors
from sluice.errors import ServiceUnavailableError, SourceChangedError, SourceNotFoundError
from sluice.reading.gzip_stream import GzipStream
from sluice.reading.source import GZIP, Source
from sluice.retry import Backoff, RetryPolicy

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
    if source.compression == GZIP:
        compressed = ObjectStream(s3_client, source, 0, None, retry_policy)
        return GzipStream(compressed, str(source), start, end)
    return ObjectStream(s3_client, source, start, end, retry_policy)


class ObjectStream:
    """The stored bytes from `start` to `end`. A connection that breaks is taken up where it broke."""

    def __init__(
        self, s3_client: S3Client, source: Source, start: int, end: int | None, retry_policy: RetryPolicy
    ) -> None:
        self._s3_client = s3_client
        self._source = source
        self._position = start
        self._end = source.size if end is None else min(end, source.size)
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
            where = f"{self._source}: reading broke off at byte {self._position} again and again"
            raise ServiceUnavailableError(f"{where}: {problem or 'the body ended early'}") from problem
        backoff.pause()
        return b""

    def _open(self) -> StreamingBody:
        source = self._source
        changed = SourceChangedError(f"{source} is no longer the object that the run began with")
        gone = SourceChangedError(f"{source} is no longer there")
        named = {
            "PreconditionFailed": changed,
            "InvalidRange": changed,
            "NoSuchKey": gone,
            "NoSuchVersion": gone,
            "NoSuchBucket": gone,
            "MethodNotAllowed": gone,
            "InvalidObjectState": SourceNotFoundError(f"{source} is archived; restore it first"),
        }
        with aws_errors(str(source), named):
            response = self._s3_client.get_object(**self._request())
        if response["ETag"] != source.etag:
            response["Body"].close()
            raise changed
        return response["Body"]

    def _request(self) -> GetObjectRequestTypeDef:
        source = self._source
        request: GetObjectRequestTypeDef = {
            "Bucket": source.bucket,
            "Key": source.key,
            "Range": f"bytes={self._position}-{self._end - 1}",
            "IfMatch": source.etag,
        }
        if source.version_id:
            request["VersionId"] = source.version_id
        return request
