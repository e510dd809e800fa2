"""The objects of an export: its data files, their lines, and their MD5s."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sluice.errors import SourceMalformedError
from sluice.reading.dialect import JSONL, Dialect
from sluice.reading.leading_bytes import GZIP, NONE
from sluice.reading.source import Source, SourceInput
from sluice.reading.source_objects import find_source
from sluice.reading.streams import SourceStream, open_source
from sluice.runs.outcomes import PartType
from sluice.runs.range_progress import RangeProgress

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


FILE_CHUNK_BYTES = 512 << 10
# Two images of 400 KB in DynamoDB JSON have at most half of this.
LINE_MAX_BYTES = 16 << 20


def line_blocks(stream: SourceStream, multiple: int = 1) -> Iterator[list[bytes]]:
    """The lines to the stream's end without their newlines, in blocks of about a chunk.

    Blocks hold a multiple of `multiple` lines where a chunk has that many; the last one what is left.
    Raises SourceMalformedError for a line that no record can be.
    """
    lines: list[bytes] = []
    rest = b""
    while chunk := stream.read(FILE_CHUNK_BYTES):
        lines += (rest + chunk).split(b"\n")
        rest = lines.pop()
        if len(rest) > LINE_MAX_BYTES:
            raise SourceMalformedError(f"a line has more than {LINE_MAX_BYTES:,} bytes")
        kept = len(lines) % multiple if len(lines) >= multiple else 0
        if len(lines) > kept:
            yield lines[: len(lines) - kept]
            lines = lines[len(lines) - kept :]
    if rest:
        lines.append(rest)
    if lines:
        yield lines


COUNT, MD5, FILE_KEY = "itemCount", "md5Checksum", "dataFileS3Key"


@dataclass(frozen=True, slots=True)
class DataFile:
    """`index` counts from 0; `md5` is base64, of the object as stored."""

    kind: ClassVar = "file"

    index: int
    key: str
    rows: int
    md5: str | None

    @classmethod
    def from_line(cls, line: Mapping[str, Any], index: int) -> DataFile:
        """Read a line of the manifest. Raises KeyError, TypeError or ValueError for anything else."""
        key, rows = line[FILE_KEY], line[COUNT]
        if not isinstance(key, str) or isinstance(rows, bool) or not isinstance(rows, int) or rows < 0:
            raise ValueError(f"{FILE_KEY} {key!r:.100}, {COUNT} {rows!r:.100}")
        return cls(index, key, rows, line.get(MD5))

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> DataFile:
        """Read a child's `file`: the manifest's line, and the index of the map's item."""
        return cls.from_line(state, state["index"])

    def to_state(self) -> dict[str, Any]:
        """The file as a failure names it."""
        return {"index": self.index, COUNT: self.rows, MD5: self.md5, FILE_KEY: self.key}

    @property
    def identity(self) -> str:
        """What tells it from the other files."""
        return self.key

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.key

    @property
    def label(self) -> str:
        """Where it is, for messages."""
        return self.key


FILES = PartType(DataFile.kind, DataFile.from_state, RangeProgress.from_state)


def read_files(s3: S3Client, bucket: str, key: str) -> list[DataFile]:
    """The data files that a manifest lists. Raises SourceNotFoundError when there is no such manifest."""
    with closing(open_source(s3, pin(s3, bucket, key), 0, None)) as stream:
        lines = (line for block in line_blocks(stream) for line in block)
        return [DataFile.from_line(json.loads(line), index) for index, line in enumerate(lines)]


FILE_READ_BYTES = 1 << 20


def pin(s3: S3Client, bucket: str, key: str, *, is_gzip: bool = False) -> Source:
    """The object as it is now. Raises SourceNotFoundError naming what is missing, AccessDeniedError."""
    compression = GZIP if is_gzip else NONE
    return find_source(s3, SourceInput(bucket, key, None, compression, Dialect(JSONL)))


def read_whole(s3: S3Client, source: Source) -> bytes:
    """A small object. Raises SourceChangedError, ServiceUnavailableError, AccessDeniedError."""
    with closing(open_source(s3, source, 0, None)) as stream:
        return b"".join(iter(lambda: stream.read(FILE_READ_BYTES), b""))


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
