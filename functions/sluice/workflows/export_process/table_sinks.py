"""Records into a table: as they are in the file, or as a transform returns them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self

from sluice.aws.in_flight import InFlight
from sluice.aws.pipeline import Answer, RequestPipeline
from sluice.aws.wire import Wire
from sluice.dynamodb.batch_writer import DELETE_REQUEST, PUT, BatchWriter
from sluice.dynamodb.conditional_writers import TimedPut
from sluice.dynamodb.items import Item
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.table_writer import WriteOutcome
from sluice.errors import CountsDoNotReconcileError, RejectError
from sluice.workflows.export_process.input import FULL, REJECTED_RECORDS, Export
from sluice.workflows.export_process.items import Transformation, timed_item, tombstone
from sluice.workflows.export_process.records import ITEM_ENDS, ITEM_STARTS, NewImages, raw_record, read_record
from sluice.workflows.export_process.tally import Portion, RecordOrigin, RecordTally

# At 5 to 10 ms a request this is as much as one vCPU can prepare.
SINK_REQUESTS_IN_FLIGHT = 16
# For requests that DynamoDB throttles, refuses or loses: they wait, and are sent again. What is held at the end of a
# slice has to be settled in the time that is left.
SINK_TROUBLED_THREADS = 16

OriginOf = Callable[[int], RecordOrigin]


class Writes(Protocol):
    """How changes become requests, and what is left to do after an answer."""

    operation: str
    changes_per_request: int

    def body(self, changes: Sequence[Any], /) -> bytes:
        """One request."""

    def units(self, answer: Mapping[str, Any], /) -> float | None:
        """The write units of a request that was carried out; None when something of it is left."""

    def settle(self, changes: Sequence[Any], origins: Sequence[RecordOrigin], answer: Answer, /) -> WriteOutcome:
        """Go on after the answer until all changes are settled."""


class _Sent(NamedTuple):
    changes: Sequence[Any]
    rows: Sequence[int]
    origin_of: OriginOf


class ChangeRequests:
    """Requests go out from one thread; those that do not end well at once are seen to in others.

    Nothing keeps two changes of one key in order.
    """

    def __init__(
        self, wire: Wire, writes: Writes, tally: RecordTally, in_flight: int = SINK_REQUESTS_IN_FLIGHT
    ) -> None:
        self._writes = writes
        self._tally = tally
        self._pipeline: RequestPipeline[_Sent] = RequestPipeline(wire, writes.operation, self._answered, in_flight)
        self._troubled = InFlight(self._settle, tally.settle, threads=SINK_TROUBLED_THREADS, held=SINK_TROUBLED_THREADS)

    def send(self, changes: Sequence[Any], rows: Sequence[int], origin_of: OriginOf) -> None:
        """Send the changes of these rows; waits while too many requests are in flight. Raises their errors."""
        size = self._writes.changes_per_request
        for start in range(0, len(changes), size):
            sent = _Sent(changes[start : start + size], rows[start : start + size], origin_of)
            self._pipeline.send(self._writes.body(sent.changes), sent)

    def flush(self) -> None:
        """Return when every change is acknowledged or accounted for."""
        self._pipeline.drain()
        self._troubled.drain()

    def close(self) -> None:
        """Release what is in flight."""
        self._pipeline.close()
        self._troubled.close()

    def _answered(self, sent: _Sent, answer: Answer) -> None:
        units = self._writes.units(answer) if isinstance(answer, dict) else None
        if units is None:
            self._troubled.submit((sent, answer), keys=())
        else:
            self._tally.write_units += units

    def _settle(self, troubled: tuple[_Sent, Answer]) -> WriteOutcome:
        sent, answer = troubled
        outcome = self._writes.settle(sent.changes, [sent.origin_of(row) for row in sent.rows], answer)
        if outcome.accounted != len(sent.rows):
            raise CountsDoNotReconcileError(f"{len(sent.rows)} records written, {outcome.accounted} accounted for")
        return outcome


Change = Callable[[bytes], Any]

_FULL_PUT = b'{"PutRequest":%b}'


def change_of(export: Export) -> Callable[[bytes], bytes]:
    """What makes a line a put or a delete of BatchWriteItem. Raises RejectError."""

    def change(line: bytes) -> bytes:
        record = raw_record(line, export)
        return DELETE_REQUEST % record.keys if record.new is None else PUT % record.new

    def full_change(line: bytes) -> bytes:
        # As it stands, the line is what a PutRequest holds.
        return _FULL_PUT % line if line.startswith(ITEM_STARTS) and line.endswith(ITEM_ENDS) else change(line)

    cut = NewImages().cut

    def incremental_change(line: bytes) -> bytes:
        new = cut(line)
        return change(line) if new is None else PUT % new

    if export.lines == REJECTED_RECORDS:
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

    def __init__(self, change: Change, requests: ChangeRequests, tally: RecordTally) -> None:
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


class TableChanges(Protocol):
    """Puts and deletes in flight; an item to be deleted has its key attributes alone."""

    def write(
        self, puts: Sequence[Item], deletes: Sequence[Item], origin: RecordOrigin, write_micros: int | None
    ) -> None:
        """Accept what a record became. Raises RejectError before anything of it is written."""

    def flush(self) -> None:
        """Return when all is settled."""

    def close(self) -> None:
        """Release what is in flight."""


class OrderedChanges:
    """Of two records that give one key the later in the file wins."""

    def __init__(self, writer: BatchWriter, tally: RecordTally) -> None:
        self._writer = writer
        self._tally = tally
        self._reported_units = 0.0

    def write(
        self, puts: Sequence[Item], deletes: Sequence[Item], origin: RecordOrigin, _write_micros: int | None
    ) -> None:
        """See TableChanges."""
        for item in puts:
            self._writer.put(item, origin)
        for key in deletes:
            self._writer.delete(key, origin)
        self._tally.correct(self._writer.outcome)

    def flush(self) -> None:
        """See TableChanges."""
        self._writer.flush()
        outcome = self._writer.outcome
        self._tally.correct(outcome)
        self._tally.write_units += outcome.write_units - self._reported_units
        self._reported_units = outcome.write_units

    def close(self) -> None:
        """See TableChanges."""
        self._writer.close()


class GuardedChanges:
    """Of two records that give one key the later written wins."""

    def __init__(self, requests: ChangeRequests) -> None:
        self._requests = requests

    def write(
        self, puts: Sequence[Item], deletes: Sequence[Item], origin: RecordOrigin, write_micros: int | None
    ) -> None:
        """See TableChanges."""
        changes = [timed_item(item.body, write_micros) for item in puts]
        changes += [tombstone(key.body, write_micros) for key in deletes]
        self._requests.send(changes, [origin.row] * len(changes), lambda _row: origin)

    def flush(self) -> None:
        """See TableChanges."""
        self._requests.flush()

    def close(self) -> None:
        """See TableChanges."""
        self._requests.close()


class TransformedTableSink:
    """Puts what the new image becomes, and deletes what the old image became and the new one does not."""

    def __init__(
        self,
        export: Export,
        transformation: Transformation[Item],
        schema: KeySchema,
        changes: TableChanges,
        tally: RecordTally,
    ) -> None:
        self._export = export
        self._transformation = transformation
        self._key_names = [key.name for key in schema.attributes]
        self._changes = changes
        self._tally = tally

    def take(self, portion: Portion) -> None:
        """Write what the records become; waits while too many requests are in flight. Raises their errors."""
        for row, line in zip(portion.rows, portion.lines, strict=True):
            try:
                self._carry(row, line)
            except RejectError as error:
                self._tally.refuse(row, line, error)

    def flush(self) -> None:
        """Return when every record is acknowledged or accounted for."""
        self._changes.flush()

    def commit(self) -> None:
        """What is written is there."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._changes.close()

    def _carry(self, row: int, line: bytes) -> None:
        record = read_record(line, self._export)
        puts = {item.key: item for item in self._transformation(record.new)}
        deleted = {item.key: item for item in self._transformation(record.old) if item.key not in puts}
        if not puts and not deleted:
            self._tally.skipped += 1
            self._tally.omitted += 1
            return
        deletes = [Item(item.key, self._key_of(item)) for item in deleted.values()]
        origin = RecordOrigin(row, line, len(puts) + len(deletes))
        self._changes.write(list(puts.values()), deletes, origin, record.write_micros)
        self._tally.written += 1

    def _key_of(self, item: Item) -> bytes:
        attributes = json.loads(item.body)
        return json.dumps({name: attributes[name] for name in self._key_names}, separators=(",", ":")).encode()
