"""The number of the line that holds a byte, counted only when a message needs it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from sluice.reading.record_scanner import BLOCK_BYTES, read_fully

if TYPE_CHECKING:
    from sluice.reading.streams import SourceStream

# What comes before the byte is read again for it, which takes too long where there is much of it.
LINES_MAX_BYTES = 256 << 20


class LineNumbers:
    """The numbers of lines, from 1, in a source that `open_at` opens at an offset. Ask in the bytes' order."""

    def __init__(self, open_at: Callable[[int], SourceStream]) -> None:
        self._open_at = open_at
        self._position = 0
        self._lines = 0

    def __call__(self, offset: int) -> int | None:
        """The line of the byte at this offset; None beyond LINES_MAX_BYTES. Raises what reading raises."""
        if offset > LINES_MAX_BYTES:
            return None
        if offset > self._position:
            self._count_to(offset)
        return self._lines + 1

    def _count_to(self, offset: int) -> None:
        """Lines end with a line feed, or with a carriage return alone."""
        with closing(self._open_at(self._position)) as stream:
            left, ended_in_return = offset - self._position, False
            while left > 0 and (data := read_fully(stream, min(left, BLOCK_BYTES))):
                self._lines += data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")
                self._lines -= ended_in_return and data.startswith(b"\n")
                ended_in_return = data.endswith(b"\r")
                left -= len(data)
        self._position = offset
