"""One slice of a segment, from its marker to the cursor that a resumed run starts from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

from sluice.aws import aws_errors
from sluice.first_outcome import earlier_outcome, leave_parts, was_tried_before
from sluice.pacing.run_pace import RunPace
from sluice.transforming.carriers import Means, carrier_for
from sluice.transforming.item_scan import ItemScan
from sluice.transforming.ledger import Ledger
from sluice.transforming.pages import Pages
from sluice.transforming.sample import Sample
from sluice.transforming.segment_request import SegmentRequest
from sluice.transforming.transform_slice import SliceResult, TransformSlice
from sluice.writing.wire import Wire

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class SegmentWork:
    """One slice. `beats` is the wire of pacing, `bucket` the data bucket."""

    def __init__(self, s3: S3Client, wire: Wire, beats: Wire, bucket: str, request: SegmentRequest) -> None:
        self._s3 = s3
        self._wire = wire
        self._beats = beats
        self._bucket = bucket
        self._request = request

    def run(self, is_time_up: Callable[[], bool]) -> dict[str, Any]:
        """Do the slice, unless an earlier attempt has; returns the segment's progress.

        Raises what TransformSegment raises.
        """
        request = self._request
        is_repeat = was_tried_before(self._s3, self._bucket, request.attempt_key)
        progress = earlier_outcome(self._s3, self._bucket, request.outcome_key) if is_repeat else None
        if progress is None:
            result = self._slice(is_time_up, is_repeat=is_repeat)
            progress = leave_parts(
                self._s3,
                self._bucket,
                request.outcome_key,
                progress=result.progress.to_state(),
                parts={request.rejects_key: result.rejects, request.sample_key: result.sample},
            )
        self._leave_cursor(progress)
        return progress

    def _slice(self, is_time_up: Callable[[], bool], *, is_repeat: bool) -> SliceResult:
        request, job = self._request, self._request.job
        sample = Sample(job.sample_per_segment, request.outcome_key)
        ledger = Ledger(request.progress, job.table.schema, sample, is_dry_run=job.is_dry_run)
        scan = ItemScan(job.table.name, request.segment, job.total_segments, job.where)
        is_repeat = is_repeat or request.progress.is_interrupted
        with (
            RunPace.from_state(self._beats, job.budget, is_time_up, job.item_bytes) as pace,
            ThreadPoolExecutor(1) as executor,
            closing(carrier_for(job, Means(self._wire, ledger, pace.writes, is_repeat))) as carrier,
        ):
            pages = Pages(scan, request.progress.start_key, self._wire.call, pace.reads, executor)
            return TransformSlice(pages, carrier, ledger).run(is_time_up)

    def _leave_cursor(self, progress: Mapping[str, Any]) -> None:
        """Write how far the segment has come, unless it has come further: this attempt may have been given up."""
        key = self._request.run.cursor_key(self._request.segment)
        with aws_errors(f"s3://{self._bucket}/{key}"):
            if self._slices_told(key) < progress["slices"]:
                self._s3.put_object(Bucket=self._bucket, Key=key, Body=json.dumps(progress).encode())

    def _slices_told(self, key: str) -> int:
        try:
            cursor = json.loads(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())
        except self._s3.exceptions.NoSuchKey:
            return 0
        return int(cursor["slices"])
