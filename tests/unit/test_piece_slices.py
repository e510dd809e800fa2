"""Slices of ranges with several objects: cut and continued anywhere, each row is counted once, in its file."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.reading.object_gets import ObjectGets
from sluice.runs.counts import Counts
from sluice.runs.outcomes import SUCCEEDED, RangeOutcome
from sluice.runs.range_progress import RangeProgress
from sluice.workflows.csv_load.files import FileLines
from sluice.workflows.csv_load.ranges import Range
from sluice.workflows.csv_load.slice import RangeSlice, RangeSliceResult, SliceRequest
from sluice.workflows.csv_load.stretches import Stretches
from tests.unit.test_joined_plans import Objects
from tests.unit.test_transform_items import MemoryWriter

RUN = {"workflow": "csv_load", "name": "pieces", "executionArn": "arn"}
PREFIX = "in/"

cells = st.sampled_from(["a", "b,c", "new\nline", "", "bad", "kept", "ragged"])
tables = st.lists(st.tuples(st.lists(cells, max_size=150), st.booleans()), min_size=1, max_size=6)


def body_of(table: int, values: list[str], *, is_turned: bool) -> bytes:
    """A csv of ids and texts. A row with the text "ragged" has a value too many."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["text", "id"] if is_turned else ["id", "text"])
    for number, value in enumerate(values):
        key = value if value in ("bad", "kept", "") else f"{table}-{number}"
        row = [value, key] if is_turned else [key, value]
        writer.writerow([*row, "more"] if value == "ragged" else row)
    return text.getvalue().encode()


class Load:
    """A plan over objects in memory, and its slices."""

    def __init__(self, bodies: dict[str, bytes], range_bytes: int) -> None:
        self._objects = Objects(bodies)
        found = self._objects.inspected([*bodies], None, 200)
        self.ranges, joiner = self._objects.join(found, range_bytes)
        assert joiner.first is not None
        self._load = {
            "formatVersion": 3,
            "source": joiner.first.to_state(),
            "keyPrefix": "",
            "table": {"name": "t", "keys": [{"name": "id", "type": "S"}]},
            "keys": ["id"],
            "onConflict": "replace",
        }

    def slice(self, planned: Range, progress: RangeProgress | None, checks: int) -> tuple[RangeSliceResult, list[Any]]:
        """One slice, whose time is up after so many checks; what travels between slices is JSON."""
        event = {"run": RUN, "load": self._load, "range": planned.to_state()}
        event["progress"] = progress.to_state() if progress else None
        request = SliceRequest.from_event(json.loads(json.dumps(event)))
        writer, left = MemoryWriter(), iter(range(10**9))
        stretches = Stretches(self._objects.s3, ObjectGets(lambda: None), request)
        result = RangeSlice(request.progress, writer).run(stretches, lambda: next(left) >= checks)
        return result, writer.items


def sums(counts: Counts) -> tuple[int, ...]:
    return counts.read, counts.written, counts.skipped, counts.rejected


@settings(max_examples=60, deadline=None)
@given(tables=tables, range_bytes=st.integers(300, 5000), data=st.data())
def test_slices_and_continued_runs_count_each_row_once_in_its_file(
    tables: list[tuple[list[str], bool]], range_bytes: int, data: st.DataObject
) -> None:
    bodies = {f"{index}.csv": body_of(index, values, is_turned=turned) for index, (values, turned) in enumerate(tables)}
    load = Load(bodies, range_bytes)
    items: Counter[Any] = Counter()
    files: dict[str, Counts] = {}
    rejects: list[tuple[str, int]] = []
    for planned in load.ranges:
        left, progress = planned, None
        while True:
            result, written = load.slice(left, progress, data.draw(st.integers(0, 3)))
            items.update(item.key for item in written)
            for piece, counts in result.files:
                key = left.pieces[piece].key
                files[key] = files.get(key, Counts()) + counts
            rejects += [(line["file"], line["row"]) for line in map(json.loads, result.rejects)]
            if result.progress.done:
                break
            progress = result.progress
            if data.draw(st.booleans()):
                # A run that continues this one.
                left, progress = left.rest(progress), None
    expected_rejects = [
        (f"{index}.csv", number)
        for index, (values, _) in enumerate(tables)
        for number, value in enumerate(values, 1)
        if value in ("bad", "", "ragged")
    ]
    assert rejects == expected_rejects
    for index, (values, _) in enumerate(tables):
        of = Counter(
            "rejected" if each in ("bad", "", "ragged") else "kept" if each == "kept" else "new" for each in values
        )
        expected = (len(values), of["new"], of["kept"], of["rejected"])
        assert sums(files.get(f"{index}.csv", Counts())) == expected
    numbered = [(index, *each) for index, (values, _) in enumerate(tables) for each in enumerate(values)]
    special = ("bad", "kept", "", "ragged")
    keys = Counter((f"{index}-{number}",) for index, number, value in numbered if value not in special)
    assert {key: times for key, times in items.items() if key not in (("bad",), ("kept",))} == keys


def test_files_sum_up_the_pieces_of_all_ranges() -> None:
    load = Load(
        {"a.csv": body_of(0, ["a"] * 300, is_turned=False), "b.csv": b"id,text\n", "c.csv": b"id,text\n1,a\n"}, 300
    )
    assert len(load.ranges) > 3
    outcomes = []
    parts: dict[int, dict[int, Counts]] = {}
    for planned in load.ranges:
        result, _ = load.slice(planned, None, 10**9)
        parts[planned.index] = dict(result.files)
        outcomes.append(RangeOutcome(planned.brief(), SUCCEEDED, result.progress))
    # The last range has failed before it read anything.
    failed = outcomes[-1]
    outcomes[-1] = RangeOutcome(failed.planned, "FAILED")
    parts[failed.planned.index] = {}
    files = FileLines(PREFIX, lambda outcome: parts[outcome.planned.index])
    lines = [json.loads(line) for line in files.lines(load.ranges, outcomes)]
    assert [line["key"] for line in lines] == ["in/a.csv", "in/b.csv", "in/c.csv"]
    assert files.number == 3
    total = sum((each.counts for each in outcomes), Counts())
    for name in ("read", "written", "skipped", "rejected", "failed"):
        assert sum(line[name] for line in lines) == getattr(total, name)
    assert [line["rows"] for line in lines] == [300, 0, 1]
