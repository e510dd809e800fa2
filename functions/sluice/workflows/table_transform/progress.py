"""How far the transform of a segment has come, from one slice to the next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Self

from sluice.fields import Fields
from sluice.runs.counts import Counts
from sluice.runs.outcomes import PartType
from sluice.runs.paths import Run
from sluice.runs.segments import Segment
from sluice.state import Inline, Named, State, VersionedState
from sluice.workflows.table_transform.input import TransformJob
from sluice.workflows.table_transform.scan import StartKey


@dataclass(frozen=True, slots=True)
class Changes:
    """Items by what the transform wants of them; in a dry run, what would become of them.

    `conflicts`: how often another writer was found to have changed an item meanwhile.
    """

    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    conflicts: int = 0

    def __add__(self, other: Changes) -> Changes:
        return Changes(
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.deleted + other.deleted,
            self.conflicts + other.conflicts,
        )


@dataclass(frozen=True, slots=True)
class Done(State):
    """What slices have done. `scanned`: items evaluated; `planned_write_units`: what applying a dry run would take."""

    counts: Counts = field(default_factory=Counts)
    changes: Changes = field(default_factory=Changes)
    scanned: int = 0
    read_units: float = 0.0
    write_units: float = 0.0
    planned_write_units: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Done) -> Done:
        return Done(
            self.counts + other.counts,
            self.changes + other.changes,
            self.scanned + other.scanned,
            self.read_units + other.read_units,
            self.write_units + other.write_units,
            self.planned_write_units + other.planned_write_units,
            self.reasons + other.reasons,
        )


@dataclass(frozen=True, slots=True)
class TransformProgress(VersionedState):
    """What the slices so far have done, and where the next one starts.

    `start_key`: the next request's ExclusiveStartKey. `slices`: slices done; `reject_slices`, `sample_slices`: the
    numbers of those that left a file. `is_interrupted`: items after the start key may have been written already.
    """

    what: ClassVar = "how far a segment has come"

    start_key: StartKey | None = None
    slices: int = 0
    is_done: Annotated[bool, Named("done")] = False
    done: Annotated[Done, Inline] = field(default_factory=Done)
    reject_slices: tuple[int, ...] = ()
    sample_slices: tuple[int, ...] = ()
    is_interrupted: Annotated[bool, Named("interrupted")] = False

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
        """Where another run goes on: it counts for itself, and leaves files of its own."""
        return TransformProgress(start_key=self.start_key, is_interrupted=True)


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

    @property
    def attempt_key(self) -> str:
        """The marker of the slice's first attempt."""
        return self.run.attempt_key(self.segment, self.progress.slices)

    @property
    def outcome_key(self) -> str:
        """What the slice has come to."""
        return self.run.segment_outcome_key(self.segment, self.progress.slices)
