"""What a worker has done: as its heartbeats add it to the run's item, and as its slice leaves it for a report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sluice.state import State
from sluice.sums import FieldSums

# The course of a slice has a sample each time so many seconds have passed.
SAMPLE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class WorkDone(FieldSums, State):
    """Rows (items, records, keys or objects, whatever the run counts) by outcome, units, and bytes read of a source."""

    read: int = 0
    written: int = 0
    skipped: int = 0
    rejected: int = 0
    failed: int = 0
    read_units: float = 0.0
    write_units: float = 0.0
    bytes: int = 0

    @classmethod
    def from_counters(cls, numbers: Mapping[str, float]) -> WorkDone:
        """What an item's counters say; those that it lacks are 0."""
        zero: Any = cls()
        kinds = {each.name: type(getattr(zero, each.name)) for each in fields(cls)}
        return cls(*(kind(numbers.get(COUNTERS[name], 0)) for name, kind in kinds.items()))

    def counters(self) -> Iterator[tuple[str, str]]:
        """What to add to the item's counters, those that change."""
        for each in fields(self):
            value = getattr(self, each.name)
            if value:
                yield COUNTERS[each.name], str(value) if isinstance(value, int) else f"{value:.2f}"


COUNTERS = {
    "read": "rowsRead",
    "written": "rowsWritten",
    "skipped": "rowsSkipped",
    "rejected": "rowsRejected",
    "failed": "rowsFailed",
    "read_units": "readUnits",
    "write_units": "writeUnits",
    "bytes": "bytes",
}


class Course:
    """Samples of what a slice had done, about ten seconds apart."""

    def __init__(self) -> None:
        self._samples: list[tuple[float, WorkDone]] = []

    def begin(self, now: float) -> None:
        """The slice begins; `now` is seconds since 1970."""
        self._samples = [(now, WorkDone())]

    def note(self, now: float, done: WorkDone) -> None:
        """Take a sample when one is due."""
        if self._samples and now - self._samples[-1][0] >= SAMPLE_SECONDS:
            self._samples.append((now, done))

    def lines(self, now: float, done: WorkDone) -> bytes:
        """The samples and how the slice ended, as JSON Lines; empty for a slice too short for a sample.

        {"at": seconds since 1970, "read", "written", "skipped", "rejected", "failed", "readUnits", "writeUnits",
        "bytes"}: all since the slice began.
        """
        if len(self._samples) < 2:
            return b""
        samples = [*self._samples, (now, done)]
        return b"".join(json.dumps({"at": round(at, 3), **each.to_state()}).encode() + b"\n" for at, each in samples)
