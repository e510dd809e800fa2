"""Records into a table, as they stand in the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

from sluice.errors import RejectError
from sluice.exports.change_requests import ChangeRequests
from sluice.exports.guard import timed_item, tombstone
from sluice.exports.process import FULL, REJECTS, Export
from sluice.exports.raw_records import ITEM_ENDS, ITEM_STARTS, NewImages, raw_record
from sluice.exports.tally import Portion, Tally
from sluice.writing.batch_writer import DELETE, PUT
from sluice.writing.newer_puts import TimedPut

Change = Callable[[bytes], Any]

_FULL_PUT = b'{"PutRequest":%b}'


def change_of(export: Export) -> Callable[[bytes], bytes]:
    """What makes a line a put or a delete of BatchWriteItem. Raises RejectError."""

    def change(line: bytes) -> bytes:
        record = raw_record(line, export)
        return DELETE % record.keys if record.new is None else PUT % record.new

    def full_change(line: bytes) -> bytes:
        # As it stands, the line is what a PutRequest holds.
        return _FULL_PUT % line if line.startswith(ITEM_STARTS) and line.endswith(ITEM_ENDS) else change(line)

    cut = NewImages().cut

    def incremental_change(line: bytes) -> bytes:
        new = cut(line)
        return change(line) if new is None else PUT % new

    if export.lines == REJECTS:
        return change
    return full_change if export.type == FULL else incremental_change


def guarded_put_of(export: Export) -> Callable[[bytes], TimedPut]:
    """What makes a line a put that keeps later ones, a delete too. Raises RejectError."""

    def guarded_put(line: bytes) -> TimedPut:
        record = raw_record(line, export)
        if record.new is None:
            return tombstone(record.keys or b"{}", record.write_micros)
        return timed_item(record.new, record.write_micros)

    return guarded_put


class RawTableSink:
    """Records become changes by `change`, one each: an export has every key once."""

    def __init__(self, change: Change, requests: ChangeRequests, tally: Tally) -> None:
        self._change = change
        self._requests = requests
        self._tally = tally

    def take(self, portion: Portion) -> None:
        """Write the records; waits while too many requests are in flight. Raises their errors."""
        change = self._change
        rows: Sequence[int] = portion.rows
        try:
            changes = [change(line) for line in portion.lines]
        except RejectError:
            changes, rows = self._readable(portion)
        self._tally.written += len(changes)
        self._requests.send(changes, rows, portion.origin)

    def flush(self) -> None:
        """Return when every record is acknowledged or accounted for."""
        self._requests.flush()

    def commit(self) -> None:
        """What is written is there."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._requests.close()

    def _readable(self, portion: Portion) -> tuple[list[Any], Sequence[int]]:
        """The changes without the records that cannot be read, and their rows."""
        changes, rows = [], []
        for row, line in zip(portion.rows, portion.lines, strict=True):
            try:
                changes.append(self._change(line))
            except RejectError as error:
                self._tally.refuse(row, line, error)
            else:
                rows.append(row)
        return changes, rows
