"""One slice of a data file: records into a sink, until the file ends or the time is up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, Self

from sluice.exports.tally import Portion, Tally
from sluice.exports.write_pace import WritePace
from sluice.loading.range_progress import RangeProgress

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
    """One slice, from `before` on; `sink` tells `tally` what becomes of the records."""

    def __init__(self, before: RangeProgress, sink: Sink, tally: Tally, pace: WritePace) -> None:
        self._before = before
        self._sink = sink
        self._tally = tally
        self._pace = pace
        self._row = before.row
        self._position = before.position

    def run(self, blocks: Iterable[list[bytes]], is_time_up: Callable[[], bool]) -> RangeProgress:
        """Work through the blocks; at least one portion is done however little time there is.

        Raises what the sink raises; a slice that raised is begun again from where it began.
        """
        done = True
        for lines in self._portions(blocks):
            if self._position > self._before.position and self._shall_end(is_time_up):
                done = False
                break
            self._take(lines)
        self._sink.flush()
        return self._after(done=done)

    def _portions(self, blocks: Iterable[list[bytes]]) -> Iterator[list[bytes]]:
        for block in blocks:
            start = 0
            while start < len(block):
                lines = self._pace.affordable(block[start : start + PORTION_LINES])
                yield lines
                start += len(lines)

    def _shall_end(self, is_time_up: Callable[[], bool]) -> bool:
        return self._tally.is_full or not self._pace.wait(is_time_up)

    def _take(self, lines: list[bytes]) -> None:
        records = [line for line in lines if line] if b"" in lines else lines
        self._sink.take(Portion(self._row, records))
        self._pace.spend(records)
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
