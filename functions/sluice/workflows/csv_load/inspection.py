"""Objects inspected before anything is written: whether they can be read, their columns, and where their records are.

What is found is written to S3, a line for each object or chunk; an object that takes several slices has several lines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from sluice.errors import InvalidInputError, SluiceError, SourceMalformedError
from sluice.reading.chunk_scan import Step, Window, scan_chunk, states_of
from sluice.reading.decompression import check_reachable
from sluice.reading.object_reads import UNREADABLE, ObjectRead, ObjectReads
from sluice.reading.object_set import ObjectSet
from sluice.reading.record_scanner import BLOCK_BYTES, blocks, first_rows
from sluice.reading.source import Source
from sluice.reading.source_header import read_header
from sluice.reading.streams import open_source
from sluice.state import VersionedState
from sluice.workflows.csv_load.tasks import Task, TaskPiece, error_of, problem_of, source_for

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# A text of these alone has no record: newlines, and the byte order mark.
_BLANK = b"\xef\xbb\xbf\r\n"


class Inspected(NamedTuple):
    """What was found of a piece of a task. `piece`: its index there.

    `start`: the offset of the first row; `header`: a csv's columns by its own names, None where rows name them, or
    where there is nothing.
    `cuts`: offsets up to which there are whole records, and how many since the one before. `windows`: in place of cuts
    for a chunk, see chunk_scan. `problem`: the name and the message of the error that makes the object unreadable.
    `is_continued`: a later line continues with the piece.
    """

    piece: int
    start: int = 0
    header: tuple[str, ...] | None = None
    cuts: Sequence[tuple[int, int]] = ()
    windows: Sequence[Window] = ()
    problem: tuple[str, str] | None = None
    is_continued: bool = False


def to_lines(found: Iterable[Inspected], *, done: bool) -> bytes:
    """What a slice has found as JSON Lines: first {"done", "headers"}, then lists; they name headers by their index."""
    headers: dict[tuple[str, ...] | None, int] = {None: -1}
    lines = []
    for each in found:
        header = headers.setdefault(each.header, len(headers) - 1)
        lines.append(json.dumps([*each._replace(header=None, windows=_to_json(each.windows)), header]))
    head = json.dumps({"done": done, "headers": [each for each in headers if each is not None]})
    return "\n".join([head, *lines, ""]).encode()


def from_lines(data: bytes) -> tuple[list[Inspected], bool]:
    """What a slice has found, and whether its task is done."""
    head, *lines = data.splitlines()
    known = json.loads(head)
    headers: list[tuple[str, ...] | None] = [*map(tuple, known["headers"]), None]
    return [_from_json(json.loads(line), headers) for line in lines], known["done"]


def _from_json(fields: list[Any], headers: Sequence[tuple[str, ...] | None]) -> Inspected:
    *values, header = fields
    windows = [_window(each) for each in values[_WINDOWS]]
    return Inspected(*values)._replace(header=headers[header], windows=windows)


_WINDOWS = Inspected._fields.index("windows")


def _window(steps: Mapping[str, tuple[int | None, int, str]]) -> Window:
    return {_state(name): Step(end, rows, _state(after)) for name, (end, rows, after) in steps.items()}


def _to_json(windows: Iterable[Window]) -> list[Any]:
    """States are bytes, which JSON lacks."""
    return [
        {name.decode("latin-1"): [step.end, step.rows, step.state.decode("latin-1")] for name, step in each.items()}
        for each in windows
    ]


def _state(name: str) -> bytes:
    return name.encode("latin-1")


@dataclass(frozen=True, slots=True)
class InspectionProgress(VersionedState):
    """How far an inspection has come: the next piece, and in it the next record, if `row` is not 0.

    `rows`: those of all pieces so far.
    """

    what: ClassVar = "how far an inspection has come"

    piece: int = 0
    position: int = 0
    row: int = 0
    slices: int = 0
    rows: int = 0
    done: bool = False


@dataclass(frozen=True, slots=True)
class InspectionBounds:
    """`cut_bytes`: about how far apart the cuts are; `max_rows`: rows to find at the most, in all pieces of a task."""

    cut_bytes: int
    max_rows: int | None = None


class Inspection:
    """Inspects tasks. `example`: the key of the object that says the dialect of all."""

    def __init__(self, s3: S3Client, objects: ObjectSet, example: str, bounds: InspectionBounds) -> None:
        self._s3 = s3
        self._objects = objects
        self._example = example
        self._dialect = objects.of(example).dialect
        self._bounds = bounds

    def run(
        self, task: Task, progress: InspectionProgress, reads: ObjectReads, is_time_up: Callable[[], bool]
    ) -> tuple[list[Inspected], InspectionProgress]:
        """Look through the pieces from `progress` on until they end, the time is up, or there are rows enough.

        Raises ServiceUnavailableError.
        """
        found: list[Inspected] = []
        after = replace(progress, slices=progress.slices + 1)
        for index, read in self._each(task, progress.piece, reads):
            if found and is_time_up():
                return found, after
            begun = after if after.row and index == after.piece else replace(after, position=0, row=0)
            line, after = self._inspect(read, task.pieces[index], replace(begun, piece=index), is_time_up)
            found.append(line)
            if line.is_continued:
                return found, after
            if self._rows_left(after) == 0:
                break
        return found, replace(after, done=True)

    def _each(
        self, task: Task, first: int, reads: ObjectReads
    ) -> Iterator[tuple[int, ObjectRead | SluiceError | None]]:
        """The pieces from the index `first` on, opened; None for an object without a byte."""
        sources = [(index, self._source(piece)) for index, piece in enumerate(task.pieces) if index >= first]
        opened = iter(reads.each([source for _, source in sources if isinstance(source, Source)]))
        for index, source in sources:
            yield index, next(opened) if isinstance(source, Source) else source

    def _source(self, piece: TaskPiece) -> Source | SluiceError | None:
        if piece.problem:
            return error_of(piece.problem)
        if not piece.size:
            return None
        try:
            source = source_for(self._objects, piece)
            check_reachable(piece.length, source.compression, str(source))
        except InvalidInputError as error:
            return error
        if source.dialect == self._dialect:
            return source
        return InvalidInputError("source.format", self._differs(source))

    def _differs(self, source: Source) -> str:
        if not source.format:
            return f"must be given, because the ending of {source} says none; source.suffix leaves objects out"
        return (
            f"{source} has another format or delimiter than s3://{source.bucket}/{self._example}, by its name; give "
            "source.format and source.delimiter if they are the same, or load them apart, with source.suffix"
        )

    def _inspect(
        self,
        read: ObjectRead | SluiceError | None,
        piece: TaskPiece,
        begun: InspectionProgress,
        is_time_up: Callable[[], bool],
    ) -> tuple[Inspected, InspectionProgress]:
        """What was found of a piece, and the progress after it, which names the next piece where this one is done."""
        after = replace(begun, piece=begun.piece + 1, position=0, row=0)
        if read is None or (isinstance(read, ObjectRead) and _is_blank(read)):
            return Inspected(begun.piece), after
        if not isinstance(read, ObjectRead):
            return Inspected(begun.piece, problem=problem_of(read)), after
        try:
            if piece.start:
                return Inspected(begun.piece, windows=self._windows(read, piece, piece.start)), after
            source, start = read_header(read.open_at, read.source)
            if piece.end is not None:
                if start > piece.end:
                    raise SourceMalformedError(f"{source}: the first {piece.end:,} bytes have no row")
                windows = self._windows(read, piece, start)
                return Inspected(begun.piece, start, source.replaced or source.header, windows=windows), after
            return self._scan(read, Inspected(begun.piece, start, source.replaced or source.header), begun, is_time_up)
        except (*UNREADABLE, InvalidInputError) as error:
            return Inspected(begun.piece, problem=named(error, read.source)), after

    def _windows(self, read: ObjectRead, piece: TaskPiece, start: int) -> tuple[Window, ...]:
        states = states_of(read.source.dialect)
        if states is None:
            raise ValueError(f"{read.source} cannot be scanned in chunks")
        with closing(open_source(self._s3, read.source, start, piece.end)) as stream:
            return tuple(scan_chunk(stream, states, start, self._bounds.cut_bytes))

    def _scan(
        self, read: ObjectRead, line: Inspected, begun: InspectionProgress, is_time_up: Callable[[], bool]
    ) -> tuple[Inspected, InspectionProgress]:
        """An object from the progress's record on, one after the other."""
        grammar, cuts = read.source.grammar, _Cuts(self._bounds.cut_bytes, begun.position or line.start)
        row, left = begun.row or 1, self._rows_left(begun)
        with closing(read.open_at(begun.position or line.start)) as stream:
            for block in blocks(stream, grammar, cuts.end, row, min(BLOCK_BYTES, self._bounds.cut_bytes)):
                whole = block if left is None else first_rows(block, grammar, left - cuts.rows)
                cuts.add(whole.end, whole.rows)
                if cuts.rows == left:
                    break
                if is_time_up():
                    reached = replace(begun, position=cuts.end, row=row + cuts.rows, rows=begun.rows + cuts.rows)
                    return line._replace(cuts=cuts.all(), is_continued=True), reached
        after = replace(begun, piece=begun.piece + 1, position=0, row=0, rows=begun.rows + cuts.rows)
        return line._replace(cuts=cuts.all()), after

    def _rows_left(self, progress: InspectionProgress) -> int | None:
        return None if self._bounds.max_rows is None else self._bounds.max_rows - progress.rows


class _Cuts:
    """Offsets up to which there are whole records, no closer to each other than `cut_bytes`, and their rows."""

    def __init__(self, cut_bytes: int, start: int) -> None:
        self._cut_bytes = cut_bytes
        self._kept: list[tuple[int, int]] = []
        self._from, self._rows_kept = start, 0
        self.end, self.rows = start, 0

    def add(self, end: int, rows: int) -> None:
        self.end, self.rows = end, self.rows + rows
        if end - self._from >= self._cut_bytes:
            self._keep()

    def all(self) -> tuple[tuple[int, int], ...]:
        if self.end > self._from:
            self._keep()
        return tuple(self._kept)

    def _keep(self) -> None:
        self._kept.append((self.end, self.rows - self._rows_kept))
        self._from, self._rows_kept = self.end, self.rows


def named(error: SluiceError, source: Source) -> tuple[str, str]:
    """An error's name and its message, which names the object."""
    name, message = problem_of(error)
    return name, message if str(source) in message else f"{source}: {message}"


def _is_blank(read: ObjectRead) -> bool:
    return read.data is not None and not read.data.strip(_BLANK)
