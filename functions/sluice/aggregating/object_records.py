"""An object's bytes become pieces: blocks of whole records whose columns are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from sluice.errors import SourceMalformedError
from sluice.reading.csv_rows import csv_records
from sluice.reading.object_stream import SourceStream
from sluice.reading.record_scanner import Block, blocks, first_rows, read_fully
from sluice.reading.source import CSV, Source
from sluice.rejects import quoted

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_GZIP_MARK = b"\x1f\x8b"
_HEADER_BLOCK_BYTES = 64 << 10

# Opens an object's bytes from an offset on; offsets are of the decompressed bytes.
OpenAt = Callable[[int], SourceStream]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in an object to go on: an offset at which a record begins, and that record's number."""

    offset: int
    row: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Some records of an object, whose header `source` knows; `first_row` is the number of the first, from 1."""

    source: Source
    block: Block
    first_row: int

    @property
    def end(self) -> Place:
        """Where the next piece begins."""
        return Place(self.block.end, self.first_row + self.block.rows)


def pieces(
    open_at: OpenAt, source: Source, columns: Sequence[str], place: Place | None, block_bytes: int
) -> Iterator[Piece]:
    """The object's records from `place` on (None: all), in blocks of about `block_bytes`.

    Raises SourceMalformedError for an object that is clearly something else, lacks one of the columns or has it twice,
    or has a quote that is never closed; and what the stream raises.
    """
    if place is None:
        with closing(open_at(0)) as stream:
            yield from _from_start(stream, source, columns, block_bytes)
        return
    if source.format == CSV and source.header is None:
        with closing(open_at(0)) as stream:
            source = next(_from_start(stream, source, columns, _HEADER_BLOCK_BYTES)).source
    with closing(open_at(place.offset)) as stream:
        yield from _numbered(blocks(stream, source.grammar, place.offset, place.row, block_bytes), source, place.row)


def _from_start(stream: SourceStream, source: Source, columns: Sequence[str], block_bytes: int) -> Iterator[Piece]:
    lead = read_fully(stream, len(_UTF8_MARK))
    start = _text_start(lead, source)
    whole = _Led(lead[start:], stream)
    has_header_row = source.format == CSV and source.header is None
    found = blocks(whole, source.grammar, start, 0 if has_header_row else 1, block_bytes)
    if not has_header_row:
        if source.format == CSV:
            _check_columns(source, columns)
        yield from _numbered(found, source, 1)
        return
    for block in found:
        if block.rows:
            header = first_rows(block, source.grammar, 1)
            source = replace(source, header=tuple(_names(header, source)))
            _check_columns(source, columns)
            rest = Block(header.end, block.data[len(header.data) :], block.rows - 1)
            yield Piece(source, rest, 1)
            yield from _numbered(found, source, block.rows)
            return
    if lead[start:]:
        raise SourceMalformedError(f"{source} has no header row, only blank lines")


def _numbered(found: Iterator[Block], source: Source, row: int) -> Iterator[Piece]:
    for block in found:
        yield Piece(source, block, row)
        row += block.rows


def _text_start(lead: bytes, source: Source) -> int:
    """The offset after a byte order mark, if there is one."""
    if lead.startswith(_GZIP_MARK):
        hint = "twice over" if source.key.lower().endswith(".gz") else "and its key does not end in .gz"
        raise SourceMalformedError(f"{source} is gzip, {hint}")
    if lead.startswith(_UTF16_MARKS) and source.encoding == "utf-8":
        raise SourceMalformedError(f"{source} is utf-16; convert it to utf-8")
    return len(_UTF8_MARK) if source.encoding == "utf-8" and lead == _UTF8_MARK else 0


def _names(record: Block, source: Source) -> list[str]:
    try:
        text = str(record.data, source.encoding)
    except UnicodeDecodeError as error:
        offset = record.start + error.start
        raise SourceMalformedError(
            f"{source}: byte 0x{record.data[error.start]:02x} of the header row, at offset {offset}, "
            f"is not {source.encoding}; set encoding"
        ) from error
    return csv_records(text, source.delimiter, source.quote)[0]


def _check_columns(source: Source, columns: Sequence[str]) -> None:
    header = source.header or ()
    for name in columns:
        if (times := header.count(name)) != 1:
            problem = f"has the column {quoted(name)} {times} times" if times else f"has no column {quoted(name)}"
            raise SourceMalformedError(f"{source} {problem}")


class _Led:
    """A stream whose first bytes have been read already."""

    def __init__(self, lead: bytes, stream: SourceStream) -> None:
        self._lead = lead
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        if self._lead:
            taken, self._lead = self._lead[:size], self._lead[size:]
            return taken
        return self._stream.read(size)
