"""The bytes of an S3 object as a stream that resumes after a lost connection, decompressed in bounded memory."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import IncompleteReadError
from urllib3.exceptions import HTTPError

from sluice.aws.clients import CONNECTION_ERRORS, aws_errors
from sluice.aws.retry import Backoff, RetryPolicy
from sluice.errors import ServiceUnavailableError, SourceChangedError, SourceMalformedError, SourceNotFoundError
from sluice.reading.source import GZIP, Source

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef


STREAM_CHUNK_BYTES = 256 << 10

NOT_GZIP = "not gzip; if it is not compressed, say so with source.compression none"

_GZIP_FORMAT = 31


class _CompressedStream(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class GzipStream:
    """The decompressed bytes from `start` to `end`; `name` is what errors call the source.

    What comes before `start` is decompressed too: gzip has no other way to get there. `not_gzip` is the message
    for a source that is not compressed.
    """

    def __init__(
        self,
        compressed: _CompressedStream,
        name: str,
        start: int = 0,
        end: int | None = None,
        not_gzip: str = NOT_GZIP,
    ) -> None:
        self._compressed = compressed
        self._name = name
        self._skip = start
        self._left = None if end is None else end - start
        self._not_gzip = not_gzip
        self._input = b""
        self._member: zlib._Decompress | None = None
        self._members = 0

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none only at the end. Raises SourceMalformedError when damaged or truncated."""
        while self._skip > 0:
            if not (skipped := self._decompress(min(self._skip, STREAM_CHUNK_BYTES))):
                return b""
            self._skip -= len(skipped)
        if self._left is None:
            return self._decompress(size)
        data = self._decompress(min(size, self._left)) if self._left > 0 else b""
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Let go of the connection."""
        self._compressed.close()

    def _decompress(self, size: int) -> bytes:
        while member := self._member or self._next_member():
            if not self._input and not self._fill():
                raise SourceMalformedError(f"{self._name}: the gzip ends in the middle; the object is truncated")
            try:
                data = member.decompress(self._input, size)
            except zlib.error as error:
                raise SourceMalformedError(f"{self._name}: {self._problem(error)}") from error
            self._input = member.unused_data if member.eof else member.unconsumed_tail
            self._member = None if member.eof else member
            if data:
                return data
        return b""

    def _next_member(self) -> zlib._Decompress | None:
        """The next member; None at the end, which may be padded with zeros."""
        while self._input or self._fill():
            if self._members:
                self._input = self._input.lstrip(b"\0")
            if self._input:
                self._members += 1
                self._member = zlib.decompressobj(_GZIP_FORMAT)
                return self._member
        return None

    def _fill(self) -> bool:
        self._input = self._compressed.read(STREAM_CHUNK_BYTES)
        return bool(self._input)

    def _problem(self, error: zlib.error) -> str:
        if "incorrect header" in str(error) and self._members == 1:
            return self._not_gzip
        return f"damaged gzip: {error}"


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
    """The stored bytes from `start` to `end`. After a broken connection it continues where that broke."""

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
        changed = SourceChangedError(f"{source} is no longer the object that the run started with")
        missing = SourceChangedError(f"{source} is no longer there")
        named = {
            "PreconditionFailed": changed,
            "InvalidRange": changed,
            "NoSuchKey": missing,
            "NoSuchVersion": missing,
            "NoSuchBucket": missing,
            "MethodNotAllowed": missing,
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
