"""A data file: the one that the manifest means, pinned, and its lines."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sluice.errors import FileDamagedError, SourceMalformedError
from sluice.exports.data_file import DataFile
from sluice.exports.file_progress import FileProgress
from sluice.exports.lines import line_blocks
from sluice.exports.objects import READ_BYTES, Md5Stream, pin
from sluice.exports.process import RECORDS, Process
from sluice.reading.gzip_stream import GzipStream
from sluice.reading.object_stream import SourceStream, open_source
from sluice.reading.source import GZIP, JSONL, NONE, Source

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HELD_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """`held`: the object's bytes, where they are at hand."""

    source: Source
    held: bytes | None = None

    @contextmanager
    def blocks(self, s3: S3Client, start: int, end: int | None, multiple: int) -> Iterator[Iterator[list[bytes]]]:
        """The lines from `start` on, as line_blocks gives them; offsets are of the decompressed bytes.

        Reading raises FileDamagedError, SourceChangedError, ServiceUnavailableError, AccessDeniedError.
        """
        with closing(self._stream(s3, start, end)) as stream:
            yield _named(line_blocks(stream, multiple), str(self.source))

    def _stream(self, s3: S3Client, start: int, end: int | None) -> SourceStream:
        if self.source.compression != GZIP:
            return open_source(s3, self.source, start, end)
        stored = _stored(s3, self.source) if self.held is None else io.BytesIO(self.held)
        return GzipStream(stored, str(self.source), start, end, not_gzip="not gzip")


def open_file(
    s3: S3Client, process: Process, file: DataFile, progress: FileProgress | None, held_bytes: int = HELD_BYTES
) -> OpenedFile:
    """Pin the file and hold it against the manifest's MD5, unless a slice before has done so.

    A file of at most `held_bytes` is kept when it is verified, and not read a second time.

    Raises SourceNotFoundError, FileDamagedError, SourceChangedError, AccessDeniedError, ServiceUnavailableError.
    """
    bucket, is_gzip = process.export.bucket, process.export.lines == RECORDS
    if progress is not None:
        return OpenedFile(_pinned(bucket, file.key, progress, GZIP if is_gzip else NONE))
    source = pin(s3, bucket, file.key, is_gzip=is_gzip)
    return OpenedFile(source, _verified(s3, source, file.md5, held_bytes) if process.verify else None)


def _pinned(bucket: str, key: str, progress: FileProgress, compression: str) -> Source:
    return Source(bucket, key, None, progress.etag, progress.size, JSONL, compression, "", None, None, "utf-8")


def _stored(s3: S3Client, source: Source) -> SourceStream:
    return open_source(s3, replace(source, compression=NONE), 0, None)


def _verified(s3: S3Client, source: Source, md5: str | None, held_bytes: int) -> bytes | None:
    """Read the file once, before anything of it is applied; returns it where it is small."""
    held: list[bytes] | None = [] if source.size <= held_bytes else None
    with closing(Md5Stream(_stored(s3, source))) as stream:
        while data := stream.read(READ_BYTES):
            if held is not None:
                held.append(data)
    if stream.md5 != md5:
        raise FileDamagedError(f"{source} is damaged: its MD5 is {stream.md5}, the manifest has {md5}")
    return None if held is None else b"".join(held)


def _named(blocks: Iterator[list[bytes]], name: str) -> Iterator[list[bytes]]:
    try:
        yield from blocks
    except SourceMalformedError as error:
        raise FileDamagedError(f"{name} is damaged: {str(error).removeprefix(f'{name}: ')}") from error
