"""Objects as blocks of whole records: read at once or as a stream, requested ahead, and continued in a later slice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sluice.errors import InvalidInputError, SourceMalformedError
from sluice.reading.dialect import CSV, DIALECT_FIELDS
from sluice.reading.object_reads import OpenAt
from sluice.reading.record_scanner import Block, ByteStream, Grammar, blocks, first_rows, read_fully
from sluice.reading.source import Source
from sluice.reading.source_header import UTF8_MARK, check_text, header_names, read_header
from sluice.reading.streams import SourceStream
from sluice.rejects import quoted, quoted_names
from sluice.runs.columns_found import ALL_COLUMNS, ColumnsFound
from sluice.workflows.object_aggregate.clean_rows import CleanRows
from sluice.workflows.object_aggregate.progress import RowCounts
from sluice.workflows.object_aggregate.tally import Tally

_SOURCE_FIELD = re.compile(rf"(?<![/\w])source\.(?=(?:{'|'.join((*DIALECT_FIELDS, 'format', 'compression'))})\b)")
_HEAD_BYTES = 64 << 10
# Bounds the memory where the headers of all objects differ.
_HEADERS_MAX = 256

# How the clean records of a source are read, None where they cannot be.
CleanRowsOf = Callable[[Source], CleanRows | None]


@dataclass(frozen=True, slots=True)
class Position:
    """Where in an object to continue: the offset at which a record begins, and the number of that record."""

    offset: int
    row: int


@dataclass(frozen=True, slots=True)
class RecordPiece:
    """Some records of an object, whose header `source` knows; `first_row` is the number of the first, from 1.

    `clean`: the tally of the records if all of them are clean.
    """

    source: Source
    block: Block
    first_row: int
    clean: Tally | None = None

    @property
    def end(self) -> Position:
        """Where the next piece begins."""
        return Position(self.block.end, self.first_row + self.block.rows)


class ObjectRecords:
    """Reads the requested `columns` of objects, in blocks of about `block_bytes`."""

    def __init__(self, columns: Sequence[str], clean_rows_of: CleanRowsOf, block_bytes: int) -> None:
        self._columns = columns
        self._clean_rows_of = clean_rows_of
        self._block_bytes = block_bytes
        self._headers: dict[bytes, tuple[str, ...]] = {}

    def together(self, source: Source, head: bytes, bodies: Iterable[bytes | memoryview]) -> RecordPiece | None:
        """Whole objects that begin with the same bytes, up to their first newline, as one piece.

        None unless all of them are clean, and `pieces` has met this beginning before. `source` is one of theirs.
        """
        header = self._headers.get(head)
        source = replace(source, header=header)
        clean_rows = self._clean_rows_of(source) if header else None
        joined = b"".join(bodies)
        tally = clean_rows.tally(joined) if clean_rows else None
        return None if tally is None else RecordPiece(source, Block(0, joined, tally.rows.read), 1, tally)

    def pieces(self, open_at: OpenAt, source: Source, position: Position | None) -> Iterator[RecordPiece]:
        """The object's records from `place` on (None: all).

        Raises SourceMalformedError for an object that is clearly something else, lacks one of the columns or has it
        twice, or has a quote that is never closed; and what the stream raises.
        """
        with closing(open_at(0)) as stream:
            head = read_fully(stream, _HEAD_BYTES)
            start = _text_start(head, source)
            if len(head) == start:
                return
            source, start = self._with_header(open_at, source, head, start)
            if position is None and start <= len(head):
                yield from self._from(_Led(head[start:], stream), source, Position(start, 1))
                return
        position = position or Position(start, 1)
        with closing(open_at(position.offset)) as stream:
            yield from self._from(stream, source, position)

    def _from(self, stream: ByteStream, source: Source, position: Position) -> Iterator[RecordPiece]:
        grammar, row = source.grammar, position.row
        clean_rows = self._clean_rows_of(source)
        clean = None if clean_rows is None else _CleanFirst(grammar, clean_rows)
        for block in blocks(stream, clean or grammar, position.offset, row, self._block_bytes):
            tally = clean.tally if clean else None
            # A long record is taken alone, out of what was read together.
            yield RecordPiece(source, block, row, tally if tally and tally.rows.read == block.rows else None)
            row += block.rows

    def _with_header(self, open_at: OpenAt, source: Source, head: bytes, start: int) -> tuple[Source, int]:
        """The source with its columns known, and the offset of its first row."""
        if source.format != CSV:
            return source, start
        if source.dialect.has_usual_header:
            return self._with_usual_header(open_at, source, head, start)
        source, start = _read_header(open_at, source)
        _check_columns(source, self._columns)
        return source, start

    def _with_usual_header(self, open_at: OpenAt, source: Source, head: bytes, start: int) -> tuple[Source, int]:
        """That of the first line in most objects, whose names are kept for the next ones."""
        if source.header is not None:
            _check_columns(source, self._columns)
            return source, start
        on_one_line = _header_on_one_line(source, head, start)
        record = on_one_line or _first_record(open_at, source, start)
        source = replace(source, header=tuple(_names(record, source)))
        _check_columns(source, self._columns)
        if on_one_line and source.header and len(self._headers) < _HEADERS_MAX:
            self._headers[head[: record.end]] = source.header
        return source, record.end


def _header_on_one_line(source: Source, head: bytes, start: int) -> Block | None:
    line = head[start : head.find(b"\n", start) + 1]
    grammar = source.grammar
    is_record = line and grammar.measure(line, is_last=False) == (len(line), 1) and grammar.open_quote(line) is None
    return Block(start, line, 1) if is_record else None


def _first_record(open_at: OpenAt, source: Source, start: int) -> Block:
    with closing(open_at(start)) as stream:
        for block in blocks(stream, source.grammar, start, 0, _HEAD_BYTES):
            if block.rows:
                return first_rows(block, source.grammar, 1)
    raise SourceMalformedError(f"{source} has no header row, only blank lines")


class _CleanFirst:
    """A grammar that tries to tally records as clean ones first."""

    def __init__(self, grammar: Grammar, clean_rows: CleanRows) -> None:
        self._grammar = grammar
        self._clean_rows = clean_rows
        self.tally: Tally | None = None

    def measure(self, data: bytes, *, is_last: bool) -> tuple[int, int]:
        """The offset after the last whole record, and the number of records."""
        end = len(data) if is_last else data.rfind(b"\n") + 1
        self.tally = self._clean_rows.tally(data[:end])
        if self.tally is not None:
            return end, self.tally.rows.read
        return self._grammar.measure(data, is_last=is_last)

    def starts(self, data: bytes) -> list[int]:
        """The offset of each record."""
        return self._grammar.starts(data)

    def open_quote(self, data: bytes) -> int | None:
        """The offset of a quote that is never closed."""
        return None if self.tally is not None else self._grammar.open_quote(data)


def _text_start(head: bytes, source: Source) -> int:
    """The offset after a byte order mark, if there is one."""
    try:
        check_text(head, source)
    except (SourceMalformedError, InvalidInputError) as error:
        raise _unreadable(error) from error
    return len(UTF8_MARK) if source.encoding == "utf-8" and head.startswith(UTF8_MARK) else 0


def _read_header(open_at: OpenAt, source: Source) -> tuple[Source, int]:
    try:
        return read_header(open_at, source)
    except (SourceMalformedError, InvalidInputError) as error:
        raise _unreadable(error) from error


def _names(record: Block, source: Source) -> list[str]:
    try:
        return header_names(record, source)
    except (SourceMalformedError, InvalidInputError) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> SourceMalformedError:
    """The error of one object; the fields of this workflow's input have no source before their names."""
    return SourceMalformedError(_SOURCE_FIELD.sub("", str(error)))


def _check_columns(source: Source, columns: Sequence[str]) -> None:
    header = source.header or ()
    for name in columns:
        if (times := header.count(name)) != 1:
            has_several = f"has the column {quoted(name)} {times} times"
            problem = has_several if times else f"has no column {quoted(name)}; its columns are {quoted_names(header)}"
            raise SourceMalformedError(f"{source} {problem}")


class _Led:
    """A stream whose first bytes have been read already."""

    def __init__(self, head: bytes, stream: SourceStream) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        if self._head:
            taken, self._head = self._head[:size], self._head[size:]
            return taken
        return self._stream.read(size)


@dataclass(frozen=True, slots=True)
class PendingObject:
    """An object that a later slice continues. `place`: where, None at its beginning.

    `rows`, `reasons`, `reject_slices` and `columns` are those of the object's slices so far.
    """

    position: Position | None = None
    rows: RowCounts = field(default_factory=RowCounts)
    reasons: Counter[str] = field(default_factory=Counter)
    reject_slices: tuple[int, ...] = ()
    columns: ColumnsFound = field(default_factory=ColumnsFound)

    @classmethod
    def from_state(cls, state: Mapping[str, Any] | None) -> PendingObject:
        """Read the `position` of a BatchProgress."""
        if state is None:
            return cls()
        return cls(
            Position(state["offset"], state["row"]),
            RowCounts(**state["rows"]),
            Counter(state["reasons"]),
            tuple(state["rejectSlices"]),
            # An earlier version did not look for the columns.
            ColumnsFound.from_state(state["columns"]) if "columns" in state else ALL_COLUMNS,
        )

    def to_state(self) -> dict[str, Any] | None:
        """As the `position` of a BatchProgress."""
        if self.position is None:
            return None
        return {
            "offset": self.position.offset,
            "row": self.position.row,
            "rows": asdict(self.rows),
            "reasons": dict(self.reasons),
            "rejectSlices": list(self.reject_slices),
            "columns": self.columns.to_state(),
        }

    def after(self, position: Position, tally: Tally, number: int) -> PendingObject:
        """The object after one more slice, whose rejects, if there are any, have this number."""
        return PendingObject(
            position,
            self.rows + tally.rows,
            self.reasons + tally.reasons,
            (*self.reject_slices, number) if tally.rejects else self.reject_slices,
            self.columns + tally.columns,
        )
