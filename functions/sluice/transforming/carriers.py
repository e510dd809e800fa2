"""Which carrier a job's items need."""

from __future__ import annotations

from collections.abc import Callable

from sluice.pacing.allowance import Allowance
from sluice.transforming.change_sender import Sending
from sluice.transforming.dry_run import DryRun, foreseen_in_place, foreseen_in_target
from sluice.transforming.in_place_transforms import in_place
from sluice.transforming.in_place_writer import InPlaceWriter
from sluice.transforming.ledger import Entry, Fate, Ledger
from sluice.transforming.target_transforms import into_target
from sluice.transforming.target_writer import TargetWriter
from sluice.transforming.transform_job import Table, TransformJob
from sluice.transforming.transform_slice import Carrier
from sluice.transforming.update_requests import UpdateRequests
from sluice.writing.wire import Wire
from sluice.writing.writers import writer_for


def carrier_for(wire: Wire, job: TransformJob, ledger: Ledger, writes: Allowance, *, is_repeat: bool) -> Carrier:
    """The carrier; `is_repeat`: an attempt that did not end may have written the slice's items before.

    Raises InvalidInputError for a transform or a mapping that is of no use.
    """
    if job.is_dry_run:
        return DryRun(_foreseen(job), ledger)
    if job.target is None:
        requests = UpdateRequests(job.table.name, job.table.schema, job.where)
        return InPlaceWriter(Sending(wire.call, requests, writes), in_place(job.way, job.table.schema), ledger)
    return _target_carrier(wire, job, job.target, ledger, writes, is_repeat=is_repeat)


def check_way(job: TransformJob) -> None:
    """Raise InvalidInputError for a transform or a mapping that is of no use."""
    _foreseen(job)


def _foreseen(job: TransformJob) -> Callable[[Entry], Fate]:
    if job.target is None:
        return foreseen_in_place(in_place(job.way, job.table.schema))
    transform = into_target(job.way, job.target.schema, deletes=job.deletes_source)
    return foreseen_in_target(transform, deletes_source=job.deletes_source)


def _target_carrier(
    wire: Wire, job: TransformJob, target: Table, ledger: Ledger, writes: Allowance, *, is_repeat: bool
) -> Carrier:
    transform = into_target(job.way, target.schema, deletes=job.deletes_source)
    writer = writer_for(wire, target.name, job.on_conflict, target.schema, is_repeat=is_repeat)
    return TargetWriter(writer, transform, ledger, writes)
