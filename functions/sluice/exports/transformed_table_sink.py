"""Records into a table by way of a transform: the target is the transform of the source."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol, Self

from sluice.encoding.item import Item
from sluice.errors import RejectError
from sluice.exports.change_requests import ChangeRequests
from sluice.exports.guard import timed_item, tombstone
from sluice.exports.process import Export
from sluice.exports.records import read_record
from sluice.exports.tally import Origin, Portion, Tally
from sluice.exports.transformation import Transformation
from sluice.keys import KeySchema
from sluice.writing.batch_writer import BatchWriter


class TableChanges(Protocol):
    """Puts and deletes on their way; an item to be deleted has its key attributes alone."""

    def write(self, puts: Sequence[Item], deletes: Sequence[Item], origin: Origin, write_micros: int | None) -> None:
        """Accept what a record became. Raises RejectError before anything of it is written."""

    def flush(self) -> None:
        """Return when all is settled."""

    def close(self) -> None:
        """Let go of what is on its way."""


class OrderedChanges:
    """Of two records that give one key the later in the file wins."""

    def __init__(self, writer: BatchWriter, tally: Tally) -> None:
        self._writer = writer
        self._tally = tally
        self._units_told = 0.0

    def write(self, puts: Sequence[Item], deletes: Sequence[Item], origin: Origin, _write_micros: int | None) -> None:
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
        self._tally.write_units += outcome.write_units - self._units_told
        self._units_told = outcome.write_units

    def close(self) -> None:
        """See TableChanges."""
        self._writer.close()


class GuardedChanges:
    """Of two records that give one key the later written wins."""

    def __init__(self, requests: ChangeRequests) -> None:
        self._requests = requests

    def write(self, puts: Sequence[Item], deletes: Sequence[Item], origin: Origin, write_micros: int | None) -> None:
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
        tally: Tally,
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
        gone = {item.key: item for item in self._transformation(record.old) if item.key not in puts}
        if not puts and not gone:
            self._tally.skipped += 1
            return
        deletes = [Item(item.key, self._key_of(item)) for item in gone.values()]
        origin = Origin(row, line, len(puts) + len(deletes))
        self._changes.write(list(puts.values()), deletes, origin, record.write_micros)
        self._tally.written += 1

    def _key_of(self, item: Item) -> bytes:
        attributes = json.loads(item.body)
        return json.dumps({name: attributes[name] for name in self._key_names}, separators=(",", ":")).encode()
