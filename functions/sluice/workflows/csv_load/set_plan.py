"""The plan of a run over many objects, or over a large one: tasks, inspections, ranges.

A listing becomes tasks. A few small objects are inspected at once; otherwise a Distributed Map runs a child per task.
What is found is joined to ranges when all of it is there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from sluice.aws.clients import aws_errors
from sluice.aws.read_ahead import read_ahead
from sluice.dynamodb.keys import KeySchema
from sluice.errors import InvalidInputError, SourceMalformedError, SourceNotFoundError
from sluice.reading.chunk_scan import states_of
from sluice.reading.dialect import HeaderRow
from sluice.reading.leading_bytes import NONE
from sluice.reading.object_reads import WHOLE_MAX_BYTES, ObjectReads
from sluice.reading.object_set import ObjectSet
from sluice.reading.source import Source
from sluice.runs.paths import Run
from sluice.runs.plans import iterate_plan, stream_plan
from sluice.state import Named, VersionedState
from sluice.workflows.csv_load.inspection import (
    Inspected,
    Inspection,
    InspectionBounds,
    InspectionProgress,
    from_lines,
    to_lines,
)
from sluice.workflows.csv_load.joining import Joiner, unreadable_error, unreadable_line
from sluice.workflows.csv_load.ranges import PieceCutter, Range, RangeSums, stream_ranges
from sluice.workflows.csv_load.tasks import (
    TASK_CHUNK_BYTES,
    Task,
    TaskPiece,
    chunks_of,
    error_of,
    list_objects,
    piece_of,
    source_for,
    tasks_of,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from sluice.reading.object_gets import ObjectGets


# What one invocation inspects in a few seconds; decompressed, it may be more.
INLINE_OBJECTS = 1000
INLINE_BYTES = 64 << 20
INFLATED = 8
OBJECTS_READ_AHEAD = 16
# Of one object that is planned alone, one call scans so much in some seconds.
LARGE_BYTES = 1 << 30
# What the children get of the input, beside their task.
SPEC_MAX_BYTES = 120 << 10


@dataclass(frozen=True, slots=True)
class SetProgress(VersionedState):
    """How far the plan has come. `example`: the key of the object that says the dialect of all.

    `schema`: the key of the table; `source`: the object of a run that has only one, with its columns.
    `task`, `inspection`: the next task, where this step inspects them itself; `rows`: what was found so far.
    `is_inspected`: all tasks are done.
    """

    what: ClassVar = "how far the plan has come"

    schema: Annotated[KeySchema, Named("keys")]
    example: str
    tasks: int
    objects: int
    is_inline: bool
    source: Source | None = None
    is_inspected: bool = False
    task: int = 0
    rows: int = 0
    inspection: InspectionProgress = field(default_factory=InspectionProgress)

    @staticmethod
    def is_state(state: Mapping[str, Any]) -> bool:
        """Whether this is the state of such a progress, not of one object that is planned alone."""
        return "tasks" in state


@dataclass(frozen=True, slots=True)
class SetPlan:
    """A plan that is made. `source`: the first object, with the columns of all. `notes` are for the run's summary."""

    source: Source | None
    ranges: int
    rows: int
    bytes: int
    unreadable: int
    notes: tuple[str, ...]


class Inspector:
    """The objects of a run: listed, inspected task by task, and what was found of them, all in the data bucket."""

    def __init__(self, s3: S3Client, gets: ObjectGets, bucket: str, run: Run) -> None:
        self.s3 = s3
        self.bucket = bucket
        self.run = run
        self._gets = gets

    def write_tasks(self, tasks: Iterable[Task]) -> int:
        """Write the run's tasks; returns how many there are."""
        written = 0

        def states() -> Iterator[dict[str, Any]]:
            nonlocal written
            for task in tasks:
                written += 1
                yield task.to_state()

        stream_plan(self.s3, self.bucket, self.run.tasks_key, states())
        return written

    def write_ranges(self, ranges: Iterable[Range]) -> RangeSums:
        """Write the run's plan."""
        return stream_ranges(self.s3, self.bucket, self.run.plan_key, ranges)

    def write_unreadable(self, unreadable: Iterable[tuple[str, tuple[str, str]]]) -> None:
        """List the objects that are skipped."""
        key = self.run.unreadable_key
        body = b"".join(unreadable_line(*each) for each in unreadable)
        with aws_errors(f"s3://{self.bucket}/{key}"):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/jsonl")

    def inspect(
        self,
        inspection: Inspection,
        task: Task,
        progress: InspectionProgress,
        is_time_up: Callable[[], bool],
    ) -> InspectionProgress:
        """One slice of a task; what it finds is written to S3. A repeated slice overwrites its own.

        Raises ServiceUnavailableError, AccessDeniedError.
        """
        with ObjectReads(self.s3, self._gets, WHOLE_MAX_BYTES) as reads:
            found, after = inspection.run(task, progress, reads, is_time_up)
        key = self.run.inspected_key(task.index, progress.slices)
        with aws_errors(f"s3://{self.bucket}/{key}"):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=to_lines(found, done=after.done))
        return after

    def tasks(self) -> Iterator[Task]:
        """The run's tasks, in order."""
        return iterate_plan(self.s3, self.bucket, self.run.tasks_key, Task.from_state)

    def found(self, tasks: Iterable[Task]) -> Iterator[tuple[TaskPiece, Inspected]]:
        """What was found of the pieces of tasks, in their order; the results of several are read ahead."""
        for task, found in read_ahead(lambda task: self._of_task(task.index), tasks, OBJECTS_READ_AHEAD):
            for line in found:
                yield task.pieces[line.piece], line

    def _of_task(self, index: int) -> list[Inspected]:
        found: list[Inspected] = []
        number, done = 0, False
        while not done:
            key = self.run.inspected_key(index, number)
            name = f"s3://{self.bucket}/{key}"
            with aws_errors(name, {"NoSuchKey": SourceNotFoundError(f"there is no {name}, which an inspection left")}):
                lines, done = from_lines(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
            found += lines
            number += 1
        return found


def is_large(source: Source, max_rows: int | None) -> bool:
    """Whether one object is better scanned in chunks. Where rows are limited, not all of it may be needed."""
    is_divisible = source.compression == NONE and states_of(source.dialect) is not None
    return source.size > LARGE_BYTES and max_rows is None and is_divisible


class SetPlanner:
    """Plans a run over `objects`; `range_bytes` is about how long a range becomes, `max_rows` the most rows of all."""

    def __init__(self, inspector: Inspector, objects: ObjectSet, range_bytes: int, max_rows: int | None) -> None:
        self._inspector = inspector
        self._objects = objects
        self._range_bytes = range_bytes
        self._max_rows = max_rows

    def begin(self, schema: KeySchema) -> SetProgress:
        """List the objects and write the tasks.

        Raises SourceNotFoundError, InvalidInputError, AccessDeniedError, ServiceUnavailableError.
        """
        listing = _Listing(self._objects, may_chunk=self._max_rows is None)
        tasks = self._inspector.write_tasks(tasks_of(listing.pieces(list_objects(self._inspector.s3, self._objects))))
        is_inline = self._max_rows is not None or listing.is_small
        return SetProgress(schema, listing.example, tasks, listing.objects, is_inline)

    def begin_large(self, source: Source, schema: KeySchema) -> SetProgress:
        """Write the tasks of one large object. Raises AccessDeniedError, ServiceUnavailableError."""
        tasks = self._inspector.write_tasks(tasks_of(chunks_of(piece_of(source), TASK_CHUNK_BYTES)))
        return SetProgress(schema, source.key, tasks, 1, is_inline=False, source=source)

    def children(self, progress: SetProgress) -> dict[str, Any]:
        """What the children get that inspect tasks, see InspectionRequest. Raises InvalidInputError."""
        spec = self._objects.common_spec
        size = len(json.dumps(spec))
        if size > SPEC_MAX_BYTES:
            raise InvalidInputError(
                "source", f"takes {size:,} bytes, more than {SPEC_MAX_BYTES:,}; shorten source.headers"
            )
        return {
            "bucket": self._inspector.bucket,
            "key": self._inspector.run.tasks_key,
            "source": spec,
            "example": progress.example,
            "rangeSize": self._range_bytes,
        }

    def inspect(self, progress: SetProgress, is_time_up: Callable[[], bool]) -> SetProgress:
        """Inspect tasks in order until all are done, there are rows enough, or the time is up."""
        for task in islice(self._inspector.tasks(), progress.task, None):
            while not progress.inspection.done:
                left = None if self._max_rows is None else self._max_rows - progress.rows
                inspection = self._inspection(progress.example, left)
                after = self._inspector.inspect(inspection, task, progress.inspection, is_time_up)
                progress = replace(progress, inspection=after)
                if is_time_up():
                    return progress
            rows = progress.rows + progress.inspection.rows
            progress = replace(progress, task=progress.task + 1, rows=rows, inspection=InspectionProgress())
            if rows == self._max_rows:
                break
        return replace(progress, is_inspected=True)

    def join(self, progress: SetProgress, cutter_for: Callable[[Source], PieceCutter]) -> SetPlan:
        """Write the ranges. `cutter_for`: see Joiner.

        Raises InvalidInputError for different columns, the error of objects that cannot be read, what `cutter_for`
        raises, AccessDeniedError, ServiceUnavailableError.
        """
        one = progress.source
        source_for = self._source_of if one is None else lambda _, header: replace(one, header=header)
        joiner = Joiner(self._inspector.s3, source_for, cutter_for)
        tasks = self._inspector.tasks()
        done = islice(tasks, progress.task) if progress.is_inline else tasks
        ranges = self._checked(joiner, joiner.ranges(self._inspector.found(done)))
        sums = self._inspector.write_ranges(ranges if one is None else map(Range.alone, ranges))
        if joiner.unreadable:
            self._inspector.write_unreadable(joiner.unreadable)
        return SetPlan(joiner.first, *sums, len(joiner.unreadable), _notes(joiner, self._inspector.run))

    def _checked(self, joiner: Joiner, ranges: Iterator[Range]) -> Iterator[Range]:
        """The ranges; what is wrong with the objects is known at their end, and raised before they are written."""
        yield from ranges
        if joiner.unreadable and not self._objects.is_several:
            raise error_of(joiner.unreadable[0][1])
        if joiner.unreadable and not (self._objects.skips_unreadable and joiner.cutter):
            raise unreadable_error(joiner.unreadable, joiner.objects)
        if joiner.cutter is None:
            raise SourceMalformedError(
                f"{self._objects.field_name}: all {joiner.objects:,} objects {self._objects} are empty"
            )

    def _inspection(self, example: str, rows_left: int | None) -> Inspection:
        return Inspection(self._inspector.s3, self._objects, example, InspectionBounds(self._range_bytes, rows_left))

    def _source_of(self, piece: TaskPiece, header: tuple[str, ...] | None) -> Source:
        source = source_for(self._objects, piece)
        if source.dialect.header_row is HeaderRow.REPLACED:
            return replace(source, replaced=header)
        return replace(source, header=header)


class _Listing:
    """What is listed for the tasks. `example`: the key of the first object whose format is known."""

    def __init__(self, objects: ObjectSet, *, may_chunk: bool) -> None:
        self._set = objects
        self._may_chunk = may_chunk
        self.objects = 0
        self.example = ""
        self._first = ""
        self._bytes = 0

    @property
    def is_small(self) -> bool:
        """Whether one invocation can inspect all of it."""
        return self.objects <= INLINE_OBJECTS and self._bytes <= INLINE_BYTES

    def pieces(self, listed: Iterable[TaskPiece]) -> Iterator[TaskPiece]:
        """The objects; large ones in chunks."""
        for each in listed:
            self.objects += 1
            request = self._set.of(*each.identity)
            self._first = self._first or each.key
            if not self.example and request.dialect.format:
                self.example = each.key if self._set.of(each.key).dialect.format else each.identity[1] or ""
            is_plain = request.compression == NONE
            self._bytes += each.length * (1 if is_plain else INFLATED)
            is_chunked = self._may_chunk and is_plain and each.size > TASK_CHUNK_BYTES
            yield from chunks_of(each, TASK_CHUNK_BYTES) if is_chunked and states_of(request.dialect) else (each,)
        self.example = self.example or self._first


def _notes(joiner: Joiner, run: Run) -> tuple[str, ...]:
    notes = []
    if joiner.empty:
        notes.append(f"{joiner.empty:,} of {joiner.objects:,} objects {'is' if joiner.empty == 1 else 'are'} empty")
    if joiner.unreadable:
        notes.append(
            f"{len(joiner.unreadable):,} of {joiner.objects:,} objects could not be read and were skipped; "
            f"{run.unreadable_key} lists them"
        )
    return tuple(notes)
