"""Several S3 objects, one after the other, as one stream: what is merged is never held in memory or on disk."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHUNK_BYTES = 1 << 20


def merge_objects(s3: S3Client, bucket: str, keys: Iterable[str], merged_key: str) -> None:
    """Write one object that holds the others, one after the other."""
    s3.upload_fileobj(io.BufferedReader(MergedObjects(s3, bucket, keys)), bucket, merged_key)


class ChunkStream(io.RawIOBase):
    """Pieces of bytes, made when they are asked for, as one stream."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


class MergedObjects(ChunkStream):
    """Reads the objects in the order of their keys, each opened when the one before it has ended."""

    def __init__(self, s3: S3Client, bucket: str, keys: Iterable[str]) -> None:
        super().__init__(self._read(s3, bucket, keys))

    @staticmethod
    def _read(s3: S3Client, bucket: str, keys: Iterable[str]) -> Iterator[bytes]:
        for key in keys:
            yield from s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(CHUNK_BYTES)
