"""Continuing a load: of any ranges, after any slices, killed or stopped anywhere, nothing is left out or done twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from sluice.dynamodb.keys import KeySchema
from sluice.errors import InvalidInputError, SourceChangedError
from sluice.reading.source_objects import find_source
from sluice.runs.attempts import leave_parts, outcome_head
from sluice.runs.chains import WorkBefore
from sluice.runs.counts import Counts
from sluice.runs.paths import Run
from sluice.runs.plans import leave_plan_state
from sluice.runs.range_progress import RangeProgress
from sluice.workflows.csv_load.input import LoadInput
from sluice.workflows.csv_load.ranges import Range, write_ranges
from sluice.workflows.csv_load.resume import EarlierLoad, LoadPlan, read_earlier, request_of
from tests.fixtures import fixture

BUCKET = "sluice-data-000000000000-us-east-1"
RUN = Run("csv_load", "first", "arn:aws:states:us-east-1:000000000000:execution:csv_load:first")
INPUT: dict[str, Any] = fixture("plan_load", "usual")["input"]
SCHEMA = KeySchema.from_state([{"name": "icao", "type": "S"}])
# Every row of these ranges is a byte long.
Done = set[int]


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key=INPUT["source"]["key"], Body=b"icao\nK\n")
        yield client


def load(**changed: Any) -> LoadInput:
    return LoadInput.from_input({**INPUT, "source": {**INPUT["source"], "bucket": BUCKET}, **changed})


def plan(s3: Any, run: Run, ranges: Sequence[Range], before: WorkBefore) -> None:
    """What PlanLoad leaves."""
    write_ranges(s3, BUCKET, run.plan_key, ranges)
    source = find_source(s3, load().source)
    leave_plan_state(s3, BUCKET, run, LoadPlan(request_of(load()), source, SCHEMA, before))


def work(s3: Any, run: Run, each: Range, slices: Sequence[int]) -> Done:
    """Slices of so many rows each; returns the rows that they have counted."""
    progress, counted = RangeProgress(position=each.start, row=each.first_row), set[int]()
    for most in slices:
        rows = min(most, each.end - progress.position)
        after = replace(
            progress,
            position=progress.position + rows,
            row=progress.row + rows,
            slices=progress.slices + 1,
            done=progress.position + rows == each.end,
            counts=progress.counts + Counts(rows, rows),
            write_units=progress.write_units + rows,
        )
        counted |= set(range(progress.row, after.row))
        key = run.part_outcome_key(each.index, progress.slices)
        leave_parts(s3, BUCKET, key, progress=after.to_state(), parts={})
        progress = after
        if progress.done:
            break
    return counted


def ranges_of(lengths: Sequence[int]) -> list[Range]:
    starts = [sum(lengths[:index]) for index in range(len(lengths))]
    return [
        Range(index, start, start + rows, start + 1, rows)
        for index, (start, rows) in enumerate(zip(starts, lengths, strict=True))
    ]


def rows_of(ranges: Sequence[Range]) -> Counter[int]:
    return Counter(row for each in ranges for row in range(each.first_row, each.first_row + each.rows))


lengths = st.lists(st.integers(1, 9), min_size=1, max_size=4)
slices = st.lists(st.lists(st.integers(1, 5), max_size=3), min_size=4, max_size=4)
runs = st.lists(slices, min_size=1, max_size=3)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths, runs)
def test_each_row_is_counted_once_however_often_the_load_is_continued(
    s3: Any, lengths: Sequence[int], runs: Sequence[Sequence[Sequence[int]]]
) -> None:
    ranges, before, counted = ranges_of(lengths), WorkBefore(), Counter[int]()
    whole = rows_of(ranges)
    for number, slices in enumerate(runs):
        run = replace(RUN, name=f"{id(lengths)}-{number}-{len(runs)}-{sum(map(len, slices))}")
        _forget(s3, run)
        plan(s3, run, ranges, before)
        for each in ranges:
            counted.update(work(s3, run, each, slices[each.index]))
        earlier = read_earlier(s3, BUCKET, run, run.name)
        ranges, before = [*earlier.left()], earlier.done
        assert rows_of(ranges) + counted == whole
        assert before.counts == Counts(sum(counted.values()), sum(counted.values()))
        assert before.write_units == sum(counted.values())


def _forget(s3: Any, run: Run) -> None:
    for each in s3.list_objects_v2(Bucket=BUCKET, Prefix=run.prefix).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=each["Key"])


def earlier(s3: Any, slices: Mapping[int, Sequence[int]], name: str) -> EarlierLoad:
    run, ranges = replace(RUN, name=name), ranges_of([4, 4])
    _forget(s3, run)
    plan(s3, run, ranges, WorkBefore())
    for index, rows in slices.items():
        work(s3, run, ranges[index], rows)
    return read_earlier(s3, BUCKET, run, name)


def test_worker_that_ends_its_slice_after_the_load_is_continued_counts_nothing(s3: Any) -> None:
    found = earlier(s3, {0: [2]}, "late")
    run = replace(RUN, name="late")
    late = replace(found.progress[0], position=4, row=5, slices=2, done=True).to_state()
    outcome = leave_parts(s3, BUCKET, run.part_outcome_key(0, 1), progress=late, parts={"csv_load/late/rejects": b"x"})
    assert (outcome["position"], outcome["done"]) == (2, False)
    assert outcome_head(s3, BUCKET, run.part_outcome_key(0, 1)) == outcome
    assert [(each.start, each.rows) for each in found.left()] == [(2, 2), (4, 4)]
    again = read_earlier(s3, BUCKET, run, "late")
    assert ([*again.left()], again.done) == ([*found.left()], found.done)


def test_nothing_is_left_of_a_run_whose_slices_have_all_ended(s3: Any) -> None:
    found = earlier(s3, {0: [4], 1: [1, 3]}, "whole")
    assert ([*found.left()], found.done.counts) == ([], Counts(8, 8))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"table": "others"}, "table"),
        ({"onConflict": "reject"}, "onConflict"),
        ({"mapping": None, "keys": ["icao"]}, "mapping"),
        ({"source": {"bucket": BUCKET, "key": "input/other.csv"}}, "source"),
    ],
)
def test_another_request_is_refused_by_its_field(s3: Any, changed: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{field}: differs from that of request, which is to be continued"):
        earlier(s3, {}, "request").check(s3, load(**changed))


def test_settings_that_change_no_row_may_differ(s3: Any) -> None:
    earlier(s3, {}, "settings").check(s3, load(rangeSize=2048, maxConcurrency=3, rejectsTolerated=5))


def test_source_that_has_changed_is_refused(s3: Any) -> None:
    found = earlier(s3, {}, "changed")
    s3.put_object(Bucket=BUCKET, Key=INPUT["source"]["key"], Body=b"icao\nL\n")
    with pytest.raises(SourceChangedError, match="has changed since changed planned its ranges; start a new run"):
        found.check(s3, load())


def test_run_that_has_planned_nothing_cannot_be_continued(s3: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"^resume\.run: nobody is not a run of csv_load that has planned"):
        read_earlier(s3, BUCKET, RUN, "nobody")


def test_plan_travels_as_json(s3: Any) -> None:
    found = earlier(s3, {}, "json").plan
    assert LoadPlan.from_state(json.loads(json.dumps(found.to_state()))) == found
