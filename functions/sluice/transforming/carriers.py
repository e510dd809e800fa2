"""Which carrier a job's items need."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.pacing.allowance import Allowance
from sluice.transforming.change_sender import REQUESTS_IN_FLIGHT, Sending
from sluice.transforming.dry_run import DryRun, foreseen_in_place, foreseen_in_target
from sluice.transforming.in_place_transforms import InPlace, in_place
from sluice.transforming.in_place_writer import InPlaceWriter
from sluice.transforming.ledger import Ledger
from sluice.transforming.moving_writer import MovingWriter
from sluice.transforming.target_transforms import IntoTarget, into_target
from sluice.transforming.target_writer import TargetWriter
from sluice.transforming.transform_job import Table, TransformJob
from sluice.transforming.transform_slice import Carrier
from sluice.transforming.update_requests import UpdateRequests
from sluice.writing.wire import Wire
from sluice.writing.writers import writer_for


@dataclass(frozen=True, slots=True)
class Means:
    """What carriers work with. `is_repeat`: an attempt that did not end may have written the slice's items before."""

    wire: Wire
    ledger: Ledger
    writes: Allowance
    is_repeat: bool
    threads: int = REQUESTS_IN_FLIGHT


def carrier_for(job: TransformJob, means: Means) -> Carrier:
    """The carrier. Raises InvalidInputError for a transform or a mapping that is of no use."""
    if job.target is None:
        return in_place_carrier(job, in_place(job.way, job.table.schema), means)
    return target_carrier(job, job.target, _into_target(job, job.target), means)


def check_way(job: TransformJob) -> None:
    """Raise InvalidInputError for a transform or a mapping that is of no use."""
    if job.target is None:
        in_place(job.way, job.table.schema)
    else:
        _into_target(job, job.target)


def in_place_carrier(job: TransformJob, transform: InPlace, means: Means) -> Carrier:
    """The carrier of changes in place."""
    if job.is_dry_run:
        return DryRun(foreseen_in_place(transform), means.ledger)
    requests = UpdateRequests(job.table.name, job.table.schema, job.where)
    return InPlaceWriter(Sending(means.wire.call, requests, means.writes, means.threads), transform, means.ledger)


def target_carrier(job: TransformJob, target: Table, transform: IntoTarget, means: Means) -> Carrier:
    """The carrier into another table."""
    if job.is_dry_run:
        return DryRun(foreseen_in_target(transform, deletes_source=job.deletes_source), means.ledger)
    # What is in the target already as it should be has arrived: its source may go.
    is_repeat = means.is_repeat or job.deletes_source
    writer = writer_for(means.wire, target.name, job.on_conflict, target.schema, is_repeat=is_repeat)
    if not job.deletes_source:
        return TargetWriter(writer, transform, means.ledger, means.writes)
    deletes = UpdateRequests(job.table.name, job.table.schema, None)
    source = Sending(means.wire.call, deletes, means.writes, means.threads)
    return MovingWriter(writer, transform, source, UpdateRequests(target.name, target.schema, None), means.ledger)


def _into_target(job: TransformJob, target: Table) -> IntoTarget:
    return into_target(job.way, target.schema, deletes=job.deletes_source)
