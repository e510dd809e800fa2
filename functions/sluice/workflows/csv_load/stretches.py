"""The records of a slice: those of the one source, or of each of a range's objects, opened when they are needed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from sluice.mapping.encoders import SourceEncoder, encoder_for
from sluice.reading.line_numbers import LineNumbers
from sluice.reading.object_reads import WHOLE_MAX_BYTES, ObjectRead, ObjectReads
from sluice.reading.record_scanner import BLOCK_BYTES, blocks
from sluice.reading.source import Source
from sluice.reading.streams import SourceStream, open_source
from sluice.workflows.csv_load.ranges import Piece, file_name, source_of
from sluice.workflows.csv_load.slice import SliceRequest, Stretch

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from sluice.reading.object_gets import ObjectGets


class Stretches:
    """What a slice works through, in order.

    Iterating raises SourceChangedError, SourceNotFoundError, SourceMalformedError, AccessDeniedError and
    ServiceUnavailableError.
    """

    def __init__(self, s3: S3Client, gets: ObjectGets, request: SliceRequest) -> None:
        self._s3 = s3
        self._gets = gets
        self._request = request
        self._source = request.source
        self._encoders: dict[tuple[str, ...] | None, SourceEncoder] = {}

    @property
    def unseen(self) -> set[str] | None:
        """Columns of the input that no record has had so far; None for sources with a header, and before a record."""
        encode = self._encoders.get(None)
        return encode.unseen if encode else None

    def __iter__(self) -> Iterator[Stretch]:
        return self._of_pieces() if self._request.range.pieces else self._of_source()

    def _of_source(self) -> Iterator[Stretch]:
        progress, source = self._request.progress, self._source
        with closing(open_source(self._s3, source, progress.position, self._request.range.end)) as stream:
            yield self._stretch(source, stream, progress.position, progress.row)

    def _of_pieces(self) -> Iterator[Stretch]:
        planned, progress = self._request.range, self._request.progress
        left = [(index, each) for index, each in enumerate(planned.pieces) if index >= progress.piece and each.rows]
        sources = [source_of(self._source, self._request.key_prefix, planned, each) for _, each in left]
        with ObjectReads(self._s3, self._gets, WHOLE_MAX_BYTES) as reads:
            for (index, piece), read in zip(left, reads.each(sources), strict=True):
                if not isinstance(read, ObjectRead):
                    raise read
                is_begun = index == progress.piece
                position = progress.position if is_begun else piece.start
                with closing(self._open(read, position, piece)) as stream:
                    row = progress.row if is_begun else piece.first_row
                    stretch = self._stretch(read.source, stream, position, row)
                    stretch.piece, stretch.file = index, file_name(read.source.pin)
                    yield stretch

    def _open(self, read: ObjectRead, position: int, piece: Piece) -> SourceStream:
        if read.data is None:
            return open_source(self._s3, read.source, position, piece.end)
        return io.BytesIO(read.data[position : piece.end])

    def _stretch(self, source: Source, stream: SourceStream, position: int, row: int) -> Stretch:
        encode = self._encoders.get(source.header)
        if encode is None:
            request = self._request
            encode = encoder_for(request.load, source.header, request.schema, has_identity=True)
            self._encoders[source.header] = encode
        encode.identity = self._request.identity(file_name(source.pin))
        lines = LineNumbers(lambda start: open_source(self._s3, source, start, None))
        found = blocks(stream, source.grammar, position, row, BLOCK_BYTES)
        return Stretch(source, encode, found, position, row, line_of=lines)
