"""The objects of an export: pinned, read, and held against their MD5s."""

from __future__ import annotations

import base64
import hashlib
from contextlib import closing
from typing import TYPE_CHECKING

from sluice.reading.object_stream import SourceStream, open_source
from sluice.reading.source import GZIP, JSONL, NONE, Source
from sluice.reading.source_input import SourceInput
from sluice.reading.source_objects import find_source

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READ_BYTES = 1 << 20


def pin(s3: S3Client, bucket: str, key: str, *, is_gzip: bool = False) -> Source:
    """The object as it is now. Raises SourceNotFoundError naming what is missing, AccessDeniedError."""
    compression = GZIP if is_gzip else NONE
    return find_source(s3, SourceInput(bucket, key, None, JSONL, compression, "", None, None, "utf-8", None))


def read_whole(s3: S3Client, source: Source) -> bytes:
    """A small object. Raises SourceChangedError, ServiceUnavailableError, AccessDeniedError."""
    with closing(open_source(s3, source, 0, None)) as stream:
        return b"".join(iter(lambda: stream.read(READ_BYTES), b""))


def md5_of(data: bytes) -> str:
    """The MD5 in base64, as manifests have it."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


class Md5Stream:
    """A stream that is hashed as it is read."""

    def __init__(self, stream: SourceStream) -> None:
        self._stream = stream
        self._hash = hashlib.md5(usedforsecurity=False)

    def read(self, size: int, /) -> bytes:
        """See SourceStream."""
        data = self._stream.read(size)
        self._hash.update(data)
        return data

    def close(self) -> None:
        """See SourceStream."""
        self._stream.close()

    @property
    def md5(self) -> str:
        """The MD5 of what has been read, in base64."""
        return base64.b64encode(self._hash.digest()).decode()
