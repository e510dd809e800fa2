"""Records into a table, as they stand in the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

from sluice.errors import CountsDoNotReconcileError, RejectError
from sluice.exports.guard import timed_item, tombstone
from sluice.exports.process import FULL, RECORDS, Export
from sluice.exports.raw_records import ITEM_ENDS, ITEM_STARTS, raw_record
from sluice.exports.tally import Origin, Portion, Tally
from sluice.writing.batch_writer import DELETE, PUT
from sluice.writing.in_flight import InFlight
from sluice.writing.newer_puts import TimedPut
from sluice.writing.table_writer import RejectedWrite, WriteOutcome

Change = Callable[[bytes], Any]
Write = Callable[[Sequence[Any], Sequence[int]], WriteOutcome]

_FULL_PUT = b'{"PutRequest":%b}'


def change_of(export: Export) -> Callable[[bytes], bytes]:
    """What makes a line a put or a delete of BatchWriteItem. Raises RejectError."""

    def change(line: bytes) -> bytes:
        record = raw_record(line, export)
        return DELETE % record.keys if record.new is None else PUT % record.new

    def full_change(line: bytes) -> bytes:
        # As it stands, the line is what a PutRequest holds.
        if line.startswith(ITEM_STARTS) and line.endswith(ITEM_ENDS):
            return _FULL_PUT % line
        return change(line)

    return full_change if export.type == FULL and export.lines == RECORDS else change


def guarded_put_of(export: Export) -> Callable[[bytes], TimedPut]:
    """What makes a line a put that keeps later ones, a delete too. Raises RejectError."""

    def guarded_put(line: bytes) -> TimedPut:
        record = raw_record(line, export)
        if record.new is None:
            return tombstone(record.keys or b"{}", record.write_micros)
        return timed_item(record.new, record.write_micros)

    return guarded_put


class _Task(NamedTuple):
    portion: Portion
    changes: Sequence[Any]
    rows: Sequence[int]


class RawTableSink:
    """Records become changes by `change`; `write` writes a portion's changes, in so many threads.

    Nothing keeps two changes of one key in order: an export has each key once.
    """

    def __init__(self, change: Change, write: Write, tally: Tally, threads: int) -> None:
        self._change = change
        self._write = write
        self._tally = tally
        self._in_flight = InFlight(self._work, tally.settle, threads=threads, held=2 * threads)

    def take(self, portion: Portion) -> None:
        """Write the records; waits while too many requests are in flight. Raises their errors."""
        change = self._change
        try:
            task = _Task(portion, [change(line) for line in portion.lines], portion.rows)
        except RejectError:
            task = self._readable(portion)
        self._tally.written += len(task.rows)
        self._in_flight.submit(task, keys=())

    def flush(self) -> None:
        """Return when every record is acknowledged or accounted for."""
        self._in_flight.drain()

    def commit(self) -> None:
        """What is written is there."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._in_flight.close()

    def _readable(self, portion: Portion) -> _Task:
        """Without the records that cannot be read."""
        changes, rows = [], []
        for row, line in zip(portion.rows, portion.lines, strict=True):
            try:
                changes.append(self._change(line))
            except RejectError as error:
                self._tally.refuse(row, line, error)
            else:
                rows.append(row)
        return _Task(portion, changes, rows)

    def _work(self, task: _Task) -> WriteOutcome:
        """Write one portion, in a thread; what is told of single records comes with their lines."""
        outcome = self._write(task.changes, task.rows)
        if outcome.accounted != len(task.rows):
            raise CountsDoNotReconcileError(f"{len(task.rows)} records written, {outcome.accounted} accounted for")
        outcome.skipped = [_origin(task, row) for row in outcome.skipped]
        outcome.rejected = [
            RejectedWrite(_origin(task, each.origin), each.reason, each.message) for each in outcome.rejected
        ]
        return outcome


def _origin(task: _Task, row: int) -> Origin:
    return Origin(row, task.portion.lines[row - task.portion.first_row])
