"""Objects read ahead: small ones whole, in one request each; larger ones as a stream."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sluice.errors import AccessDeniedError, SourceChangedError, SourceMalformedError, SourceNotFoundError
from sluice.reading.leading_bytes import NONE
from sluice.reading.object_gets import Begun, ObjectGets
from sluice.reading.record_scanner import read_fully
from sluice.reading.source import Source
from sluice.reading.streams import SourceStream, decompressed, open_source

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# Opens an object's bytes from an offset on; offsets are of the decompressed bytes.
OpenAt = Callable[[int], SourceStream]

# At 30 ms an object and 1 ms of processor time, so many keep a processor busy. Threads would fight over it.
REQUESTS_AHEAD = 32
WHOLE_MAX_BYTES = 4 << 20

# What makes one object unreadable, while others may be read.
Unreadable = SourceChangedError | SourceMalformedError | SourceNotFoundError | AccessDeniedError
UNREADABLE = (SourceChangedError, SourceMalformedError, SourceNotFoundError, AccessDeniedError)


@dataclass(frozen=True, slots=True)
class ObjectRead:
    """An object that can be opened: `data` are its bytes (decompressed) where it is small, else None."""

    source: Source
    data: bytes | None
    open_at: OpenAt


class ObjectReads:
    """Asks for objects ahead: while one is worked on, the answers for the next ones come in."""

    def __init__(self, s3: S3Client, gets: ObjectGets, whole_max_bytes: int) -> None:
        self._s3 = s3
        self._gets = gets
        self._whole_max_bytes = whole_max_bytes
        self._ahead: deque[tuple[Source, Begun | None]] = deque()

    def __enter__(self) -> ObjectReads:
        return self

    def __exit__(self, *_error: object) -> None:
        for _, begun in self._ahead:
            if begun is not None:
                self._gets.abandon(begun)
        self._ahead.clear()

    def each(self, sources: Sequence[Source]) -> Iterator[ObjectRead | Unreadable]:
        """The objects in their order. Raises ServiceUnavailableError."""
        for source in sources:
            if len(self._ahead) == REQUESTS_AHEAD:
                yield self._next()
            self._ahead.append((source, self._gets.begin(source) if source.size <= self._whole_max_bytes else None))
        while self._ahead:
            yield self._next()

    def _next(self) -> ObjectRead | Unreadable:
        source, begun = self._ahead.popleft()
        try:
            data = self._whole(source, self._gets.finish(begun) if begun else None)
        except UNREADABLE as error:
            return error
        if data is None:
            return ObjectRead(source, None, lambda start: open_source(self._s3, source, start, None))
        return ObjectRead(source, data, lambda start: io.BytesIO(data[start:]))

    def _whole(self, source: Source, stored: bytes | None) -> bytes | None:
        """The object's bytes where they are few, decompressed."""
        if source.size > self._whole_max_bytes:
            return None
        if stored is not None and source.compression == NONE:
            return stored
        with closing(self._stream(source, stored)) as stream:
            data = read_fully(stream, self._whole_max_bytes + 1)
        return data if len(data) <= self._whole_max_bytes else None

    def _stream(self, source: Source, stored: bytes | None) -> SourceStream:
        if stored is None:
            return open_source(self._s3, source, 0, None)
        return decompressed(lambda start, end: io.BytesIO(stored[start:end]), source.pin)
