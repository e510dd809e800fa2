"""One slice of a data file, from the file's check to the progress that is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sluice.errors import FileDamagedError
from sluice.exports.file_progress import FileProgress
from sluice.exports.file_request import FileRequest
from sluice.exports.file_slice import FileSlice
from sluice.exports.opened_file import OpenedFile, open_file
from sluice.exports.sinks import sink_for
from sluice.exports.tally import Tally
from sluice.first_outcome import leave_part
from sluice.loading.range_progress import RangeProgress
from sluice.writing.batch_writer import BATCH_ITEMS
from sluice.writing.wire import Wire

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class FileWork:
    """One slice. `data_bucket` is where its rejects go."""

    def __init__(self, s3: S3Client, wire: Wire, data_bucket: str, request: FileRequest) -> None:
        self._s3 = s3
        self._wire = wire
        self._data_bucket = data_bucket
        self._request = request

    def run(self, is_time_up: Callable[[], bool]) -> dict[str, Any]:
        """Do the slice; returns the file's progress. Raises what ProcessExportFile raises."""
        request = self._request
        opened = open_file(self._s3, request.process, request.file, request.progress)
        before = request.progress.records if request.progress else RangeProgress(position=0, row=1)
        tally = Tally(request.file.key)
        sink = sink_for(self._wire, request.process, tally)
        units = request.process.write_units_per_second
        with sink, opened.blocks(self._s3, before.position, None, BATCH_ITEMS) as blocks:
            slice_ = FileSlice(before, sink, tally, units_per_second=units)
            after = slice_.run(blocks, is_time_up)
            self._check_count(opened, after)
            progress = FileProgress(after, opened.source.etag, opened.source.size).to_state()
            if tally.rejects:
                progress = leave_part(
                    self._s3, self._data_bucket, request.run, request.rejects_key, progress=progress, part=tally.rejects
                )
            sink.commit()
        return progress

    def _check_count(self, opened: OpenedFile, after: RangeProgress) -> None:
        file = self._request.file
        if after.done and after.counts.read != file.rows:
            problem = f"it has {after.counts.read:,} records, the manifest says {file.rows:,}"
            raise FileDamagedError(f"{opened.source} is damaged: {problem}")
