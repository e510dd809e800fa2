"""One slice of a data file: records into a sink, until the file ends or the time is up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, Self

from sluice.exports.tally import Portion, Tally
from sluice.loading.range_progress import RangeProgress
from sluice.pacing.allowance import Allowance, Spending

# The clock is read once for so many lines.
PORTION_LINES = 250


class Sink(Protocol):
    """Where records go. Leaving its context lets go of what was begun and not committed."""

    def take(self, portion: Portion) -> None:
        """Accept records; waits while too many are on their way."""

    def flush(self) -> None:
        """Return when everything taken is settled."""

    def commit(self) -> None:
        """Let what was taken be seen, once the slice's progress is certain."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_error: object) -> None: ...


class FileSlice:
    """One slice, from `before` on; `sink` tells `tally` what becomes of the records.

    `writes`: what they may take, and until when. At a rate each portion is settled before the next one, so that it is
    known what it took.
    """

    def __init__(self, before: RangeProgress, sink: Sink, tally: Tally, writes: Allowance) -> None:
        self._before = before
        self._sink = sink
        self._tally = tally
        self._writes = writes
        self._has_begun = False
        self._row = before.row
        self._position = before.position

    def run(self, blocks: Iterable[list[bytes]]) -> RangeProgress:
        """Work through the blocks; at least one portion is done however little time there is.

        Raises what the sink raises; a slice that raised is begun again from where it began.
        """
        done = True
        for lines in self._portions(blocks):
            spending = self._admitted(len(lines))
            if spending is None:
                done = False
                break
            self._take(lines, spending)
        self._sink.flush()
        return self._after(done=done)

    def _portions(self, blocks: Iterable[list[bytes]]) -> Iterator[list[bytes]]:
        for block in blocks:
            start = 0
            while start < len(block):
                lines = block[start : start + self._portion_lines]
                yield lines
                start += len(lines)

    @property
    def _portion_lines(self) -> int:
        """What a record takes is not known before the first one."""
        is_unknown = self._is_at_rate and not self._has_begun
        return 1 if is_unknown else self._writes.bounded(PORTION_LINES) or PORTION_LINES

    @property
    def _is_at_rate(self) -> bool:
        return self._writes.bounded(None) is not None

    def _admitted(self, lines: int) -> Spending | None:
        """Wait until so many may be written; None when the slice had better end, which it does not at its beginning."""
        if not self._has_begun:
            self._has_begun = True
            return self._writes.admit(lines)
        return None if self._tally.is_full else self._writes.before(lines)

    def _take(self, lines: list[bytes], spending: Spending) -> None:
        records = [line for line in lines if line] if b"" in lines else lines
        units_before = self._tally.write_units
        self._sink.take(Portion(self._row, records))
        if self._is_at_rate:
            self._sink.flush()
            spending.ended(self._tally.write_units - units_before, len(records))
        self._row += len(records)
        self._position += sum(map(len, lines)) + len(lines)

    def _after(self, *, done: bool) -> RangeProgress:
        before, tally = self._before, self._tally
        return RangeProgress(
            position=self._position,
            row=self._row,
            slices=before.slices + 1,
            done=done,
            counts=before.counts + tally.counts(self._row - before.row),
            write_units=before.write_units + tally.write_units,
            reject_slices=(*before.reject_slices, before.slices) if tally.reasons else before.reject_slices,
            reasons=before.reasons + tally.reasons,
        )
