"""A batch of objects: what AggregateObjects gets, and how far it is."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from sluice.errors import SourceMalformedError
from sluice.fields import Fields
from sluice.reading.dialect import JSONL, REJECTS
from sluice.reading.key_endings import compression_by_name, format_by_name
from sluice.reading.source import ObjectPin, Source
from sluice.runs.columns_found import ALL_COLUMNS, ColumnsFound
from sluice.runs.counts import Counts
from sluice.runs.paths import Run
from sluice.state import State, VersionedState
from sluice.sums import FieldSums
from sluice.workflows.object_aggregate.aggregation import Aggregation


@dataclass(frozen=True, slots=True)
class RowCounts(FieldSums):
    """Rows by what became of them: `filtered` by `where`, `rejected` into the rejects file."""

    read: int = 0
    aggregated: int = 0
    filtered: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class BatchProgress(VersionedState):
    """How far a batch has come. `batch` names it within the run, the same for every attempt: parts are named by it.

    `next_object` is the index of the object that the next slice begins or continues with, `position` where in it (see
    PendingObject; None at its beginning). `pending_slices` have left parts of that object, which count only once it
    has been read to its end. `objects`: read = written (aggregated) + skipped (folders, other suffixes) + rejected
    (unreadable). `bytes` is what was read, as stored.
    """

    what: ClassVar = "how far a batch of objects has come"

    batch: str
    done: bool = False
    slices: int = 0
    next_object: int = 0
    position: Mapping[str, Any] | None = None
    pending_slices: tuple[int, ...] = ()
    part_slices: tuple[int, ...] = ()
    reject_slices: tuple[int, ...] = ()
    unreadable_slices: tuple[int, ...] = ()
    objects: Counts = field(default_factory=Counts)
    rows: RowCounts = field(default_factory=RowCounts)
    bytes: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    columns: ColumnsFound = field(default_factory=ColumnsFound)

    @classmethod
    def from_state(cls, state: Any) -> Self:
        """Read what `to_state` returns; a progress without columns is an earlier version's, which did not look."""
        if isinstance(state, Mapping):
            state = {"columns": ALL_COLUMNS.to_state(), **state}
        # super() without arguments knows the class as it was before it had slots.
        return super(BatchProgress, cls).from_state(state)


@dataclass(frozen=True, slots=True)
class BatchObject(State):
    """One object; `size` is in bytes, as stored."""

    key: str
    size: int
    etag: str

    def is_skipped(self, suffix: str) -> bool:
        """Whether it is not to be read: a folder's key, or one with another suffix."""
        return not self.key.endswith(suffix) or (self.size == 0 and self.key.endswith("/"))

    def source(self, aggregation: Aggregation) -> Source:
        """The object, pinned; its header is not read yet. Raises SourceMalformedError for an unknown ending."""
        layout = aggregation.layout
        pin = ObjectPin(
            bucket=aggregation.bucket,
            key=self.key,
            version_id=None,
            etag=self.etag,
            size=self.size,
            compression=layout.compression or compression_by_name(self.key),
        )
        source = Source(pin, layout.dialect(layout.format or _format_of(self.key) or ""), layout.headers)
        if not source.format:
            raise SourceMalformedError(
                f"{source}: the key's ending does not tell the format; set format to csv, jsonl or json"
            )
        return source


def _format_of(key: str) -> str | None:
    """A rejects file is read as the JSON Lines that it is."""
    layout = format_by_name(key)
    return JSONL if layout == REJECTS else layout


_BATCH_DIGITS = 32


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One slice of a batch of objects; `aggregation` is what PlanAggregation made of the input."""

    run: Run
    aggregation: Aggregation
    objects: Sequence[BatchObject]
    progress: BatchProgress

    @classmethod
    def from_event(cls, event: object) -> BatchRequest:
        """Read the function's payload, whose `progress` is null for the first slice. Raises InvalidInputError."""
        fields = Fields(event, ("run", "aggregation", "objects", "progress"))
        run = Run.from_state(fields.raw("run"))
        objects = [BatchObject.from_state(each) for each in fields.raw("objects")]
        if not objects:
            raise fields.wrong("objects", "must name an object")
        if fields.has("progress"):
            progress = BatchProgress.from_state(fields.raw("progress"))
        else:
            progress = BatchProgress(_batch_name(objects[0]))
        return cls(run, Aggregation.from_state(fields.raw("aggregation")), objects, progress)


def _batch_name(first: BatchObject) -> str:
    """No other batch of the run has the same first object, and every attempt at this one has."""
    return hashlib.sha256(first.key.encode("utf-8", "surrogatepass")).hexdigest()[:_BATCH_DIGITS]
