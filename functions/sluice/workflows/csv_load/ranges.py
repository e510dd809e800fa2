"""Ranges: the lines of a csv_load plan. A range is whole records of one object, or of several."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from sluice.errors import InvalidInputError
from sluice.reading.source import ObjectPin, Source
from sluice.reading.zip_members import ZipMember
from sluice.runs.outcomes import PartType
from sluice.runs.plans import PlanLine, iterate_plan, read_plan, stream_plan, write_plan
from sluice.runs.range_progress import RangeProgress

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


RANGES_MAX = 100_000


class Piece(NamedTuple):
    """Whole records of one object of a set: bytes `start` to `end`, decompressed; `first_row` counts from 1 in it.

    `key` is the object's without the prefix that the set's keys have in common. `order` is 0 where the columns stand
    as in the run's header, else the number of one of the range's `orders`, from 1.
    `member`: the fields of a ZipMember, for a file in a zip.
    """

    key: str
    etag: str
    size: int
    compression: str
    order: int
    start: int
    end: int
    first_row: int
    rows: int
    member: tuple[str, int, int, int, int, int] | None = None

    @property
    def file(self) -> str:
        """What messages call the object, or the file in a zip, without the prefix."""
        return f"{self.key}: {self.member[0]}" if self.member else self.key


@dataclass(frozen=True, slots=True)
class Range(PlanLine):
    """Whole records. `first_row` counts from 1, in all objects together.

    Without `pieces`: bytes `start` to `end` of the one source, decompressed. With them, these are its records, and
    `end` is their bytes. `orders`: in what order objects have the header's columns, by the columns' indexes there.
    """

    kind: ClassVar = "range"

    index: int
    start: int
    end: int
    first_row: int
    rows: int
    pieces: tuple[Piece, ...] = ()
    orders: tuple[tuple[int, ...], ...] = ()

    @property
    def identity(self) -> int:
        """What tells it from the other ranges."""
        return self.index

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"range {self.index}"

    @property
    def label(self) -> str:
        """Where it is in the source, for messages."""
        if not self.pieces:
            return f"{self.name} (rows from {self.first_row})"
        first = self.pieces[0]
        return f"{self.name} (from row {first.first_row} of {first.file} on)"

    @property
    def begin(self) -> RangeProgress:
        """Where the first slice begins."""
        if self.pieces:
            return RangeProgress(position=self.pieces[0].start, row=self.pieces[0].first_row)
        return RangeProgress(position=self.start, row=self.first_row)

    def rest(self, progress: RangeProgress) -> Range:
        """What is left of it after its slices."""
        if not self.pieces:
            rows = self.rows - (progress.row - self.first_row)
            return replace(self, start=progress.position, first_row=progress.row, rows=rows)
        rows, first_row = self.rows - progress.counts.read, self.first_row + progress.counts.read
        piece = self.pieces[progress.piece]
        done = progress.row - piece.first_row
        cut = piece._replace(start=progress.position, first_row=progress.row, rows=piece.rows - done)
        pieces = (cut, *self.pieces[progress.piece + 1 :])
        return replace(self, end=_bytes(pieces), first_row=first_row, rows=rows, pieces=pieces)

    def alone(self) -> Range:
        """As a range of the run's one object, which its source names."""
        return replace(self, start=self.pieces[0].start, end=self.pieces[-1].end, pieces=(), orders=())

    def brief(self) -> Range:
        """Without most of the pieces: a plan has one for each of its objects."""
        return replace(self, pieces=self.pieces[:1], orders=())


def source_of(source: Source, prefix: str, planned: Range, piece: Piece) -> Source:
    """The object of a piece. `source` has what all objects have in common, `prefix` what their keys have."""
    header = source.header
    if header is not None and piece.order:
        header = tuple(header[column] for column in planned.orders[piece.order - 1])
    member = ZipMember(*piece.member) if piece.member else None
    pin = ObjectPin(source.bucket, prefix + piece.key, None, piece.etag, piece.size, piece.compression, member)
    return replace(source, pin=pin, header=header)


def file_name(pin: ObjectPin) -> str:
    """What rejects and lists call an object, or the file in a zip."""
    return f"{pin.key}: {pin.member.name}" if pin.member else pin.key


def _read_brief(state: Any) -> Range:
    return Range.from_state(state).brief()


# What a summary needs to know of each range.
RANGES = PartType(Range.kind, _read_brief, RangeProgress.from_state)


def read_ranges(s3_client: S3Client, bucket: str, key: str) -> list[Range]:
    """The ranges of a plan, in order. Raises SourceNotFoundError when there is no such plan."""
    return read_plan(s3_client, bucket, key, Range.from_state)


def read_brief_ranges(s3_client: S3Client, bucket: str, key: str) -> list[Range]:
    """The same without most of their pieces."""
    return [*iterate_plan(s3_client, bucket, key, _read_brief)]


def write_ranges(s3_client: S3Client, bucket: str, key: str, ranges: Iterable[Range]) -> None:
    """Write a plan. Writing the same plan again changes nothing."""
    write_plan(s3_client, bucket, key, (each.to_state() for each in ranges))


class RangeSums(NamedTuple):
    """How many ranges there are, and their rows and bytes."""

    ranges: int
    rows: int
    bytes: int


def stream_ranges(s3_client: S3Client, bucket: str, key: str, ranges: Iterable[Range]) -> RangeSums:
    """Write a plan that may be too long for memory. Nothing is written where `ranges` raises."""
    sums = RangeSums(0, 0, 0)

    def states() -> Iterator[dict[str, Any]]:
        nonlocal sums
        for each in ranges:
            sums = RangeSums(sums.ranges + 1, sums.rows + each.rows, sums.bytes + each.end - each.start)
            yield each.to_state()

    stream_plan(s3_client, bucket, key, states())
    return sums


class PieceCutter:
    """Makes ranges of about `range_bytes` out of objects: `begin`, then `take`, then `end` for each, then `finish`.

    `prefix` is what their keys have in common, `header` the run's, whose columns all have. `pieces_max_bytes` bounds
    what the pieces of a range take in a child's input.
    """

    def __init__(self, prefix: str, header: Sequence[str] | None, range_bytes: int, pieces_max_bytes: int) -> None:
        self._prefix = prefix
        self._header = None if header is None else (*header,)
        self._range_bytes = range_bytes
        self._pieces_max_bytes = pieces_max_bytes
        self.ranges = 0
        self.rows = 0
        self._ready: list[Range] = []
        self._group = _Group()
        self._order: tuple[int, ...] | None = None
        self._is_divisible = False
        self._piece: Piece | None = None

    def begin(self, source: Source, start: int, *, is_divisible: bool) -> None:
        """The next object, whose first row is at the offset `start`; whether a range may end within it."""
        pin = source.pin
        key = pin.key.removeprefix(self._prefix)
        member = astuple(pin.member) if pin.member else None
        self._piece = Piece(key, pin.etag, pin.size, pin.compression, 0, start, start, 1, 0, member)
        self._is_divisible = is_divisible
        is_usual = source.header is None or self._header is None or source.header == self._header
        self._order = None if is_usual else order_of(source.header or (), self._header or ())

    def take(self, end: int, rows: int) -> None:
        """The object's next records: so many up to the offset `end`."""
        piece = self._begun()
        self._piece = piece = piece._replace(end=end, rows=piece.rows + rows)
        size = piece.end - piece.start
        if self._is_divisible and self._group.bytes + size >= self._range_bytes and piece.rows:
            self._keep(piece)
            self._piece = piece._replace(start=end, first_row=piece.first_row + piece.rows, rows=0)

    def end(self) -> None:
        """The object has no more records. One without rows is kept, to be named among the files."""
        piece = self._begun()
        if piece.rows or piece.first_row == 1:
            self._keep(piece)
        self._piece = None

    def finish(self) -> None:
        """There are no more objects."""
        self._close()

    def take_ranges(self) -> list[Range]:
        """The ranges that have become whole since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def _begun(self) -> Piece:
        if self._piece is None:
            raise ValueError("no object has begun")
        return self._piece

    def _keep(self, piece: Piece) -> None:
        if self._group.pieces and self._group.weight_with(piece, self._order) > self._pieces_max_bytes:
            self._close()
        self._group.add(piece, self._order)
        if self._group.bytes >= self._range_bytes:
            self._close()

    def _close(self) -> None:
        group, self._group = self._group, _Group()
        if not group.pieces:
            return
        if self.ranges == RANGES_MAX:
            raise InvalidInputError("rangeSize", f"would make more than {RANGES_MAX:,} ranges; use more bytes")
        rows = sum(piece.rows for piece in group.pieces)
        self._ready.append(
            Range(self.ranges, 0, group.bytes, self.rows + 1, rows, tuple(group.pieces), tuple(group.orders))
        )
        self.ranges, self.rows = self.ranges + 1, self.rows + rows


class _Group:
    """The pieces of the next range. `weight`: what they take in a child's input."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.orders: dict[tuple[int, ...], int] = {}
        self.bytes = 0
        self.weight = 0

    def weight_with(self, piece: Piece, order: tuple[int, ...] | None) -> int:
        new = len(json.dumps(order)) + 2 if order and order not in self.orders else 0
        return self.weight + len(json.dumps(piece)) + 2 + new

    def add(self, piece: Piece, order: tuple[int, ...] | None) -> None:
        self.weight = self.weight_with(piece, order)
        number = self.orders.setdefault(order, len(self.orders) + 1) if order else 0
        self.pieces.append(piece._replace(order=number))
        self.bytes += piece.end - piece.start


def order_of(header: Sequence[str], of: Sequence[str]) -> tuple[int, ...]:
    """Where each column of a header stands in another one that has the same columns; the n-th of a name is the n-th."""
    places: dict[str, list[int]] = {}
    for index, name in enumerate(of):
        places.setdefault(name, []).append(index)
    return tuple(places[name].pop(0) for name in header)


def _bytes(pieces: Iterable[Piece]) -> int:
    return sum(piece.end - piece.start for piece in pieces)
