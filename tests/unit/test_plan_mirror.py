"""PlanMirror: a copy is made equal to its source only after every record of a whole export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from sluice import errors
from sluice.errors import InvalidInputError
from sluice.runs.chains import WorkBefore
from sluice.runs.counts import Counts
from sluice.runs.outcomes import LOST, STOPPED, SUCCEEDED, RangeOutcome
from sluice.runs.paths import Run
from sluice.runs.range_progress import RangeProgress
from sluice.runs.row_findings import RowFindings
from sluice.workflows.export_process.files import DataFile
from sluice.workflows.export_process.items import WRITE_MICROS
from sluice.workflows.export_process.mirror import Mirror, MirrorDone, MirrorProgress
from sluice.workflows.export_process.mirror_plan import decide, mirror_end
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.checked_exports import DATA_BUCKET, Surroundings
from tests.unit.export_files import BUCKET, ExportInS3, Json, bird, items
from tests.unit.lambda_context import Context

RUN = Run("export_process", "a-run", "arn:aws:states:us-east-1:123456789012:execution:export_process:a-run")
GUARDED = {"table": "target", "guard": "newerOnly"}


def end(
    status: str = SUCCEEDED, planned: int = 10, read: int = 10, rejected: int = 0, omitted: int = 0
) -> RangeOutcome:
    counts, found = Counts(read, read - rejected - omitted, omitted, rejected), RowFindings(omitted=omitted)
    progress = None if status == LOST else RangeProgress(0, 1, 1, done=True, counts=counts, rows_found=found)
    return RangeOutcome(DataFile(0, "data/0.json.gz", planned, None), status, progress)


@pytest.mark.parametrize(
    ("ends", "before", "records", "reason"),
    [
        ([end(), end()], Counts(), 20, None),
        ([], Counts(), 0, None),
        ([], Counts(20, 20), 20, None),
        ([end()], Counts(10, 10), 20, None),
        ([end(), end(STOPPED)], Counts(), 20, "1 of 2 files are not processed to their end"),
        ([end(), end(LOST)], Counts(), 20, "1 of 2 files are not processed to their end"),
        ([end("FAILED"), end("TIMED_OUT")], Counts(), 20, "2 of 2 files are not processed to their end"),
        ([end(read=9)], Counts(), 10, "9 records were read, and the manifest says 10"),
        ([end()], Counts(9, 9), 20, "19 records were read, and the manifest says 20"),
        ([end(omitted=10)], Counts(), 10, "the transform skipped all 10 records"),
        ([end(omitted=9)], Counts(), 10, None),
        ([end(rejected=2)], Counts(), 10, "2 records were rejected"),
        ([end()], Counts(10, 9, 0, 1), 20, "1 records were rejected"),
    ],
)
def test_only_a_whole_export_tells_what_the_source_lacks(
    ends: list[RangeOutcome], before: Counts, records: int, reason: str | None
) -> None:
    decision = decide(ends, before, records)
    assert (decision.is_due, decision.reason) == (reason is None, reason)


# The handler.


@pytest.fixture
def aws() -> Iterator[Surroundings]:
    with mock_aws():
        surroundings = Surroundings()
        surroundings.export = ExportInS3(surroundings.s3, is_full=True)
        surroundings.put(items([bird("wren"), bird("emu")]))
        yield surroundings


def put_results(aws: Surroundings, prefix: str, records: list[Json]) -> Json:
    body = "".join(json.dumps(record) + "\n" for record in records).encode()
    aws.s3.put_object(Bucket=DATA_BUCKET, Key=f"{prefix}/x/SUCCEEDED_0.jsonl", Body=body)
    listed = {"ResultFiles": {"SUCCEEDED": [{"Key": f"{prefix}/x/SUCCEEDED_0.jsonl", "Size": 1}]}}
    aws.s3.put_object(Bucket=DATA_BUCKET, Key=f"{prefix}/x/manifest.json", Body=json.dumps(listed).encode())
    return {"ResultWriterDetails": {"Bucket": DATA_BUCKET, "Key": f"{prefix}/x/manifest.json"}}


def file_results(aws: Surroundings, read: int) -> Json:
    lines = aws.s3.get_object(Bucket=BUCKET, Key=aws.export.files_key)["Body"].read().splitlines()
    records = []
    for index, line in enumerate(map(json.loads, lines)):
        rows = read if line["itemCount"] else 0
        progress = RangeProgress(0, 1, 1, done=True, counts=Counts(rows, rows)).to_state()
        given = {"file": line | {"index": index}}
        records.append({"Input": json.dumps(given), "Status": "SUCCEEDED", "Output": json.dumps(progress)})
    return put_results(aws, RUN.results_prefix, records)


@pytest.mark.parametrize(("read", "is_due"), [(2, True), (1, False)])
def test_files_are_counted(aws: Surroundings, read: int, is_due: bool) -> None:
    planned = fixture("plan_mirror", "usual")["planned"]
    planned["plan"] = {"bucket": BUCKET, "key": aws.export.files_key, "files": 2, "items": 2}
    planned["mirror"]["records"] = 2
    event = {"run": RUN.to_state(), "planned": planned, "mapRun": file_results(aws, read)}
    assert import_module("plan_mirror.handler").lambda_handler(event, Context())["due"] is is_due


def test_run_that_continues_another_counts_on(aws: Surroundings) -> None:
    event = fixture("plan_mirror", "usual")
    event["planned"]["mirror"]["records"] = 7
    handler = import_module("plan_mirror.handler")
    assert handler.lambda_handler(event, Context())["reason"] == "0 records were read, and the manifest says 7"
    event["planned"]["resumed"] = {"run": "before", "done": WorkBefore(Counts(7, 7)).to_state()}
    assert handler.lambda_handler(event, Context())["due"]


def test_fixture_is_due(aws: Surroundings) -> None:
    handler = import_module("plan_mirror.handler")
    assert handler.lambda_handler(fixture("plan_mirror", "usual"), Context()) == {"due": True, "reason": None}


@pytest.mark.parametrize("path", sorted((EVENTS / "plan_mirror").glob("[!u]*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(aws: Surroundings, path: Path) -> None:
    with pytest.raises(getattr(errors, str(expected_error(path)))):
        import_module("plan_mirror.handler").lambda_handler(fixture("plan_mirror", path.stem), Context())


# The check before anything is written.


def test_mirror_is_planned_for_a_full_export_alone(aws: Surroundings) -> None:
    assert aws.check(sink=GUARDED, mirror=True).target.mirror == Mirror(8, adopts=False)
    assert aws.check(sink=GUARDED, mirror=True, adopt=True).target.mirror == Mirror(8, adopts=True)
    aws.export = ExportInS3(aws.s3)
    aws.put()
    aws.dynamodb.put_item("target", bird("owl"))
    assert aws.check(sink=GUARDED, mirror=True).target.mirror is None


def test_table_with_other_items_is_refused_unless_they_are_adopted(aws: Surroundings) -> None:
    aws.dynamodb.put_item("target", bird("owl"))
    problem = f"mirror: target contains items without a number {WRITE_MICROS}, such as .*owl"
    aws.refused(InvalidInputError, problem, sink=GUARDED, mirror=True)
    assert aws.check(sink=GUARDED, mirror=True, adopt=True).target.mirror is not None


def test_full_export_into_a_table_with_items_is_warned_of(aws: Surroundings) -> None:
    assert aws.check(sink=GUARDED).target.warnings == ()
    aws.dynamodb.put_item("target", bird("owl"))
    for sink, remedy in ((GUARDED, 'with "mirror": true they'), ({"table": "target"}, '"guard": "newerOnly" in the')):
        (warning,) = aws.check(sink=sink).target.warnings
        assert "target had items before this full export" in warning
        assert remedy in warning
    assert aws.check(sink=GUARDED, resume={"run": "earlier"}).target.warnings == ()
    aws.export = ExportInS3(aws.s3)
    aws.put()
    assert aws.check(sink=GUARDED).target.warnings == ()


def test_rejects_of_an_earlier_run_are_not_all_records(aws: Surroundings) -> None:
    aws.s3.put_object(Bucket=DATA_BUCKET, Key="input/rejects.jsonl", Body=b'{"record":{}}\n')
    target = aws.check(sink=GUARDED, mirror=True, records={"bucket": DATA_BUCKET, "key": "input/rejects.jsonl"}).target
    assert target.mirror is None
    assert "mirror was not done" in target.warnings[0]


# The summary.


def segment_record(number: int, status: str = "SUCCEEDED", **progress: Any) -> Json:
    given = json.dumps({"segment": {"formatVersion": 3, "segment": number}})
    output = {**MirrorProgress(is_done=True, done=MirrorDone(5, 2, 2, 1, 0.5, 2.0)).to_state(), **progress}
    return {"Input": given, "Status": status, "Output": json.dumps(output)}


def summed(aws: Surroundings, records: list[Json] | None, due: Json | None) -> Any:
    key = RUN.mirror_segments_key
    lines = b"".join(json.dumps({"formatVersion": 3, "segment": number}).encode() + b"\n" for number in range(2))
    aws.s3.put_object(Bucket=DATA_BUCKET, Key=key, Body=lines)
    if due and records is not None:
        due = due | {"mapRun": put_results(aws, RUN.mirror_results_prefix, records)}
    return mirror_end(aws.s3, RUN, {"mirror": {"bucket": DATA_BUCKET, "key": key}}, due, None)


def test_segments_are_summed_up(aws: Surroundings) -> None:
    due = {"due": True, "reason": None}
    done = summed(aws, [segment_record(0), segment_record(1)], due)
    assert done.to_state() == {
        "status": "COMPLETE",
        "reason": None,
        "read": 10,
        "live": 4,
        "deleted": 4,
        "tombstones": 2,
        "readUnits": 1.0,
        "writeUnits": 4.0,
    }
    stopped = summed(aws, [segment_record(0), segment_record(1, stopped=True)], due)
    assert (stopped.status, stopped.error.name) == ("STOPPED", "StoppedError")
    assert stopped.error.message == "the run was stopped: 1 of 2 segments are not done"


def test_mirror_that_was_not_done_is_a_note(aws: Surroundings) -> None:
    skipped = summed(aws, None, {"due": False, "reason": "2 records were rejected"})
    assert (skipped.status, skipped.error) == ("SKIPPED", None)
    assert skipped.notes[0].startswith("mirror was not done: 2 records were rejected; items that were deleted")
    assert summed(aws, None, None).reason == "the run ended before"
    assert mirror_end(aws.s3, RUN, {"mirror": None}, None, None) is None
