"""How far a data file is, and the file opened where the next slice starts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from sluice.errors import FileDamagedError, SourceMalformedError
from sluice.fields import Fields
from sluice.reading.decompression import CODECS, DecompressedStream
from sluice.reading.dialect import JSONL, Dialect
from sluice.reading.leading_bytes import GZIP, NONE
from sluice.reading.source import ObjectPin, Source
from sluice.reading.streams import SourceStream, open_source
from sluice.runs.paths import Run
from sluice.runs.range_progress import RangeProgress
from sluice.state import Inline, State
from sluice.workflows.export_process.files import FILE_READ_BYTES, DataFile, Md5Stream, line_blocks, pin
from sluice.workflows.export_process.input import RECORDS, Process

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class FileProgress(State):
    """`records`: as of a range's rows; `etag` and `size` pin the object that the first slice found."""

    records: Annotated[RangeProgress, Inline]
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class FileRequest:
    """One slice of a data file, the first one without `progress`; `process` is what CheckExport made of the input."""

    run: Run
    process: Process
    file: DataFile
    progress: FileProgress | None

    @classmethod
    def from_event(cls, event: object) -> FileRequest:
        """Read the function's payload. Raises InvalidInputError."""
        fields = Fields(event, ("run", "process", "file", "progress"))
        return cls(
            run=Run.from_state(fields.raw("run")),
            process=Process.from_state(fields.raw("process")),
            file=DataFile.from_state(fields.raw("file")),
            progress=FileProgress.from_state(fields.raw("progress")) if fields.has("progress") else None,
        )

    @property
    def slice_number(self) -> int:
        """Slices before this one."""
        return self.progress.records.slices if self.progress else 0

    @property
    def outcome_key(self) -> str:
        """What the slice has come to."""
        return self.run.part_outcome_key(self.file.index, self.slice_number)

    @property
    def course_key(self) -> str:
        """Where the slice's course goes."""
        return self.run.course_key(self.file.index, self.slice_number)

    @property
    def rejects_key(self) -> str:
        """Where the slice's rejects go."""
        return self.run.reject_part_key(self.file.index, self.slice_number)


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
        return DecompressedStream(stored, CODECS[GZIP], str(self.source), start, end)


def open_file(
    s3: S3Client, process: Process, file: DataFile, progress: FileProgress | None, held_bytes: int = HELD_BYTES
) -> OpenedFile:
    """Pin the file and compare it with the manifest's MD5, unless a slice before has done so.

    A file of at most `held_bytes` is kept when it is verified, and not read a second time.

    Raises SourceNotFoundError, FileDamagedError, SourceChangedError, AccessDeniedError, ServiceUnavailableError.
    """
    bucket, is_gzip = process.export.bucket, process.export.lines == RECORDS
    key = process.export.object_key(file.key)
    if progress is not None:
        return OpenedFile(_pinned(bucket, key, progress, GZIP if is_gzip else NONE))
    source = pin(s3, bucket, key, is_gzip=is_gzip)
    return OpenedFile(source, _verified(s3, source, file.md5, held_bytes) if process.verify else None)


def _pinned(bucket: str, key: str, progress: FileProgress, compression: str) -> Source:
    return Source(ObjectPin(bucket, key, None, progress.etag, progress.size, compression), Dialect(JSONL))


def _stored(s3: S3Client, source: Source) -> SourceStream:
    return open_source(s3, replace(source, pin=replace(source.pin, compression=NONE)), 0, None)


def _verified(s3: S3Client, source: Source, md5: str | None, held_bytes: int) -> bytes | None:
    """Read the file once, before anything of it is applied; returns it where it is small."""
    held: list[bytes] | None = [] if source.size <= held_bytes else None
    with closing(Md5Stream(_stored(s3, source))) as stream:
        while data := stream.read(FILE_READ_BYTES):
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
