"""One slice of a data file, from the file's check to the progress that is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sluice.errors import FileDamagedError, ServiceUnavailableError
from sluice.exports.file_progress import FileProgress
from sluice.exports.file_request import FileRequest
from sluice.exports.file_slice import FileSlice, Sink
from sluice.exports.opened_file import OpenedFile, open_file
from sluice.exports.process import ObjectsSink
from sluice.exports.sinks import object_sink, table_sink
from sluice.exports.tally import Tally
from sluice.first_outcome import earlier_outcome, leave_part
from sluice.loading.range_progress import RangeProgress
from sluice.pacing.run_pace import RunPace
from sluice.writing.batch_writer import BATCH_ITEMS
from sluice.writing.wire import Wire

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class FileWork:
    """One slice. `beats` is the wire of pacing, `data_bucket` where its rejects go.

    Of several attempts at a slice the first one to end tells how far it has come; into a table all of them write the
    same. An object is as long as the slice, so a later attempt ends where the first one did, and writes the same too.
    """

    def __init__(self, s3: S3Client, wire: Wire, beats: Wire, data_bucket: str, request: FileRequest) -> None:
        self._s3 = s3
        self._wire = wire
        self._beats = beats
        self._data_bucket = data_bucket
        self._request = request
        self._before = request.progress.records if request.progress else RangeProgress(position=0, row=1)
        self._tally = Tally(request.file.key)

    def run(self, is_time_up: Callable[[], bool]) -> dict[str, Any]:
        """Do the slice; returns the file's progress. Raises what ProcessExportFile raises."""
        request = self._request
        opened = open_file(self._s3, request.process, request.file, request.progress)
        first = self._first_attempt()
        end = first["position"] if first else None
        with (
            RunPace.from_state(self._beats, request.process.budget, (lambda: False) if first else is_time_up) as pace,
            self._sink() as sink,
            opened.blocks(self._s3, self._before.position, end, BATCH_ITEMS) as blocks,
        ):
            after = FileSlice(self._before, sink, self._tally, pace.writes).run(blocks)
            progress = self._settled(opened, after) if first is None else first
            sink.commit()
        return progress

    def _sink(self) -> Sink:
        sink = self._request.process.sink
        if isinstance(sink, ObjectsSink):
            return object_sink(self._s3, self._request, sink, self._tally)
        return table_sink(self._wire, self._request.process, sink, self._tally)

    def _first_attempt(self) -> dict[str, Any] | None:
        if not isinstance(self._request.process.sink, ObjectsSink):
            return None
        run = self._request.run
        return earlier_outcome(self._s3, self._data_bucket, run.outcome_key(self._request.rejects_key))

    def _settled(self, opened: OpenedFile, after: RangeProgress) -> dict[str, Any]:
        """The slice's progress, as the first attempt that ended has told it."""
        self._check_count(opened, after)
        progress = FileProgress(after, opened.source.etag, opened.source.size).to_state()
        is_object = isinstance(self._request.process.sink, ObjectsSink)
        part = self._tally.take_rejects()
        if not part and not (is_object and after.row > self._before.row):
            return progress
        run, part_key = self._request.run, self._request.rejects_key
        settled = leave_part(self._s3, self._data_bucket, run, part_key, progress=progress, part=part)
        if is_object and settled != progress:
            raise ServiceUnavailableError(f"{opened.source}: another attempt at the slice has ended first")
        return settled

    def _check_count(self, opened: OpenedFile, after: RangeProgress) -> None:
        file = self._request.file
        if after.done and after.counts.read != file.rows:
            problem = f"it has {after.counts.read:,} records, the manifest says {file.rows:,}"
            raise FileDamagedError(f"{opened.source} is damaged: {problem}")
