"""Where records begin and end in a byte stream: the one place that decides it, for the plan and for the load.

CSV records end exactly where csv.reader ends them (newline="", not strict, doublequote): a quote opens a
quoted field only at the field's start; inside, two quotes are one; after the closing quote the field continues
unquoted. "\n", "\r\n" and a lone "\r" end a record outside quotes. Blank lines are no records.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from sluice.errors import SourceMalformedError

BLOCK_BYTES = 1 << 20
# Items end at 400 KB: a longer record is most likely a quote that is never closed. Memory grows with it.
RECORD_MAX_BYTES = 8 << 20

_LINE = re.compile(rb"[^\r\n]+")
_LONE_RETURN = re.compile(rb"\r(?!\n)")
_JSON_SPACE = b" \t\r"


class ByteStream(Protocol):
    """What blocks are read from."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none only at the end."""


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records: `start` is the offset of `data` in the (decompressed) source, `rows` their number."""

    start: int
    data: bytes
    rows: int

    @property
    def end(self) -> int:
        """The offset after the block."""
        return self.start + len(self.data)


class Grammar(Protocol):
    """How records stand in bytes. `data` always begins where a record may begin."""

    def measure(self, data: bytes, *, is_last: bool) -> tuple[int, int]:
        """Where the last record that is surely whole ends, newline included, and the records up to there."""

    def starts(self, data: bytes) -> list[int]:
        """The offset of each record in `data`."""

    def open_quote(self, data: bytes) -> int | None:
        """The offset of what is opened and never closed, if there is anything: a csv's quote, an object in JSON."""


@dataclass(frozen=True)
class CsvGrammar:
    """`delimiter` and `quote` are one character each, encoded; where `quote` is None, quotes mean nothing."""

    delimiter: bytes
    quote: bytes | None

    def measure(self, data: bytes, *, is_last: bool) -> tuple[int, int]:
        """See Grammar."""
        alike = self._measure_alike(data, is_last=is_last)
        if alike is not None:
            return alike
        lines = self._masked(data)
        if not is_last:
            # A carriage return at the end may be half of a line's end.
            end = max(lines.rfind(b"\n"), lines.rfind(b"\r", 0, len(lines) - 1)) + 1
            lines = lines[:end]
        return len(lines), _count_lines(lines)

    def _measure_alike(self, data: bytes, *, is_last: bool) -> tuple[int, int] | None:
        """The same where each line has the first one's quotes and delimiters, two quotes per cell; None elsewhere.

        Whatever else stands in such a line, its newline ends a record: a cell's first quote opens it and the second one
        closes it, or neither is at the cell's start, and both are text.
        """
        if self.quote is None or not data.startswith(self.quote) or len(self.quote + self.delimiter) > 2:
            return None
        end = data.rfind(b"\n") + 1
        # What follows is part of a record, unless a carriage return alone ends one there.
        if data.find(b"\r", end, len(data) - (not is_last)) >= 0:
            return None
        first = data[: data.find(b"\n") + 1].translate(None, self._text_bytes)
        cells = first.count(self.delimiter) + 1
        if first.rstrip(b"\r\n") != self.delimiter.join([self.quote * 2] * cells):
            return None
        if b"\r" in first and _LONE_RETURN.search(data, 0, end):
            return None
        signs = data[:end].translate(None, self._text_bytes)
        rows, rest = divmod(len(signs), len(first))
        if rest or signs != first * rows:
            return None
        return (len(data), rows + (len(data) > end)) if is_last else (end, rows)

    @cached_property
    def _text_bytes(self) -> bytes:
        """All bytes but those that mean something."""
        signs = {*b"\r\n", *self.delimiter, *(self.quote or b"")}
        return bytes(byte for byte in range(256) if byte not in signs)

    def starts(self, data: bytes) -> list[int]:
        """See Grammar."""
        return [line.start() for line in _LINE.finditer(self._masked(data))]

    def open_quote(self, data: bytes) -> int | None:
        """See Grammar."""
        if self.quote is None or self.quote not in data:
            return None
        # An open field continues to the end: it is among those of the last match.
        start = 0
        for fields in self._quoted_fields.finditer(data):
            start = fields.start()
        open_fields = (field.start() for field in self._quoted_field.finditer(data, start) if field[1] is None)
        return next(open_fields, None)

    def _masked(self, data: bytes) -> bytes:
        """The data with an x for each byte of a quoted field: every newline that is left ends a record."""
        if self.quote is None or self.quote not in data:
            return data
        return self._quoted_fields.sub(_mask, data)

    @cached_property
    def _quoted_fields(self) -> re.Pattern[bytes]:
        """Quoted fields with nothing but delimiters between them: far fewer matches than one per field."""
        quote, delimiter = self._quote, re.escape(self.delimiter)
        inside = rb"%b(?:%b(?:%b|%b%b)%b)*+" % (self._text, quote, quote, delimiter, quote, self._text)
        return re.compile(self._opening + inside + rb"(?:%b)?" % quote)

    @cached_property
    def _quoted_field(self) -> re.Pattern[bytes]:
        """One quoted field; group 1 is its closing quote."""
        inside = rb"%b(?:%b%b%b)*+" % (self._text, self._quote, self._quote, self._text)
        return re.compile(self._opening + inside + rb"(%b)?" % self._quote)

    @property
    def _quote(self) -> bytes:
        return re.escape(self.quote or b"")

    @property
    def _opening(self) -> bytes:
        """A quote at a field's start; it comes before the lookbehind, because re finds a literal fastest."""
        quote, delimiter = self._quote, re.escape(self.delimiter)
        return rb"%b(?:(?<=%b%b)|(?<=[\r\n]%b)|(?<=\A%b))" % (quote, delimiter, quote, quote, quote)

    @property
    def _text(self) -> bytes:
        """Anything but the quote, which may have several bytes."""
        first, rest = re.escape((self.quote or b"")[:1]), re.escape((self.quote or b"")[1:])
        return rb"(?:[^%b]++|%b(?!%b))*+" % (first, first, rest) if rest else rb"[^%b]*+" % first


class JsonLinesGrammar:
    """Records are lines that end with "\\n" or "\\r\\n"; lines of nothing but white space are none."""

    def measure(self, data: bytes, *, is_last: bool) -> tuple[int, int]:
        """See Grammar."""
        end = len(data) if is_last else data.rfind(b"\n") + 1
        return end, len(json_lines(data[:end]))

    def starts(self, data: bytes) -> list[int]:
        """See Grammar."""
        starts, position = [], 0
        for line in data.split(b"\n"):
            if line.strip(_JSON_SPACE):
                starts.append(position)
            position += len(line) + 1
        return starts

    def open_quote(self, data: bytes) -> int | None:
        """No line continues after its newline."""
        return None


def json_lines(data: bytes) -> list[bytes]:
    """The lines that hold something, without the white space at their end."""
    return [line for line in [each.rstrip(_JSON_SPACE) for each in data.split(b"\n")] if line]


def blocks(
    stream: ByteStream, grammar: Grammar, start: int = 0, first_row: int = 1, block_bytes: int = BLOCK_BYTES
) -> Iterator[Block]:
    """Cut a stream into blocks of whole records, of about `block_bytes` each; a longer record stands alone.

    `start` is the stream's offset in the source, `first_row` the number of its first record, for messages.
    Raises SourceMalformedError for a quote that is never closed, and for a record over RECORD_MAX_BYTES.
    """
    data, window, row, is_end = b"", block_bytes, first_row, False
    while True:
        if not is_end:
            wanted = window - len(data)
            more = read_fully(stream, wanted)
            is_end = len(more) < wanted
            data = data + more
        block = _first_block(data[:window], start, grammar, is_last=is_end and len(data) <= window)
        if window > block_bytes:
            # A long record stands alone, so that a block holds one record or little data.
            block = first_rows(block, grammar, 1)
        if block.data:
            if is_end and len(block.data) == len(data):
                _check_closed(block, grammar, row)
            yield block
            data, start, row, window = data[len(block.data) :], block.end, row + block.rows, block_bytes
        elif not data:
            return
        elif window >= RECORD_MAX_BYTES:
            raise _too_long(data, start, grammar, row)
        else:
            # Doubling keeps the work linear, however long the record is.
            window = min(2 * window, RECORD_MAX_BYTES)


def first_rows(block: Block, grammar: Grammar, rows: int) -> Block:
    """The block's first records."""
    if rows >= block.rows:
        return block
    return Block(block.start, block.data[: grammar.starts(block.data)[rows]], rows)


def read_fully(stream: ByteStream, size: int) -> bytes:
    """As many bytes as requested; fewer only at the end."""
    pieces = []
    while size > 0 and (piece := stream.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _first_block(data: bytes, start: int, grammar: Grammar, *, is_last: bool) -> Block:
    end, rows = grammar.measure(data, is_last=is_last)
    return Block(start, data[:end], rows)


def _count_lines(lines: bytes) -> int:
    if b"\r" in lines:
        lines = lines.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    # Backwards, bytes are searched in a third of the time.
    if lines.rfind(b"\n\n") >= 0 or lines.startswith(b"\n"):
        return len(_LINE.findall(lines))
    return lines.count(b"\n") + (lines != b"" and not lines.endswith(b"\n"))


def _check_closed(block: Block, grammar: Grammar, row: int) -> None:
    opened = grammar.open_quote(block.data)
    if opened is not None:
        row += sum(each <= opened for each in grammar.starts(block.data)) - 1
        raise SourceMalformedError(f"row {row}: {_open_name(grammar)} at byte {block.start + opened} is never closed")


def _too_long(data: bytes, start: int, grammar: Grammar, row: int) -> SourceMalformedError:
    opened = grammar.open_quote(data)
    hint = "" if opened is None else f"; {_open_name(grammar)} at byte {start + opened} is not closed within it"
    return SourceMalformedError(f"row {row}: over {RECORD_MAX_BYTES >> 20} MiB, from byte {start} on{hint}")


def _open_name(grammar: Grammar) -> str:
    return str(getattr(grammar, "open_name", "the quote"))


def _mask(quoted: re.Match[bytes]) -> bytes:
    return b"x" * len(quoted[0])
