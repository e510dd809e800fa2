"""Records into a table, as they stand in the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self

from sluice.errors import CountsDoNotReconcileError, RejectError
from sluice.exports.guard import timed_item, tombstone
from sluice.exports.process import FULL, REJECTS, Export
from sluice.exports.raw_records import ITEM_ENDS, ITEM_STARTS, NewImages, raw_record
from sluice.exports.tally import Origin, Portion, Tally
from sluice.writing.batch_writer import DELETE, PUT
from sluice.writing.in_flight import InFlight
from sluice.writing.newer_puts import TimedPut
from sluice.writing.outstanding import Answer, Outstanding
from sluice.writing.table_writer import WriteOutcome
from sluice.writing.wire import Wire

Change = Callable[[bytes], Any]

# For requests that DynamoDB throttles, refuses or loses: they wait, and are sent again.
TROUBLED_THREADS = 8

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


class Writes(Protocol):
    """How changes become requests, and what is left to do after an answer."""

    operation: str
    changes_per_request: int

    def body(self, changes: Sequence[Any], /) -> bytes:
        """One request."""

    def units(self, answer: Mapping[str, Any], /) -> float | None:
        """The write units of a request that was carried out; None when something of it is left."""

    def settle(self, changes: Sequence[Any], origins: Sequence[Origin], answer: Answer, /) -> WriteOutcome:
        """Go on after the answer until all changes are settled."""


class _Sent(NamedTuple):
    portion: Portion
    changes: Sequence[Any]
    rows: Sequence[int]


class RawTableSink:
    """Records become changes by `change` and requests by `writes`.

    Requests go out from one thread; those that do not end well at once are seen to in others. Nothing keeps two
    changes of one key in order: an export has each key once.
    """

    def __init__(self, wire: Wire, change: Change, writes: Writes, tally: Tally, in_flight: int) -> None:
        self._change = change
        self._writes = writes
        self._tally = tally
        self._outstanding: Outstanding[_Sent] = Outstanding(wire, writes.operation, self._answered, in_flight)
        self._troubled = InFlight(self._settle, tally.settle, threads=TROUBLED_THREADS, held=2 * in_flight)

    def take(self, portion: Portion) -> None:
        """Write the records; waits while too many requests are in flight. Raises their errors."""
        change, size = self._change, self._writes.changes_per_request
        rows: Sequence[int] = portion.rows
        try:
            changes = [change(line) for line in portion.lines]
        except RejectError:
            changes, rows = self._readable(portion)
        self._tally.written += len(changes)
        for start in range(0, len(changes), size):
            sent = _Sent(portion, changes[start : start + size], rows[start : start + size])
            self._outstanding.send(self._writes.body(sent.changes), sent)

    def flush(self) -> None:
        """Return when every record is acknowledged or accounted for."""
        self._outstanding.drain()
        self._troubled.drain()

    def commit(self) -> None:
        """What is written is there."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._outstanding.close()
        self._troubled.close()

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

    def _answered(self, sent: _Sent, answer: Answer) -> None:
        units = self._writes.units(answer) if isinstance(answer, dict) else None
        if units is None:
            self._troubled.submit((sent, answer), keys=())
        else:
            self._tally.carried_out(len(sent.rows), units)

    def _settle(self, troubled: tuple[_Sent, Answer]) -> WriteOutcome:
        (portion, changes, rows), answer = troubled
        origins = [Origin(row, portion.lines[row - portion.first_row]) for row in rows]
        outcome = self._writes.settle(changes, origins, answer)
        if outcome.accounted != len(rows):
            raise CountsDoNotReconcileError(f"{len(rows)} records written, {outcome.accounted} accounted for")
        return outcome
