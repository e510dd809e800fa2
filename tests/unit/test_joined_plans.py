"""Plans joined from chunks and objects that were inspected apart: the rows, ranges and errors of one scan."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import SourceMalformedError
from sluice.reading.object_gets import ObjectGets
from sluice.reading.object_reads import ObjectReads
from sluice.reading.object_set import ObjectSet
from sluice.reading.record_scanner import RECORD_MAX_BYTES, blocks
from sluice.reading.source import ObjectPin, Source
from sluice.workflows.csv_load.inspection import Inspected, Inspection, InspectionBounds, InspectionProgress
from sluice.workflows.csv_load.joining import Joiner
from sluice.workflows.csv_load.ranges import Piece, PieceCutter, Range
from sluice.workflows.csv_load.tasks import TaskPiece, chunks_of, piece_of, tasks_of
from tests.unit.fake_s3 import FakeS3, etag

DIALECTS: dict[str, dict[str, Any]] = {
    "csv": {},
    "unquoted": {"quote": None},
    "semicolon": {"delimiter": ";", "quote": "'"},
    "jsonl": {"format": "jsonl"},
    "escape": {"escape": "\\"},
    "comment": {"comment": "#", "trim": True},
    "long delimiter": {"delimiter": "||"},
}
TOKENS = ["a", ",", '"', '",', ',"', '"a\n"', ";", "'", "\n", "\r", "\r\n", "é", "{}\n", "a,b\n", "\\", "#", "|", " "]
texts = st.lists(st.sampled_from(TOKENS), max_size=40).map("".join)


class Objects:
    """Objects in memory, and how each of them is inspected in chunks or as a whole."""

    def __init__(self, bodies: dict[str, bytes], dialect: str = "csv") -> None:
        s3: Any = FakeS3(dict(bodies))
        self.s3 = s3
        self.set = ObjectSet("b", {"bucket": "b", "format": "csv", **DIALECTS[dialect]})
        self._reads = ObjectReads(s3, ObjectGets(lambda: None), 1 << 20)

    def source(self, key: str, header: tuple[str, ...] | None = None) -> Source:
        """A pinned object."""
        body = self.s3.objects[key]
        return Source(ObjectPin("b", key, None, etag(body), len(body)), self.set.of(key).dialect, header)

    def inspected(
        self, keys: Sequence[str], chunk_bytes: int | None, cut_bytes: int
    ) -> list[tuple[TaskPiece, Inspected]]:
        """What is found of each chunk of the objects, or of all of them."""
        whole = [piece_of(self.source(key)) for key in keys]
        pieces = whole if chunk_bytes is None else [part for each in whole for part in chunks_of(each, chunk_bytes)]
        inspection = Inspection(self.s3, self.set, keys[0], InspectionBounds(cut_bytes))
        found = []
        for task in tasks_of(pieces):
            lines, _ = inspection.run(task, InspectionProgress(), self._reads, lambda: False)
            found += [(task.pieces[line.piece], line) for line in lines]
        return found

    def join(self, found: list[tuple[TaskPiece, Inspected]], range_bytes: int) -> tuple[list[Range], Joiner]:
        """The ranges."""

        def cutter_for(first: Source) -> PieceCutter:
            return PieceCutter("", first.header, range_bytes, 1 << 16)

        joiner = Joiner(self.s3, lambda piece, header: self.source(piece.key, header), cutter_for)
        return [*joiner.ranges(found)], joiner


def one_scan(source: Source, body: bytes, start: int) -> int | str:
    """The rows from an offset on, or what is wrong with them."""
    try:
        return sum(block.rows for block in blocks(io.BytesIO(body[start:]), source.grammar, start))
    except SourceMalformedError as error:
        return f"{source}: {error}"


def check(objects: Objects, key: str, chunk_bytes: int, cut_bytes: int, range_bytes: int) -> None:
    body, source = objects.s3.objects[key], objects.source(key)
    found = objects.inspected([key], chunk_bytes, cut_bytes)
    ranges, joiner = objects.join(found, range_bytes)
    first = found[0][1]
    if first.problem:
        assert joiner.unreadable == [(key, first.problem)]
        return
    expected = one_scan(source, body, first.start)
    if isinstance(expected, str):
        assert joiner.unreadable == [(key, ("SourceMalformedError", expected))]
        return
    pieces = [piece for each in ranges for piece in each.pieces]
    assert sum(piece.rows for piece in pieces) == expected
    row, position = 1, first.start
    for piece in pieces:
        assert (piece.first_row, piece.start) == (row, position)
        assert one_scan(source, body[: piece.end], piece.start) == piece.rows
        row, position = row + piece.rows, piece.end


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=40)
@given(text=texts, cut_bytes=st.integers(1, 30), range_bytes=st.integers(1, 60))
def test_chunks_of_any_size_give_the_records_of_one_scan(
    dialect: str, text: str, cut_bytes: int, range_bytes: int
) -> None:
    body = b"id,name\n" + text.encode()
    objects = Objects({"a.csv": body}, dialect)
    ((_, whole),) = objects.inspected(["a.csv"], None, cut_bytes)
    # The first chunk has the header, and whatever comes before the first row.
    for chunk_bytes in range(max(10, whole.start), len(body) + 1):
        check(objects, "a.csv", chunk_bytes, cut_bytes, range_bytes)


@pytest.mark.parametrize(
    "record",
    [
        b'"' + b"x" * (RECORD_MAX_BYTES - 10) + b'",1\n',
        b'"' + b"x\n" * (RECORD_MAX_BYTES // 2) + b'",1\n',
        b"x" * RECORD_MAX_BYTES + b",1\n",
    ],
    ids=["as long as may be", "too long", "too long without quotes"],
)
@pytest.mark.parametrize("tail", [b"", b"3,c\n", b'3,c\n4,"open\n'], ids=["end", "rows", "open quote"])
def test_long_records_are_found_as_one_scan_finds_them(record: bytes, tail: bytes) -> None:
    objects = Objects({"a.csv": b"id,name\n1,a\n" + record + b"2,b\n" * 1000 + tail})
    check(objects, "a.csv", 5 << 20, 1 << 20, 4 << 20)


rows = st.lists(st.sampled_from(["a", "b,c", 'quo"te', "new\nline", "é", ""]), max_size=12)


@settings(max_examples=60)
@given(
    tables=st.lists(st.tuples(rows, st.booleans()), min_size=1, max_size=8),
    cut_bytes=st.integers(1, 40),
    range_bytes=st.integers(1, 200),
)
def test_ranges_of_several_objects_hold_each_row_once(
    tables: list[tuple[list[str], bool]], cut_bytes: int, range_bytes: int
) -> None:
    bodies, expected = {}, []
    for index, (values, is_turned) in enumerate(tables):
        header = ["name", "id"] if is_turned else ["id", "name"]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, header)
        writer.writeheader()
        writer.writerows({"id": number, "name": value} for number, value in enumerate(values))
        key = f"{index}.csv"
        bodies[key] = text.getvalue().encode()
        expected += [(key, number + 1, {"id": str(number), "name": value}) for number, value in enumerate(values)]
    objects = Objects(bodies)
    ranges, joiner = objects.join(objects.inspected([*bodies], None, cut_bytes), range_bytes)
    assert joiner.objects == len(bodies)
    assert [row for each in ranges for row in _rows(each, bodies, joiner.first)] == expected
    assert [each.first_row for each in ranges] == [
        1 + sum(each.rows for each in ranges[:index]) for index in range(len(ranges))
    ]
    assert {piece.key for each in ranges for piece in each.pieces} == {*bodies}


def _rows(planned: Range, bodies: dict[str, bytes], first: Source | None) -> list[Any]:
    assert first is not None
    assert first.header is not None
    found = []
    for piece in planned.pieces:
        columns = planned.orders[piece.order - 1] if piece.order else (0, 1)
        header = [first.header[column] for column in columns]
        found += [
            (piece.key, number, dict(zip(header, record, strict=True)))
            for number, record in enumerate(_records(bodies, piece), piece.first_row)
        ]
    return found


def _records(bodies: dict[str, bytes], piece: Piece) -> list[list[str]]:
    text = bodies[piece.key][piece.start : piece.end].decode()
    records = [record for record in csv.reader(io.StringIO(text, newline="")) if record]
    assert len(records) == piece.rows
    return records


def test_pieces_of_a_range_stay_within_their_room() -> None:
    cutter = PieceCutter("", ("id", "name"), 1 << 30, 1000)
    source = replace(Objects({"a.csv": b""}).source("a.csv"), header=("name", "id"))
    for number in range(100):
        pin = replace(source.pin, key=f"é{number:04}.csv")
        cutter.begin(replace(source, pin=pin), 8, is_divisible=True)
        cutter.take(100, 3)
        cutter.end()
    cutter.finish()
    ranges = cutter.take_ranges()
    assert sum(len(each.pieces) for each in ranges) == 100
    for each in ranges:
        state = each.to_state()
        assert len(str([state["pieces"], state["orders"]]).encode("ascii", "backslashreplace")) <= 1000
        assert {piece.order for piece in each.pieces} == {1}
