"""What ProcessExportFile is asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.exports.data_file import DataFile
from sluice.exports.file_progress import FileProgress
from sluice.exports.process import Process
from sluice.fields import Fields
from sluice.run import Run


@dataclass(frozen=True, slots=True)
class FileRequest:
    """One slice of a data file, the first one without `progress`; `process` is what CheckExport made of the input."""

    run: Run
    process: Process
    file: DataFile
    progress: FileProgress | None

    @classmethod
    def from_event(cls, event: object) -> FileRequest:
        """Read the function's payload. Raises InvalidInputError."""
        fields = Fields(event, ("run", "process", "file", "progress"))
        return cls(
            run=Run.from_state(fields.raw("run")),
            process=Process.from_state(fields.raw("process")),
            file=DataFile.from_state(fields.raw("file")),
            progress=FileProgress.from_state(fields.raw("progress")) if fields.has("progress") else None,
        )

    @property
    def slice_number(self) -> int:
        """Slices before this one."""
        return self.progress.records.slices if self.progress else 0

    @property
    def rejects_key(self) -> str:
        """Where the slice's rejects go."""
        return self.run.reject_part_key(self.file.index, self.slice_number)
