"""What inspections have found of the objects of a run, joined to ranges."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sluice.errors import InvalidInputError, SluiceError, SourceMalformedError
from sluice.reading.chunk_scan import AT_RECORD_START, GrammarStates, Window, states_of
from sluice.reading.leading_bytes import NONE
from sluice.reading.record_scanner import RECORD_MAX_BYTES, blocks
from sluice.reading.source import Source
from sluice.reading.streams import open_source
from sluice.rejects import quoted_names
from sluice.workflows.csv_load.inspection import Inspected, named
from sluice.workflows.csv_load.ranges import PieceCutter, Range, file_name
from sluice.workflows.csv_load.tasks import TaskPiece, error_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# So many objects a message names.
NAMED_MAX = 3


class SourceFor(Protocol):
    """What a piece of a task is, as the input says it, with its columns."""

    def __call__(self, piece: TaskPiece, header: tuple[str, ...] | None, /) -> Source: ...


@dataclass(slots=True)
class _Object:
    """An object whose inspections are being joined. `steps`: offsets up to which there are whole records, and rows."""

    piece: TaskPiece
    source: Source
    start: int
    steps: list[tuple[int, int]] = field(default_factory=list)
    state: bytes = AT_RECORD_START
    problem: tuple[str, str] | None = None

    @property
    def end(self) -> int:
        """Up to where there are whole records."""
        return self.steps[-1][0] if self.steps else self.start


class Joiner:
    """Takes lines in the order of the objects and makes ranges of them.

    `cutter_for` is called once, with the first object that has anything: it checks the run's input against its
    columns, which all other objects have to have. After `ranges`: `first` is that object, `objects` the number of all,
    `empty` of those without a byte or nothing but blank lines, `unreadable` lists those that cannot be read.
    """

    def __init__(self, s3: S3Client, source_for: SourceFor, cutter_for: Callable[[Source], PieceCutter]) -> None:
        self._s3 = s3
        self._source_for = source_for
        self._cutter_for = cutter_for
        self._cutter: PieceCutter | None = None
        self._open: _Object | None = None
        self._states: GrammarStates | None = None
        self._waiting: list[_Object] = []
        self._differing: list[str] = []
        self._differ = 0
        self.first: Source | None = None
        self.objects = self.empty = 0
        self.unreadable: list[tuple[str, tuple[str, str]]] = []

    @property
    def cutter(self) -> PieceCutter | None:
        """What has cut the ranges; None where no object has anything."""
        return self._cutter

    def ranges(self, found: Iterable[tuple[TaskPiece, Inspected]]) -> Iterator[Range]:
        """The ranges. Raises InvalidInputError for objects with different columns, and what `cutter_for` raises."""
        for piece, line in found:
            self._take(piece, line)
            yield from self._ready()
        self._end()
        if self._cutter:
            self._cutter.finish()
        yield from self._ready()
        self._check_columns()

    def _ready(self) -> list[Range]:
        return self._cutter.take_ranges() if self._cutter else []

    def _take(self, piece: TaskPiece, line: Inspected) -> None:
        open_object = self._open
        if open_object is None or open_object.piece.identity != piece.identity:
            self._end()
            source = self._source_for(piece, line.header)
            open_object = self._open = _Object(piece, source, line.start)
        open_object.problem = open_object.problem or line.problem
        if open_object.problem:
            return
        open_object.steps += line.cuts
        for window in line.windows:
            self._follow(open_object, window)

    def _follow(self, each: _Object, window: Window) -> None:
        step = window[each.state]
        each.state = step.state
        if step.end is None:
            return
        if step.end - each.end > RECORD_MAX_BYTES:
            self._scan_again(each, step.end)
        each.steps.append((step.end, step.rows))

    def _end(self) -> None:
        """Nothing more comes of the object."""
        each, self._open = self._open, None
        if each is None:
            return
        self.objects += 1
        if each.piece.end is not None and not each.problem:
            self._end_chunks(each)
        if each.problem:
            self.unreadable.append((file_name(each.source.pin), each.problem))
        elif each.source.header is None and not each.steps:
            self.empty += 1
            self._cut(each)
        else:
            self._begin(each.source)
            if self._has_usual_columns(each.source):
                self._cut(each)

    def _begin(self, source: Source) -> None:
        if self._cutter is None:
            self.first, self._cutter = source, self._cutter_for(source)
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                self._cut(each)

    def _cut(self, each: _Object) -> None:
        if self._cutter is None:
            self._waiting.append(each)
            return
        self._cutter.begin(each.source, each.start, is_divisible=each.source.compression == NONE)
        for end, rows in each.steps:
            self._cutter.take(end, rows)
        self._cutter.end()

    def _end_chunks(self, each: _Object) -> None:
        """The source's end ends a record, too."""
        states, size = self._states_of(each.source), each.source.size
        if size - each.end > RECORD_MAX_BYTES or states.is_open_quote(each.state):
            self._scan_again(each, size)
        rows = states.rows_at_end(each.state)
        if rows:
            each.steps.append((size, rows))

    def _scan_again(self, each: _Object, end: int) -> None:
        """See whether a record is too long, or a quote never closed: the error is that of one scan."""
        row = 1 + sum(rows for _, rows in each.steps)
        try:
            with closing(open_source(self._s3, each.source, each.end, end)) as stream:
                for _ in blocks(stream, each.source.grammar, each.end, row):
                    pass
        except SourceMalformedError as error:
            each.problem = named(error, each.source)

    def _states_of(self, source: Source) -> GrammarStates:
        self._states = self._states or states_of(source.dialect)
        if self._states is None:
            raise ValueError(f"{source} was not scanned in chunks")
        return self._states

    def _has_usual_columns(self, source: Source) -> bool:
        """Whether the object has the first one's columns, in any order; if not, it will be named."""
        if self.first is None or self.first.header is None or source.header is None:
            return True
        if source.replaced != self.first.replaced:
            return self._differs(source.replaced or (), self.first.replaced or (), source)
        if source.header == self.first.header or sorted(source.header) == sorted(self.first.header):
            return True
        return self._differs(source.header, self.first.header, source)

    def _differs(self, header: Sequence[str], usual: Sequence[str], source: Source) -> bool:
        self._differ += 1
        if self._differ <= NAMED_MAX:
            lacks = [name for name in usual if name not in header]
            has = [name for name in header if name not in usual]
            found = [f"lacks {quoted_names(lacks)}"] if lacks else []
            found += [f"has {quoted_names(has)}"] if has else []
            self._differing.append(f"{source} {' and '.join(found) or 'has them in another order, or twice'}")
        return False

    def _check_columns(self) -> None:
        if not self._differ or self.first is None:
            return
        others = self._differ - len(self._differing)
        rest = f"; and {others:,} others" if others else ""
        raise InvalidInputError(
            "source",
            f"objects with different columns: compared with {self.first}, {'; '.join(self._differing)}{rest}. "
            "Load them apart, with source.suffix or source.keys",
        )


def unreadable_error(unreadable: list[tuple[str, tuple[str, str]]], objects: int) -> SluiceError:
    """The error of a run that does not skip them: the one that all have, or SourceMalformedError."""
    names = {name for _, (name, _) in unreadable}
    messages = [message for _, (_, message) in unreadable[:NAMED_MAX]]
    others = len(unreadable) - len(messages)
    rest = f"; and {others:,} others" if others else ""
    message = (
        f"{len(unreadable):,} of {objects:,} objects cannot be read: {'; '.join(messages)}{rest}. Nothing was written; "
        "set source.onUnreadable to skip to load the others"
    )
    name = names.pop() if len(names) == 1 else SourceMalformedError.__name__
    return error_of((name, message))


def unreadable_line(key: str, problem: tuple[str, str]) -> bytes:
    """An object as a line of the file that lists those that were skipped."""
    name, message = problem
    return json.dumps({"key": key, "error": name, "message": message}, ensure_ascii=False).encode() + b"\n"
