"""One scan of the source cuts it into ranges of whole records, in as many calls as it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from sluice.loading.plan import Range
from sluice.reading.record_scanner import Block, Grammar, first_rows


class RangeCutter:
    """Goes on with the range `unfinished`, to which the next block belongs.

    `range_bytes` is about how long a range becomes; None makes one range of all. After `cut`, `ranges` are
    those that were finished, and `done` says whether the source's end, or `max_rows`, was reached.
    """

    def __init__(self, unfinished: Range, range_bytes: int | None, max_rows: int | None) -> None:
        self.unfinished = unfinished
        self.ranges: list[Range] = []
        self.done = False
        self._range_bytes = range_bytes
        self._max_rows = max_rows

    def cut(self, blocks: Iterable[Block], grammar: Grammar, is_time_up: Callable[[], bool]) -> None:
        """Take blocks until they end or the time is up; at least one, so that every call gets on."""
        for block in blocks:
            self._take(block, grammar)
            if self._rows_left() == 0:
                break
            if is_time_up():
                if self._range_bytes is not None:
                    self._finish_range()
                return
        if self.unfinished.rows or self.unfinished.index == 0:
            self._finish_range()
        self.done = True

    def _take(self, block: Block, grammar: Grammar) -> None:
        left = self._rows_left()
        if left is not None:
            block = first_rows(block, grammar, left)
        rows = self.unfinished.rows + block.rows
        self.unfinished = replace(self.unfinished, end=block.end, rows=rows)
        length = block.end - self.unfinished.start
        # To the nearest block: each is a little shorter than asked for.
        if self._range_bytes is not None and length + len(block.data) // 2 >= self._range_bytes:
            self._finish_range()

    def _rows_left(self) -> int | None:
        if self._max_rows is None:
            return None
        return self._max_rows - (self.unfinished.first_row + self.unfinished.rows - 1)

    def _finish_range(self) -> None:
        """A range without a row is none, but for the only one of a source without rows."""
        ended = self.unfinished
        self.ranges.append(ended)
        self.unfinished = Range(ended.index + 1, ended.end, ended.end, ended.first_row + ended.rows, 0)
