"""How far the transform of a segment has come, from one slice to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Self

from sluice.fields import Fields
from sluice.runs.columns_found import ALL_COLUMNS, ColumnsFound
from sluice.runs.counts import Counts
from sluice.runs.outcomes import PartType
from sluice.runs.paths import Run
from sluice.runs.segments import Segment
from sluice.state import Inline, Named, State, VersionedState
from sluice.sums import FieldSums
from sluice.workflows.table_transform.input import TransformJob

# Where a segment continues: a Scan's ExclusiveStartKey, or the position in the journals that an undo takes back.
StartKey = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Changes(FieldSums):
    """Items by what the transform wants of them; in a dry run, what would become of them.

    `conflicts`: how often another writer was found to have changed an item meanwhile.
    """

    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    conflicts: int = 0


@dataclass(frozen=True, slots=True)
class Done(FieldSums, State):
    """What slices have done. `scanned`: items evaluated.

    `planned_write_units`, `planned_puts`: what applying a dry run would take, in DynamoDB and in the journal.
    `columns`: which of the attributes that a mapping takes the items have.
    """

    counts: Counts = field(default_factory=Counts)
    changes: Changes = field(default_factory=Changes)
    scanned: int = 0
    read_units: float = 0.0
    write_units: float = 0.0
    planned_write_units: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    planned_puts: int = 0
    columns: ColumnsFound = field(default_factory=ColumnsFound)

    @classmethod
    def from_state(cls, state: Any) -> Self:
        """Read what `to_state` returns; earlier versions planned no puts, and did not look for columns."""
        # `slots` creates a second class, which a plain super() does not know.
        return super(Done, cls).from_state({"plannedPuts": 0, "columns": ALL_COLUMNS.to_state(), **state})


@dataclass(frozen=True, slots=True)
class Unsettled(State):
    """Changes that were announced and not settled: those of the entries from `first` to before `end` of a journal.

    `was_tried`: a later slice may have made any of them, also those that the journal says were never sent.
    """

    run: str
    slice_number: Annotated[int, Named("slice")]
    first: int
    end: int
    was_tried: bool = False


@dataclass(frozen=True, slots=True)
class TransformProgress(VersionedState):
    """What the slices so far have done, and where the next one starts.

    `start_key`: the next request's ExclusiveStartKey. `slices`: slices done; `reject_slices`, `sample_slices`: the
    numbers of those that left a file. `unsettled`: changes that come before everything else. `late_until`: until when
    workers that were given up may still send what they announced, in seconds since 1970.
    """

    what: ClassVar = "how far a segment has come"

    start_key: StartKey | None = None
    slices: int = 0
    is_done: Annotated[bool, Named("done")] = False
    done: Annotated[Done, Inline] = field(default_factory=Done)
    reject_slices: tuple[int, ...] = ()
    sample_slices: tuple[int, ...] = ()
    is_scan_ended: Annotated[bool, Named("scanEnded")] = False
    unsettled: tuple[Unsettled, ...] = ()
    late_until: int = 0

    @classmethod
    def from_state(cls, state: Any) -> Self:
        """Read what `to_state` returns, also of a version without a journal."""
        return super(TransformProgress, cls).from_state({"scanEnded": False, "unsettled": [], "lateUntil": 0, **state})

    @property
    def counts(self) -> Counts:
        """Items by what became of them."""
        return self.done.counts

    @property
    def write_units(self) -> float:
        """What writes took."""
        return self.done.write_units

    @property
    def reasons(self) -> Counter[str]:
        """Rejects by their reasons."""
        return self.done.reasons

    def resumed(self) -> TransformProgress:
        """Where another run continues: it counts for itself, and leaves files of its own."""
        return TransformProgress(start_key=self.start_key, is_scan_ended=self.is_scan_ended, unsettled=self.unsettled)


SEGMENTS = PartType(Segment.kind, Segment.from_state, TransformProgress.from_state)


@dataclass(frozen=True, slots=True)
class SegmentRequest:
    """One slice of a segment."""

    run: Run
    job: TransformJob
    segment: int
    progress: TransformProgress

    @classmethod
    def from_event(cls, event: object) -> Self:
        """Read the function's payload. Raises InvalidInputError."""
        fields = Fields(event, ("run", "transform", "segment", "progress"))
        progress = TransformProgress()
        if fields.has("progress"):
            progress = TransformProgress.from_state(fields.raw("progress"))
        return cls(
            Run.from_state(fields.raw("run")),
            TransformJob.from_state(fields.raw("transform")),
            fields.raw("segment")["segment"],
            progress,
        )

    @property
    def rejects_key(self) -> str:
        """Where the slice's rejects go."""
        return self.run.reject_part_key(self.segment, self.progress.slices)

    @property
    def sample_key(self) -> str:
        """Where the slice's sample goes."""
        return self.run.sample_part_key(self.segment, self.progress.slices)

    @property
    def course_key(self) -> str:
        """Where the slice's course goes."""
        return self.run.course_key(self.segment, self.progress.slices)
