"""The rows of one part of a source as JSON Lines; those that are too large for a child become rejects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring as _quoted
from operator import add
from typing import IO

from sluice.errors import SourceMalformedError
from sluice.querying.result_columns import csv_records
from sluice.querying.result_grammar import ResultGrammar
from sluice.reading.record_scanner import Block, ByteStream, JsonLinesGrammar, blocks, json_lines
from sluice.reading.source import Source

# With the action beside it a row fits into the 256 KiB of a child's input.
ROW_MAX_BYTES = 150_000
ROW_TOO_LARGE = "RowTooLarge"


@dataclass(slots=True)
class RowLines:
    """Reads whole records from `offset` to at least `until`; what it has come to is known when `chunks` has ended.

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
        names = [f"{'{' if place == 0 else ','}{_quoted(column)}:" for place, column in enumerate(columns)]
        for record in csv_records(self._text(block.data)):
            if len(record) != len(names):
                raise self._malformed(f"has {len(record)} values for {len(names)} columns")
            yield ("".join(map(add, names, map(_quoted, record))) + "}").encode()

    def _checked_lines(self, block: Block) -> Iterator[bytes]:
        for line in json_lines(block.data):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise self._malformed("is no JSON") from error
            if not isinstance(row, dict):
                raise self._malformed("is no JSON object")
            yield line

    def _text(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise self._malformed("or one after it is no UTF-8") from error

    def _reject(self, line: bytes) -> None:
        self.rejected += 1
        problem = f"{len(line):,} bytes as JSON, more than the {ROW_MAX_BYTES:,} allowed"
        reject = {"error": ROW_TOO_LARGE, "message": problem, "record": json.loads(line)}
        self.rejects.write(json.dumps(reject, ensure_ascii=False).encode() + b"\n")

    def _malformed(self, problem: str) -> SourceMalformedError:
        return SourceMalformedError(f"{self.source}: row {self.first_row + self.rows} {problem}")
