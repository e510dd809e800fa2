"""What TransformSegment is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from sluice.fields import Fields
from sluice.run import Run
from sluice.transforming.transform_job import TransformJob
from sluice.transforming.transform_progress import TransformProgress


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
    def attempt_key(self) -> str:
        """The marker of the slice's first attempt."""
        return self.run.attempt_key(self.segment, self.progress.slices)

    @property
    def outcome_key(self) -> str:
        """What the slice has come to."""
        return self.run.segment_outcome_key(self.segment, self.progress.slices)
