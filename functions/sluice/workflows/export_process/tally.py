"""What became of the records of one slice."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NamedTuple

from sluice.dynamodb.table_writer import WriteOutcome
from sluice.errors import RejectError
from sluice.limits import REJECTS_MAX_BYTES
from sluice.rejects import Reject
from sluice.runs.counts import Counts


class RecordOrigin(NamedTuple):
    """Where a write comes from: its record, and how many writes that record became."""

    row: int
    line: bytes
    writes: int = 1


class Portion(NamedTuple):
    """Lines that stand one after the other in a file; rows count from 1."""

    first_row: int
    lines: list[bytes]

    @property
    def rows(self) -> range:
        """Their numbers."""
        return range(self.first_row, self.first_row + len(self.lines))

    def origin(self, row: int) -> RecordOrigin:
        """Of a record that is written once."""
        return RecordOrigin(row, self.lines[row - self.first_row])


class RecordTally:
    """Records count as written until a writer says otherwise. `file` is what rejects name.

    `omitted`: of the skipped ones those of which the transform made nothing.
    """

    def __init__(self, file: str) -> None:
        self.written = 0
        self.skipped = 0
        self.omitted = 0
        self.write_units = 0.0
        self.reasons: Counter[str] = Counter()
        self._file = file
        self._writes_skipped: Counter[int] = Counter()
        self._rejects: dict[int, bytes] = {}
        self._reject_bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether the slice had better end."""
        return self._reject_bytes > REJECTS_MAX_BYTES

    @property
    def rejected(self) -> int:
        """How many records were rejected."""
        return self.reasons.total()

    def take_rejects(self) -> bytes:
        """The rejects as JSON Lines, in the order of their rows, once all is settled: they are held no longer."""
        # What has taken part in a slice refers to each other, and stays until the collector comes by.
        taken, self._rejects = self._rejects, {}
        return b"".join([taken[row] for row in sorted(taken)])

    def counts(self, read: int) -> Counts:
        """The counts of so many records; raises CountsDoNotReconcileError."""
        return Counts(read, self.written, self.skipped, len(self._rejects)).check(f"{read} records of {self._file}")

    def refuse(self, row: int, line: bytes, error: RejectError) -> None:
        """A record that never came to be written."""
        self._reject(row, line, error.reason, str(error))

    def settle(self, outcome: WriteOutcome) -> None:
        """Count the writes' units, and records by what the writes came to; their origins are Origins."""
        self.write_units += outcome.write_units
        self.correct(outcome)

    def correct(self, outcome: WriteOutcome) -> None:
        """Take those records out of the written ones that were rejected or skipped since the last time."""
        for refused in outcome.take_rejected():
            origin: RecordOrigin = refused.origin
            self.written -= self._reject(origin.row, origin.line, refused.reason, refused.message)
        for origin in outcome.take_skipped():
            self._writes_skipped[origin.row] += 1
            if self._writes_skipped[origin.row] == origin.writes:
                del self._writes_skipped[origin.row]
                self.written -= 1
                self.skipped += 1

    def _reject(self, row: int, line: bytes, reason: str, message: str) -> bool:
        """Keep a record's first reject; returns whether this was it."""
        if row in self._rejects:
            return False
        self._rejects[row] = reject = Reject(row, reason, message, _as_json(line), file=self._file).to_line()
        self._reject_bytes += len(reject)
        self.reasons[reason] += 1
        return True


def _as_json(line: bytes) -> Any:
    """The line as the object that it is, or its text."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return line.decode("utf-8", "surrogateescape")
