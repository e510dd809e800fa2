"""The rows of an Athena result file: where they end, and their columns.

A blank line is a row, too: the only column's NULL.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring as _quoted
from operator import add
from typing import IO

from sluice.errors import InvalidInputError, SourceMalformedError
from sluice.reading.record_scanner import Block, ByteStream, JsonLinesGrammar, blocks, json_lines
from sluice.reading.source import Source
from sluice.rejects import quoted

_QUOTE, _NEWLINE = b'"', b"\n"


@dataclass(frozen=True)
class ResultGrammar:
    """See `sluice.reading.record_scanner.Grammar`."""

    def measure(self, data: bytes, *, is_last: bool) -> tuple[int, int]:
        """The offset after the last whole record, and the number of records."""
        pieces = data.split(_QUOTE)
        rows = b"".join(pieces[::2]).count(_NEWLINE)
        end = _last_end(data, pieces)
        if is_last and end < len(data):
            return len(data), rows + 1
        return end, rows

    def starts(self, data: bytes) -> list[int]:
        """The offset of each record."""
        starts, position = [0], 0
        for number, piece in enumerate(data.split(_QUOTE)):
            if number % 2 == 0:
                starts += [position + at + 1 for at, byte in enumerate(piece) if byte == _NEWLINE[0]]
            position += len(piece) + 1
        return starts[:-1] if starts[-1] == len(data) else starts

    def open_quote(self, data: bytes) -> int | None:
        """The offset of a quote that is never closed."""
        return data.rfind(_QUOTE) if data.count(_QUOTE) % 2 else None


def _last_end(data: bytes, pieces: list[bytes]) -> int:
    """The offset after the last newline outside quotes."""
    end = len(data)
    for number in range(len(pieces) - 1, -1, -1):
        start = end - len(pieces[number])
        if number % 2 == 0 and _NEWLINE in pieces[number]:
            return start + pieces[number].rfind(_NEWLINE) + 1
        end = start - 1
    return 0


# Step Functions reads header rows of up to 10 KiB.
HEADER_MAX_BYTES = 10 << 10
# A longer row is alone in its block: see `sluice.reading.record_scanner.blocks`.
SCAN_BLOCK_BYTES = 64 << 10

# Backslashes are dropped, carriage returns may be; what the reader makes of the others, nobody says.
_UNSAFE = bytes({*range(0x20), ord("\\")} - {ord("\t"), ord("\n")})


def csv_records(text: str) -> list[list[str]]:
    """The records of a result; a blank line is a record of one empty cell, as NULL is."""
    return [record or [""] for record in csv.reader(io.StringIO(text, newline=""))]


def damage(block: Block, columns: Sequence[str]) -> str | None:
    """Why the block's rows would not come through Step Functions' CSV reader as they are; None when they would."""
    data = block.data
    if len(data.translate(None, _UNSAFE)) != len(data):
        return "a backslash or a control character"
    if block.rows == 1 and len(data) > SCAN_BLOCK_BYTES:
        return "a long row"
    if len(columns) == 1 and (data.startswith(b"\n") or b"\n\n" in data):
        return "a blank line"
    return None


def check_columns(columns: Sequence[str], needed: Mapping[str, str]) -> None:
    """Raises InvalidInputError for two columns of one name, and by its field for one of `needed` that is not there."""
    for column in _twice(columns):
        raise InvalidInputError("query", f"the result has two columns {quoted(column)}; rename one of them with AS")
    for column, field in needed.items():
        if column not in columns:
            known = ", ".join(quoted(each) for each in columns)
            raise InvalidInputError(field, f"the result has no column {quoted(column)}; it has {known}")


def _twice(columns: Iterable[str]) -> Iterable[str]:
    seen: set[str] = set()
    for column in columns:
        if column in seen:
            yield column
        seen.add(column)


# With the action beside it a row fits into the 256 KiB of a child's input.
ROW_MAX_BYTES = 150_000
ROW_TOO_LARGE = "RowTooLarge"


@dataclass(slots=True)
class RowLines:
    """Reads whole records from `offset` to at least `until`; its counts are final when `chunks` has ended.

    `columns` are a csv's, None for JSON Lines. `first_row` is the number of the first record.
    """

    source: Source
    columns: Sequence[str] | None
    offset: int
    until: int
    first_row: int
    rejects: IO[bytes]
    written: int = 0
    rejected: int = 0

    @property
    def rows(self) -> int:
        """All rows of the part."""
        return self.written + self.rejected

    def chunks(self, stream: ByteStream) -> Iterator[bytes]:
        """The lines, some at a time. Raises SourceMalformedError."""
        grammar = JsonLinesGrammar() if self.columns is None else ResultGrammar()
        for block in blocks(stream, grammar, self.offset, self.first_row):
            lines = b"".join(self._lines(block))
            self.offset = block.end
            if lines:
                yield lines
            if self.offset >= self.until:
                return

    def _lines(self, block: Block) -> Iterator[bytes]:
        for line in self._checked_lines(block) if self.columns is None else self._csv_lines(block, self.columns):
            if len(line) <= ROW_MAX_BYTES:
                self.written += 1
                yield line + b"\n"
            else:
                self._reject(line)

    def _csv_lines(self, block: Block, columns: Sequence[str]) -> Iterator[bytes]:
        # All values are texts: put together from the columns' names, a line takes a quarter of what json.dumps takes.
        names = [f"{'{' if index == 0 else ','}{_quoted(column)}:" for index, column in enumerate(columns)]
        for record in csv_records(self._text(block.data)):
            if len(record) != len(names):
                raise self._malformed(f"has {len(record)} values for {len(names)} columns")
            yield ("".join(map(add, names, map(_quoted, record))) + "}").encode()

    def _checked_lines(self, block: Block) -> Iterator[bytes]:
        for line in json_lines(block.data):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise self._malformed("is not valid JSON") from error
            if not isinstance(row, dict):
                raise self._malformed("is not a JSON object")
            yield line

    def _text(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise self._malformed("or one after it is not UTF-8") from error

    def _reject(self, line: bytes) -> None:
        self.rejected += 1
        problem = f"{len(line):,} bytes as JSON, more than the {ROW_MAX_BYTES:,} allowed"
        reject = {"error": ROW_TOO_LARGE, "message": problem, "record": json.loads(line)}
        self.rejects.write(json.dumps(reject, ensure_ascii=False).encode() + b"\n")

    def _malformed(self, problem: str) -> SourceMalformedError:
        return SourceMalformedError(f"{self.source}: row {self.first_row + self.rows} {problem}")
