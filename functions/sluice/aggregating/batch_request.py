"""What AggregateObjects is asked to do."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sluice.aggregating.aggregation import Aggregation
from sluice.aggregating.batch_objects import BatchObject
from sluice.aggregating.batch_progress import BatchProgress
from sluice.fields import Fields
from sluice.run import Run

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
