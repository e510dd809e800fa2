"""The objects of a slice are fetched several at a time, those that are small as a whole."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sluice.aggregating.object_records import OpenAt
from sluice.errors import AccessDeniedError, SourceChangedError, SourceMalformedError, SourceNotFoundError
from sluice.reading.gzip_stream import GzipStream
from sluice.reading.object_gets import ObjectGets
from sluice.reading.object_stream import SourceStream, open_source
from sluice.reading.record_scanner import read_fully
from sluice.reading.source import GZIP, Source

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# At 30 ms an object and 1 ms of processor time, so many keep a processor busy.
THREADS = 16
WHOLE_MAX_BYTES = 4 << 20
AHEAD_MAX_BYTES = 32 << 20

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
    """Fetches ahead in threads of its own, while the context lasts."""

    def __init__(
        self, s3: S3Client, gets: ObjectGets, threads: int = THREADS, whole_max_bytes: int = WHOLE_MAX_BYTES
    ) -> None:
        self._s3 = s3
        self._gets = gets
        self._pool = ThreadPoolExecutor(threads)
        self._threads = threads
        self._whole_max_bytes = whole_max_bytes

    def __enter__(self) -> ObjectReads:
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def each(self, sources: Sequence[Source]) -> Iterator[ObjectRead | Unreadable]:
        """The objects in their order. Raises ServiceUnavailableError."""
        ahead: deque[tuple[int, Future[ObjectRead | Unreadable]]] = deque()
        held = 0
        for source in sources:
            may_hold = self._whole_max_bytes if source.compression == GZIP else min(source.size, self._whole_max_bytes)
            while ahead and (len(ahead) >= 2 * self._threads or held + may_hold > AHEAD_MAX_BYTES):
                was_held, future = ahead.popleft()
                yield future.result()
                held -= was_held
            ahead.append((may_hold, self._pool.submit(self._fetch, source)))
            held += may_hold
        for _, future in ahead:
            yield future.result()

    def _fetch(self, source: Source) -> ObjectRead | Unreadable:
        try:
            data = self._whole(source)
        except UNREADABLE as error:
            return error
        if data is None:
            return ObjectRead(source, None, lambda start: open_source(self._s3, source, start, None))
        return ObjectRead(source, data, lambda start: io.BytesIO(data[start:]))

    def _whole(self, source: Source) -> bytes | None:
        if source.size > self._whole_max_bytes:
            return None
        stored = self._gets.whole(source)
        if stored is not None and source.compression != GZIP:
            return stored
        with closing(self._stream(source, stored)) as stream:
            data = read_fully(stream, self._whole_max_bytes + 1)
        return data if len(data) <= self._whole_max_bytes else None

    def _stream(self, source: Source, stored: bytes | None) -> SourceStream:
        if stored is None:
            return open_source(self._s3, source, 0, None)
        return GzipStream(io.BytesIO(stored), str(source))
