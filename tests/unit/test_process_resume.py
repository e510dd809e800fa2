"""Continuing the processing of an export: each record goes to the sink once, however often the run is stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.errors import InvalidInputError
from sluice.runs.chains import WorkBefore
from sluice.runs.counts import Counts
from sluice.runs.paths import Run
from sluice.runs.plans import leave_plan_state
from sluice.workflows.export_process.input import Process, ProcessInput
from sluice.workflows.export_process.resume import ProcessPlan, read_earlier, request_of
from tests.unit.export_files import BUCKET, Json, birds, items
from tests.unit.file_slices import DATA_BUCKET, FULL, TABLE_SINK, Slices, slices
from tests.unit.run_items import FakeRunTable

RUN = Run("export_process", "first", "arn:aws:states:us-east-1:000000000000:execution:export_process:first")
INPUT: Json = {"export": {"bucket": BUCKET, "key": "e/manifest-summary.json"}, "sink": {"prefix": "output/birds"}}
OBJECTS: Json = {"type": "objects", "bucket": DATA_BUCKET, "prefix": "output/birds/", "values": "plain"}


def request(**changed: Any) -> ProcessInput:
    return ProcessInput.from_input({**INPUT, **changed}, DATA_BUCKET)


@pytest.fixture(scope="module")
def aws() -> Iterator[Slices]:
    with slices() as made:
        yield made


def event(aws: Slices, run: Run, line: Json, index: int, sink: Json) -> Json:
    """What the state machine makes of a line of the list of files."""
    made = aws.event({**line, "index": index}, FULL, sink)
    return made | {"run": run.to_state(), "progress": line.get("progress")}


def plan(aws: Slices, run: Run, lines: Sequence[Json], before: WorkBefore, sink: Json) -> None:
    """What CheckExport leaves."""
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    aws.s3.put_object(Bucket=DATA_BUCKET, Key=run.plan_key, Body=body)
    process = Process.from_state(aws.event({}, FULL, sink)["process"])
    leave_plan_state(
        aws.s3, DATA_BUCKET, run, ProcessPlan(request_of(request()), process, DATA_BUCKET, run.plan_key, before)
    )


def forget(aws: Slices) -> None:
    for each in aws.keys(""):
        aws.s3.delete_object(Bucket=DATA_BUCKET, Key=each)
    aws.fake.items.clear()


lengths = st.lists(st.integers(0, 700), min_size=1, max_size=3)
# How often a slice may ask for the time in each run, per file: each portion of 250 records asks once or more.
patience = st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), max_size=2)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths, patience, st.sampled_from([OBJECTS, TABLE_SINK]))
def test_each_record_is_processed_once_however_often_the_run_is_continued(
    aws: Slices, lengths: Sequence[int], patience: Sequence[Sequence[int]], sink: Json
) -> None:
    forget(aws)
    records = birds(sum(lengths))
    lines, start = list[Json](), 0
    for number, rows in enumerate(lengths):
        lines.append(aws.put(items(records[start : start + rows]), key=f"data/file-{number}.json.gz"))
        start += rows
    total = before = WorkBefore()
    for number, allowed in enumerate([*patience, [10**9] * 3]):
        run = replace(RUN, name=f"run-{number}")
        plan(aws, run, lines, before, sink)
        for index, line in enumerate(lines):
            if allowed[index]:
                aws.slice(event(aws, run, line, index, sink), allowed[index])
        earlier = read_earlier(aws.s3, DATA_BUCKET, run, run.name)
        lines, before = earlier.left, earlier.done
        total = before
    assert lines == []
    assert total.counts == Counts(sum(lengths), sum(lengths))
    if sink is TABLE_SINK:
        assert aws.held().keys() == {each["pk"]["S"] for each in records}
    else:
        written = [line["keys"] or line["item"]["pk"] for key in aws.keys("output/") for line in aws.lines(key)]
        assert sorted(map(str, written)) == sorted(each["pk"]["S"] for each in records)


def test_stopped_run_begins_no_file(aws: Slices) -> None:
    table = FakeRunTable()
    table.stop("export_process/a-run")
    aws.heartbeats = table.heartbeats()
    forget(aws)
    progress = aws.slice(aws.event(aws.put(items(birds(3))), FULL, TABLE_SINK))
    aws.heartbeats = None
    assert (progress["stopped"], progress["done"], progress["counts"]["read"]) == (True, False, 0)
    assert aws.held() == {}


def test_another_request_is_refused_by_its_field(aws: Slices) -> None:
    plan(aws, RUN, [], WorkBefore(), OBJECTS)
    earlier = read_earlier(aws.s3, DATA_BUCKET, RUN, "first")
    earlier.check(request(maxConcurrency=3))
    with pytest.raises(InvalidInputError, match=r"^sink: differs from that of first, which is to be continued"):
        earlier.check(request(sink={"table": "birds"}))
    with pytest.raises(InvalidInputError, match=r"^resume\.run: nobody is not a run of export_process"):
        read_earlier(aws.s3, DATA_BUCKET, RUN, "nobody")
