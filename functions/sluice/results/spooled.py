"""Lines that are gathered in temporary space, in memory while they are few, and then left as one object."""

from __future__ import annotations

import tempfile
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SPOOL_BYTES = 8 << 20


def spooled() -> tempfile.SpooledTemporaryFile[bytes]:
    """An empty file that ends with its context."""
    return tempfile.SpooledTemporaryFile(SPOOL_BYTES)


def empty(file: IO[bytes]) -> None:
    """Begin it anew."""
    file.seek(0)
    file.truncate()


def upload(s3: S3Client, file: IO[bytes], bucket: str, key: str) -> None:
    """Leave all of it as an object."""
    file.seek(0)
    s3.upload_fileobj(file, bucket, key)
