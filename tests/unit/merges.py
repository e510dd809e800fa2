"""Parts of groups, and runs of merges over them, for tests."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sluice.runs.paths import Run
from sluice.workflows.object_aggregate.aggregation import Aggregation
from sluice.workflows.object_aggregate.cells import GroupTally, Key
from sluice.workflows.object_aggregate.merge import run_slice
from sluice.workflows.object_aggregate.merge_plan import LastMerge, Merge, MergeProgress, MergeRequest, plan_merges
from sluice.workflows.object_aggregate.tally import to_line
from tests.unit.aggregated import BUCKET, RUN, aggregation
from tests.unit.fake_s3 import FakeS3

# Small enough for parts of uploads to be sent.
PART_BYTES = 200
SLICES_MAX = 10_000

Row = tuple[Key, Decimal | None]


def request(**changed: Any) -> Aggregation:
    """The statistics of x by g and h."""
    return Aggregation.from_state(aggregation(**{"groupBy": ["g", "h"], **changed}))


def tallied(rows: Iterable[Row]) -> dict[Key, GroupTally]:
    """What one dict makes of the rows."""
    groups: dict[Key, GroupTally] = {}
    for key, value in rows:
        tally = groups.setdefault(key, GroupTally.empty(1))
        tally.rows += 1
        if value is not None:
            tally.measures[0].add(value)
    return groups


def part_of(rows: Iterable[Row]) -> bytes:
    """A part as AggregateObjects leaves it."""
    return gzip.compress(b"".join(to_line(key, tally) for key, tally in sorted(tallied(rows).items())))


def never() -> bool:
    """There is always time left."""
    return False


@dataclass
class Merges:
    """The merges of a run over a bucket."""

    aggregation: Aggregation
    s3: FakeS3 = field(default_factory=FakeS3)
    run: Run = RUN
    missing: Mapping[str, int] | None = None

    def put(self, parts: Sequence[Sequence[Row]]) -> list[str]:
        """Leave one part for each; returns their keys."""
        keys = [self.run.batch_part_key(f"{number:06d}", 0) for number in range(len(parts))]
        for key, rows in zip(keys, parts, strict=True):
            self.s3.objects[key] = part_of(rows)
        return keys

    def slice(self, merge: Merge, progress: MergeProgress, is_time_up: Callable[[], bool]) -> MergeProgress:
        """One slice of a merge."""
        request = MergeRequest(self.run, self.aggregation, merge, progress)
        s3: Any = self.s3
        return run_slice(s3, BUCKET, request, is_time_up, PART_BYTES)

    def merge(self, merge: Merge, is_time_up: Callable[[], bool]) -> MergeProgress:
        """Slices until it is done."""
        progress = MergeProgress()
        for _ in range(SLICES_MAX):
            if progress.done:
                return progress
            progress = self.slice(merge, progress, is_time_up)
        raise AssertionError("the merge does not end")

    def reduce(self, parts: Sequence[Sequence[Row]], fan_in: int, is_time_up: Callable[[], bool]) -> MergeProgress:
        """The whole tree."""
        last = LastMerge(sum(map(len, parts)), self.missing)
        levels, end = plan_merges(self.run, self.put(parts), last, fan_in)
        for merges in levels:
            for each in merges:
                self.merge(each, is_time_up)
        return self.merge(end, is_time_up)

    def result(self, ending: str) -> bytes:
        """The run's result."""
        return self.s3.objects[self.run.result_key(ending, is_complete=self.missing is None)]

    def rows(self) -> list[dict[str, str]]:
        """The rows of result.csv."""
        return list(csv.DictReader(io.StringIO(self.result("csv").decode(), newline="")))

    def document(self) -> Any:
        """result.json, its numbers as they are written."""
        return json.loads(self.result("json"), parse_float=str, parse_int=str)


def by_turns(answers: Sequence[bool]) -> Callable[[], bool]:
    """Whether the time is up: these answers over and over."""
    turns = _endless(answers)
    return lambda: next(turns)


def _endless(answers: Sequence[bool]) -> Iterator[bool]:
    while True:
        yield from answers or [False]
