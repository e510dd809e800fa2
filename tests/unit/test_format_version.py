"""Each step reads what this version and the one before have written, and refuses any other by name."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice.errors import FormatVersionError
from sluice.runs.attempts import earlier_outcome
from sluice.runs.paths import Run
from sluice.runs.range_progress import RangeProgress
from sluice.runs.segments import read_segments
from sluice.state import FIELD, FORMAT, READABLE, readable
from sluice.workflows.athena_map.inspection import Phase, ResultInspection, RowsReader
from sluice.workflows.csv_load.plan import PlanProgress
from sluice.workflows.csv_load.ranges import read_ranges
from sluice.workflows.csv_load.slice import SliceRequest
from sluice.workflows.distinct_keys.measure_slice import MeasureProgress, MeasureRequest
from sluice.workflows.distinct_keys.slice import ScanRequest, SegmentProgress
from sluice.workflows.distinct_keys.summary import Processed, Scanned
from sluice.workflows.export_process.progress import FileRequest
from sluice.workflows.object_aggregate.merge_plan import Merge, MergeProgress, MergeRequest
from sluice.workflows.object_aggregate.progress import BatchProgress, BatchRequest
from sluice.workflows.object_aggregate.summary import Collected
from sluice.workflows.table_transform.handover import RunFiles, read_cursors
from sluice.workflows.table_transform.progress import Done, SegmentRequest, TransformProgress
from tests.fixtures import fixture
from tests.unit.lambda_context import Context

BUCKET = "sluice-data-000000000000-us-east-1"
RUN = Run("table_transform", "july", "arn:aws:states:us-east-1:000000000000:execution:table_transform:july")
UNKNOWN = FORMAT + 1
Json = dict[str, Any]
Read = Callable[[Any], Any]

# What is read, and by which step, with the place of the state in the step's event.
REQUESTS: list[tuple[Read, str, str]] = [
    (SliceRequest.from_event, "transform_items", "load"),
    (SliceRequest.from_event, "transform_items", "range"),
    (ScanRequest.from_event, "scan_distinct_keys", "scan"),
    (MeasureRequest.from_event, "measure_collection", "scan"),
    (FileRequest.from_event, "process_export_file", "process"),
    (SegmentRequest.from_event, "transform_segment", "transform"),
    (BatchRequest.from_event, "aggregate_objects", "aggregation"),
    (MergeRequest.from_event, "reduce_aggregates", "aggregation"),
    (MergeRequest.from_event, "reduce_aggregates", "merge"),
]
PROGRESSES: list[tuple[Any, Any]] = [
    (RangeProgress, RangeProgress(position=1, row=1)),
    (SegmentProgress, SegmentProgress()),
    (MeasureProgress, MeasureProgress()),
    (TransformProgress, TransformProgress()),
    (BatchProgress, BatchProgress("b")),
    (MergeProgress, MergeProgress()),
    (Merge, Merge("m", ("a",))),
    (ResultInspection, ResultInspection(Phase.DONE, RowsReader.NONE)),
    (Collected, Collected.from_plan(None)),
]
SUMMARIZERS = ["summarize_run", "summarize_keys", "summarize_transform", "summarize_rows", "plan_reduction"]
formats = pytest.mark.parametrize("number", [None, *READABLE])


def numbered(state: Json, number: int | None) -> Json:
    """The state as a version with this format would have written it; None: before formats had numbers."""
    rest = {name: value for name, value in state.items() if name != FIELD}
    return rest if number is None else {**rest, FIELD: number}


def test_this_format_and_those_before_are_read() -> None:
    assert tuple(READABLE) == (1, 2, FORMAT)
    assert readable({"a": 1}, "the plan") == {"a": 1}
    with pytest.raises(FormatVersionError) as refused:
        readable({FIELD: UNKNOWN}, "the run's plan")
    text = str(refused.value)
    assert f"the run's plan is in format {UNKNOWN}, this deployment reads formats 1 to {FORMAT}:" in text
    assert "Start the run again with this version, or deploy the version that started it" in text


@pytest.mark.parametrize(("read", "step", "name"), REQUESTS)
@formats
def test_step_reads_known_formats(read: Read, step: str, name: str, number: int | None) -> None:
    event = fixture(step, "usual")
    read(event | {name: numbered(event[name], number)})


@pytest.mark.parametrize(("read", "step", "name"), REQUESTS)
@pytest.mark.parametrize("number", [0, UNKNOWN, "2", "x"])
def test_step_refuses_any_other(read: Read, step: str, name: str, number: Any) -> None:
    event = fixture(step, "usual")
    with pytest.raises(FormatVersionError, match=f"is in format {number}, this deployment reads"):
        read(event | {name: numbered(event[name], number)})


@pytest.mark.parametrize(("kind", "progress"), PROGRESSES)
def test_progress_has_a_number_and_is_read_by_it(kind: Any, progress: Any) -> None:
    state = json.loads(json.dumps(progress.to_state()))
    assert state[FIELD] == FORMAT
    for number in (None, *READABLE):
        assert kind.from_state(numbered(state, number)) == progress
    with pytest.raises(FormatVersionError):
        kind.from_state(numbered(state, UNKNOWN))


@pytest.mark.parametrize("step", SUMMARIZERS)
def test_step_that_sums_up_refuses_another_format(step: str) -> None:
    event = fixture(step, "usual")
    planned = numbered(event["planned"] or {}, UNKNOWN)
    with mock_aws(), pytest.raises(FormatVersionError, match="the run's plan"):
        import_module(f"{step}.handler").lambda_handler(event | {"planned": planned}, Context())


def test_inspection_refuses_the_plan_of_another_format() -> None:
    event = fixture("inspect_result", "usual")
    planned = numbered(event["planned"], UNKNOWN)
    with pytest.raises(FormatVersionError, match="the run's plan"):
        import_module("inspect_result.handler").lambda_handler(event | {"planned": planned}, Context())


def test_result_files_are_read_by_the_formats_of_their_children() -> None:
    progress = SegmentProgress(done=True).to_state()
    given = json.dumps({"segment": {"segment": 0}})
    Scanned().add({"Status": "SUCCEEDED", "Input": given, "Output": json.dumps(numbered(progress, None))})
    with pytest.raises(FormatVersionError):
        Scanned().add({"Status": "SUCCEEDED", "Input": given, "Output": json.dumps(numbered(progress, UNKNOWN))})
    measured = numbered(MeasureProgress().to_state(), UNKNOWN)
    output = json.dumps({"processed": 1, "failedKeys": [], "measured": measured})
    with pytest.raises(FormatVersionError):
        list(Processed().add({"Status": "SUCCEEDED", "Input": "{}", "Output": output}))


def test_plan_of_a_source_is_continued_in_known_formats() -> None:
    with pytest.raises(FormatVersionError, match="how far the plan has come"):
        PlanProgress.from_state({FIELD: UNKNOWN})


@pytest.fixture
def s3() -> Any:
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client


def put(s3: Any, key: str, body: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(body).encode() + b"\n")


@formats
def test_objects_of_a_run_are_read_in_known_formats(s3: Any, number: int | None) -> None:
    put(s3, "plan", numbered({"index": 0, "start": 0, "end": 1, "firstRow": 1, "rows": 1}, number))
    put(s3, "segments", numbered({"segment": 3}, number))
    put(s3, RUN.cursor_key(3), numbered(TransformProgress().to_state(), number))
    put(s3, "outcome", {"progress": numbered({"slices": 1}, number), "parts": {}})
    assert [each.rows for each in read_ranges(s3, BUCKET, "plan")] == [1]
    assert [each.index for each in read_segments(s3, BUCKET, "segments")] == [3]
    assert list(read_cursors(s3, BUCKET, RUN)) == [3]
    assert earlier_outcome(s3, BUCKET, "outcome") == numbered({"slices": 1}, number)


def test_objects_of_a_run_in_another_format_are_refused(s3: Any) -> None:
    for key in ("plan", "segments", RUN.cursor_key(3)):
        put(s3, key, {FIELD: UNKNOWN})
    put(s3, "outcome", {"progress": {FIELD: UNKNOWN}, "parts": {}})
    reads: list[Callable[[], Any]] = [
        lambda: read_ranges(s3, BUCKET, "plan"),
        lambda: read_segments(s3, BUCKET, "segments"),
        lambda: read_cursors(s3, BUCKET, RUN),
        lambda: earlier_outcome(s3, BUCKET, "outcome"),
    ]
    for read in reads:
        with pytest.raises(FormatVersionError):
            read()


@pytest.mark.parametrize("number", [None, *READABLE, UNKNOWN])
def test_run_is_resumed_from_known_formats(s3: Any, number: int | None) -> None:
    job = fixture("transform_segment", "usual")["transform"]
    plan = {"transform": copy.deepcopy(job), "before": Done().to_state(), "segments": {}}
    put(s3, RUN.plan_state_key, numbered(plan, number))
    if number == UNKNOWN:
        with pytest.raises(FormatVersionError, match="the plan of july is in format"):
            RunFiles(s3, BUCKET, RUN).read("july", "resume.run")
        return
    assert RunFiles(s3, BUCKET, RUN).read("july", "resume.run").total_segments == job["totalSegments"]
