"""What TransformItems is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.fields import Fields
from sluice.format_version import readable
from sluice.keys import KeySchema
from sluice.loading.plan import Range
from sluice.loading.range_progress import RangeProgress
from sluice.reading.source import Source
from sluice.run import Run
from sluice.writing.writers import OnConflict


@dataclass(frozen=True, slots=True)
class SliceRequest:
    """One slice of a range; `load` is what PlanLoad made of the run's input."""

    run: Run
    load: Mapping[str, Any]
    range: Range
    progress: RangeProgress

    @classmethod
    def from_event(cls, event: object) -> SliceRequest:
        """Read the function's payload. Raises InvalidInputError."""
        fields = Fields(event, ("run", "load", "range", "progress"))
        load, planned = readable(fields.raw("load"), "the run's plan"), Range.from_state(fields.raw("range"))
        started = RangeProgress(position=planned.start, row=planned.first_row)
        progress = RangeProgress.from_state(fields.raw("progress")) if fields.has("progress") else started
        return cls(Run.from_state(fields.raw("run")), load, planned, progress)

    @property
    def source(self) -> Source:
        """What to read."""
        return Source.from_state(self.load["source"])

    @property
    def table(self) -> str:
        """Where to write."""
        name: str = self.load["table"]["name"]
        return name

    @property
    def schema(self) -> KeySchema:
        """The table's key."""
        return KeySchema.from_state(self.load["table"]["keys"])

    @property
    def on_conflict(self) -> OnConflict:
        """What becomes of a row whose key the table holds already."""
        return OnConflict(self.load["onConflict"])

    @property
    def rejects_key(self) -> str:
        """Where the slice's rejects go; a repeated slice overwrites its own."""
        return self.run.reject_part_key(self.range.index, self.progress.slices)

    @property
    def attempt_key(self) -> str:
        """The marker of the slice's first attempt."""
        return self.run.attempt_key(self.range.index, self.progress.slices)
