"""Continuing the processing of an export that ended early: what has been done of each file, and the files left."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sluice.errors import InvalidInputError
from sluice.reading.streams import open_source
from sluice.runs.chains import WorkBefore
from sluice.runs.cursors import read_cursors
from sluice.runs.paths import Run
from sluice.runs.plans import read_plan_state
from sluice.runs.range_progress import RangeProgress
from sluice.state import VersionedState
from sluice.workflows.export_process.files import COUNT, DataFile, line_blocks, pin
from sluice.workflows.export_process.input import ObjectLocation, Process, ProcessInput
from sluice.workflows.export_process.progress import FileProgress

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


PROGRESS = "progress"


@dataclass(frozen=True, slots=True)
class ProcessPlan(VersionedState):
    """What a resumed run needs to know of a run. `request`: see `request_of`; `bucket` and `key`: its list of files.

    `warnings`: about the table that the run writes to, as it was before the run.
    """

    what: ClassVar = "the plan of a run"

    request: Mapping[str, Any]
    process: Process
    bucket: str
    key: str
    before: WorkBefore
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_state(cls, state: Any) -> Self:
        """Read what `to_state` returns; format 2 had no warnings."""
        return super(ProcessPlan, cls).from_state({"warnings": [], **state})


@dataclass(frozen=True, slots=True)
class FileLine:
    """A line of a run's list of files. `start`: where the run has begun with the file, None at its beginning."""

    line: Mapping[str, Any]
    file: DataFile
    start: FileProgress | None

    @classmethod
    def from_line(cls, line: Mapping[str, Any], index: int) -> Self:
        """Read a line; only a resumed run's own list has starts."""
        start = line.get(PROGRESS)
        return cls(line, DataFile.from_line(line, index), FileProgress.from_state(start) if start else None)

    @property
    def start_state(self) -> Mapping[str, Any]:
        """The file's progress before its first slice."""
        return (self.start or RangeProgress(position=0, row=1)).to_state()

    def rest(self, reached: Mapping[str, Any]) -> dict[str, Any]:
        """The line for what is left of the file; slices are counted on, because a sink names objects by them."""
        done = RangeProgress.from_state(reached)
        if not done.counts.read:
            return {**self.line, PROGRESS: self.start.to_state() if self.start else None}
        records = RangeProgress(position=done.position, row=done.row, slices=done.slices)
        progress = replace(FileProgress.from_state(reached), records=records)
        return {**self.line, COUNT: self.file.rows - done.counts.read, PROGRESS: progress.to_state()}


@dataclass(frozen=True, slots=True)
class EarlierProcess:
    """A run that ended early. `reached`: how far each of its files came, by index."""

    name: str
    plan: ProcessPlan
    files: Sequence[FileLine]
    reached: Mapping[int, Mapping[str, Any]]

    @property
    def done(self) -> WorkBefore:
        """What was done up to now, by this run and those before it."""
        return self.plan.before.plus(RangeProgress.from_state(each) for each in self.reached.values())

    @property
    def left(self) -> list[dict[str, Any]]:
        """The lines of the files that are not done."""
        reached = self.reached
        return [each.rest(reached[each.file.index]) for each in self.files if not reached[each.file.index]["done"]]

    def check(self, request: ProcessInput) -> None:
        """Raise InvalidInputError when something else is requested."""
        request_state = request_of(request)
        for name, value in self.plan.request.items():
            if request_state[name] != value:
                raise InvalidInputError(name, f"differs from that of {self.name}, which is to be continued")


def request_of(request: ProcessInput) -> dict[str, Any]:
    """What must be the same in a run that continues another one, as JSON, by the fields' names."""
    export = request.export if isinstance(request.export, str) else asdict(request.export)
    records = asdict(request.records) if request.records else None
    request_state = {"export": export, "sink": asdict(request.sink), "transform": request.transform, "records": records}
    known: dict[str, Any] = json.loads(json.dumps(request_state))
    return known


def read_earlier(s3: S3Client, bucket: str, run: Run, name: str) -> EarlierProcess:
    """Another run of the workflow, sealed. Raises InvalidInputError when none of the name has planned its files.

    And FormatVersionError, AccessDeniedError, ServiceUnavailableError.
    """
    earlier = replace(run, name=name)
    plan = read_plan_state(s3, bucket, earlier, ProcessPlan, "checked its export")
    files = _read_lines(s3, ObjectLocation(plan.bucket, plan.key))
    reached = read_cursors(s3, bucket, earlier, {each.file.index: each.start_state for each in files})
    return EarlierProcess(name, plan, files, reached)


def _read_lines(s3: S3Client, location: ObjectLocation) -> list[FileLine]:
    with closing(open_source(s3, pin(s3, location.bucket, location.key), 0, None)) as stream:
        lines = (line for block in line_blocks(stream) for line in block)
        return [FileLine.from_line(json.loads(line), index) for index, line in enumerate(lines)]
