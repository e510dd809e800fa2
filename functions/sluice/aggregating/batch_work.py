"""One slice of a batch, from its objects' bytes to the progress that is told."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sluice.aggregating.batch_request import BatchRequest
from sluice.aggregating.batch_slice import BatchSlice, Bounds, SliceResult
from sluice.aggregating.clean_rows import clean_rows_for
from sluice.aggregating.column_engine import ColumnEngine
from sluice.aggregating.column_tally import ColumnTally
from sluice.aggregating.object_reads import ObjectReads
from sluice.aggregating.tally import Tally
from sluice.first_outcome import leave_parts
from sluice.reading.object_gets import ObjectGets

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BOUNDS = Bounds()


def work(
    s3: S3Client,
    gets: ObjectGets,
    data_bucket: str,
    request: BatchRequest,
    is_time_up: Callable[[], bool],
    *,
    bounds: Bounds = BOUNDS,
) -> dict[str, Any]:
    """Do the slice; returns the batch's progress, as the first attempt that ended has told it.

    Raises AccessDeniedError, ServiceUnavailableError.
    """
    aggregation, progress = request.aggregation, request.progress
    # One for both: what a text is need not be found twice.
    columns = ColumnTally(aggregation)
    batch = BatchSlice(request, ColumnEngine(aggregation, columns), clean_rows_for(aggregation, columns), bounds)
    with ObjectReads(s3, gets, bounds.whole_max_bytes) as reads:
        result = batch.run(reads.each, is_time_up)
    outcome_key = request.run.outcome_key(request.run.batch_part_key(progress.batch, progress.slices))
    return leave_parts(s3, data_bucket, outcome_key, progress=result.progress.to_state(), parts=_parts(request, result))


def _parts(request: BatchRequest, result: SliceResult) -> dict[str, bytes]:
    run, batch = request.run, request.progress.batch
    parts = {run.batch_unreadable_key(batch, result.number): result.unreadable}
    numbered = [(result.number, result.tally), (result.number + 1, result.pending)]
    for number, tally in numbered:
        if tally is not None:
            parts[run.batch_part_key(batch, number)] = _zipped(tally)
            parts[run.batch_reject_key(batch, number)] = b"".join(tally.rejects)
    return parts


def _zipped(tally: Tally) -> bytes:
    # The same groups are the same bytes, whenever they are written. They are read once.
    return gzip.compress(tally.part(), compresslevel=1, mtime=0) if tally.groups else b""
