"""What became of each batch of objects, read from the records of the two Map Runs that work through them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sluice.runs.columns_found import ColumnsFound
from sluice.runs.counts import Counts
from sluice.runs.outcomes import PENDING, SUCCEEDED, message_in
from sluice.runs.paths import Run
from sluice.runs.reasons import Reasons
from sluice.workflows.object_aggregate.progress import BatchProgress, RowCounts

NOT_FINISHED = "NotFinished"

# By the first object of its batch, so that parts come in the order of the listing.
Part = tuple[str, str]


@dataclass(slots=True)
class BatchOutcomes:
    """The batches so far. Each is known by the key of its first object, which no other batch has.

    `unfinished`: batches that were left for FinishBatches, and how many objects they have; `errors`: those of the
    children that failed, by batch. One batch takes no more memory than the names of what it has left.
    """

    run: Run
    objects: Counts = field(default_factory=Counts)
    rows: RowCounts = field(default_factory=RowCounts)
    bytes: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    columns: ColumnsFound = field(default_factory=ColumnsFound)
    failed_batches: int = 0
    errors: Reasons = field(default_factory=Reasons)
    parts: list[Part] = field(default_factory=list)
    rejects: list[Part] = field(default_factory=list)
    unreadable: list[Part] = field(default_factory=list)
    unfinished: dict[str, int] = field(default_factory=dict)
    _ended: set[str] = field(default_factory=set)

    @property
    def accounted(self) -> int:
        """Objects whose batch has ended, or waits to be finished."""
        return self.objects.read + sum(self.unfinished.values())

    def add_first(self, records: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """The records of AggregateBatches, those that succeeded first; yields the objects of batches that failed."""
        for record in records:
            objects = json.loads(record["Input"])["Items"]
            first = objects[0]["key"]
            if first in self._ended or first in self.unfinished:
                continue
            if record["Status"] != SUCCEEDED:
                yield from self._fail(first, objects, record)
                continue
            output = json.loads(record["Output"])
            if output["done"]:
                self._finish(first, BatchProgress.from_state(output))
            else:
                self.unfinished[first] = len(objects)

    def add_finishing(self, records: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """The records of FinishBatches, of batches that are unfinished; yields as `add_first`."""
        for record in records:
            objects = json.loads(record["Input"])["objects"]
            first = objects[0]["key"]
            if self.unfinished.pop(first, None) is None:
                continue
            if record["Status"] == SUCCEEDED:
                self._finish(first, BatchProgress.from_state(json.loads(record["Output"])))
            else:
                yield from self._fail(first, objects, record)

    def give_up(self, records: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Batches that nobody has finished have failed; takes the records of AggregateBatches once more."""
        for record in records if self.unfinished else ():
            objects = json.loads(record["Input"])["Items"]
            if self.unfinished.pop(objects[0]["key"], None) is not None:
                yield from self._fail(objects[0]["key"], objects, {"Status": NOT_FINISHED})

    def _finish(self, first: str, progress: BatchProgress) -> None:
        run, batch = self.run, progress.batch
        self._ended.add(first)
        self.objects += progress.objects.check(f"batch {batch}")
        self.rows += progress.rows
        self.bytes += progress.bytes
        self.reasons += progress.reasons
        self.columns += progress.columns
        self.parts += ((first, run.batch_part_key(batch, each)) for each in progress.part_slices)
        self.rejects += ((first, run.batch_reject_key(batch, each)) for each in progress.reject_slices)
        self.unreadable += ((first, run.batch_unreadable_key(batch, each)) for each in progress.unreadable_slices)

    def _fail(self, first: str, objects: list[dict[str, Any]], record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """None of its objects counts as read, whatever its slices have left."""
        self._ended.add(first)
        self.failed_batches += 1
        self.objects += Counts(read=len(objects), failed=len(objects))
        error, message = record.get("Error", record["Status"]), message_in(record.get("Cause"))
        if record["Status"] not in (PENDING, NOT_FINISHED):
            self.errors.add(error, message)
        for each in objects:
            yield {**each, "error": error, "message": message}


def keys_in_order(parts: Iterable[Part]) -> list[str]:
    """Keys of parts, in the order of the batches and slices that have left them."""
    return [key for _, key in sorted(parts)]
