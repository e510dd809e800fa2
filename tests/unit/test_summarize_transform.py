"""SummarizeTransform: what became of each segment, and of a chain of runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice import errors
from sluice.runs.columns_found import ColumnsFound
from sluice.runs.counts import Counts
from sluice.runs.outcomes import outcomes
from sluice.runs.paths import Run
from sluice.runs.segments import Segment, write_segments
from sluice.runs.summary import summarize as summarize_outcomes
from sluice.workflows.table_transform.progress import SEGMENTS as SEGMENT_PARTS
from sluice.workflows.table_transform.progress import Changes, Done, TransformProgress
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.fake_tables import Json
from tests.unit.lambda_context import Context

USUAL = fixture("summarize_transform", "usual")
RUN = Run.from_state(USUAL["run"])
BUCKET = "sluice-data-000000000000-us-east-1"
THRESHOLD = {"name": "States.ExceedToleratedFailureThreshold", "message": "The threshold was exceeded"}
SEGMENTS = 4


def progress(read: int, *, rejected: int = 0, is_done: bool = True, **more: Any) -> TransformProgress:
    """A slice that changed all its items but for those that it rejected."""
    done = Done(
        counts=Counts(read=read, written=read - rejected, rejected=rejected),
        changes=Changes(changed=read - rejected, conflicts=1),
        scanned=read + 1,
        read_units=0.5,
        write_units=float(read),
        reasons=Counter({"TransformFailed": rejected} if rejected else {}),
        **more,
    )
    return TransformProgress(
        start_key=None if is_done else {"pk": {"S": "x"}},
        slices=1,
        is_done=is_done,
        done=done,
        reject_slices=(0,) if rejected else (),
        sample_slices=(0,),
    )


def record(segment: int, status: str, **more: Any) -> Json:
    given = {"run": RUN.to_state(), "transform": {}, "segment": {"segment": segment}, "progress": None}
    return {"Status": status, "Input": json.dumps(given), **more}


def succeeded(segment: int, reached: TransformProgress) -> Json:
    return record(segment, "SUCCEEDED", Output=json.dumps(reached.to_state()))


def failed(segment: int, reached: TransformProgress | None = None, error: str = "ThrottledError") -> Json:
    """A child's record in a FAILED file, as SegmentFailed leaves it."""
    inner = json.dumps({"errorMessage": "no progress", "errorType": error})
    cause = json.dumps({"progress": reached.to_state() if reached else None, "cause": inner})
    return record(segment, "FAILED", Error=error, Cause=cause, ExecutionArn="arn:child")


class Bucket:
    """What a run's segments have left."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        write_segments(self.s3, BUCKET, RUN.segments_key, [{"segment": each} for each in range(SEGMENTS)])

    def put(self, key: str, body: str) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode())

    def text(self, key: str) -> str:
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()

    def put_results(self, *records: Json) -> None:
        """A manifest, and one file of records for each status."""
        listed: dict[str, list[Json]] = {}
        for status in ("SUCCEEDED", "FAILED", "PENDING"):
            lines = [
                each
                for each in records
                if (each["Status"] if each["Status"] in ("SUCCEEDED", "PENDING") else "FAILED") == status
            ]
            self.put(f"{RUN.results_prefix}/a/{status}_0.jsonl", "".join(json.dumps(each) + "\n" for each in lines))
            listed[status] = [{"Key": f"{RUN.results_prefix}/a/{status}_0.jsonl"}] if lines else []
        self.put(f"{RUN.results_prefix}/a/manifest.json", json.dumps({"ResultFiles": listed}))

    def put_parts(self, *segments: int) -> None:
        """Rejects and samples of the segments' first slices."""
        for segment in segments:
            self.put(RUN.reject_part_key(segment, 0), f"reject {segment}\n")
            self.put(RUN.sample_part_key(segment, 0), f"sample {segment}\n")

    def put_cursor(self, segment: int, reached: TransformProgress) -> None:
        self.put(RUN.cursor_key(segment), json.dumps(reached.to_state()))


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with mock_aws():
        yield Bucket()


def summarize(mode: str = "apply", **changed: Any) -> Json:
    planned: Json = {
        "transform": {"mode": mode},
        "plan": {"bucket": BUCKET, "key": RUN.segments_key, "segments": SEGMENTS},
        "rejectsTolerated": None,
        "resumed": None,
    }
    planned["transform"] |= changed.pop("transform", {})
    planned |= {name: changed.pop(name) for name in ("rejectsTolerated", "resumed") if name in changed}
    event = USUAL | {"planned": planned, "error": None} | changed
    answer: Json = import_module("summarize_transform.handler").lambda_handler(event, Context())
    return answer


def test_every_segment_done_is_a_complete_run(bucket: Bucket) -> None:
    bucket.put_results(*(succeeded(each, progress(10, rejected=each % 2)) for each in range(SEGMENTS)))
    bucket.put_parts(3, 2, 1, 0)
    verified = {"sampled": 5, "differences": 0, "key": None, "readUnits": 5.0}
    summary = summarize(verified=verified)
    assert summary == {
        "workflow": "table_transform",
        "status": "COMPLETE",
        "execution": "fixture",
        "counts": {"read": 40, "written": 38, "skipped": 0, "rejected": 2, "failed": 0},
        "capacity": {"readUnits": 2.0, "writeUnits": 40.0},
        "results": {"bucket": BUCKET, "prefix": RUN.prefix},
        "rejects": {"key": RUN.rejects_key, "reasons": {"TransformFailed": 2}, "examples": {}},
        "failures": None,
        "error": None,
        "notes": [],
        "mode": "apply",
        "changes": {"changed": 38, "unchanged": 0, "deleted": 0, "conflicts": 4},
        "scanned": 44,
        "plannedWriteUnits": 0.0,
        "estimate": None,
        "sample": {"key": RUN.sample_key},
        "verified": verified,
        "resumed": None,
    }
    assert json.loads(bucket.text(RUN.summary_key)) == summary
    assert bucket.text(RUN.rejects_key) == "reject 1\nreject 3\n"
    assert bucket.text(RUN.sample_key) == "sample 0\nsample 1\nsample 2\nsample 3\n"


def test_dry_run_says_what_applying_costs(bucket: Bucket) -> None:
    reached = progress(10, planned_write_units=400_000.0, planned_puts=5_000)
    bucket.put_results(*(succeeded(each, reached) for each in range(SEGMENTS)))
    bucket.put_parts(*range(SEGMENTS))
    summary = summarize("dryRun")
    assert summary["plannedWriteUnits"] == 1_600_000
    assert summary["estimate"] == {"readUnits": 2.0, "writeUnits": 1_600_000.0, "journalPuts": 20_000, "usd": 1.1}


def test_segment_that_failed_counts_up_to_its_cursor(bucket: Bucket) -> None:
    bucket.put_results(
        *(succeeded(each, progress(10)) for each in (0, 1)), failed(2, progress(3, is_done=False)), record(3, "PENDING")
    )
    bucket.put_parts(*range(SEGMENTS))
    bucket.put_cursor(2, progress(5, is_done=False))
    summary = summarize()
    assert (summary["status"], summary["counts"]["read"], summary["failures"]["batches"]) == ("PARTIAL", 25, 2)
    ends = [json.loads(line) for line in bucket.text(RUN.failures_key).splitlines()]
    assert [(each["segment"], each["status"], each["counts"]["read"]) for each in ends] == [
        ({"segment": 2}, "FAILED", 5),
        ({"segment": 3}, "PENDING", 0),
    ]
    assert ends[0]["cause"] == "no progress"
    assert bucket.text(RUN.sample_key) == "sample 0\nsample 1\nsample 2\n"


@pytest.mark.parametrize(
    ("names", "name"), [(["ThrottledError"] * 2, "ThrottledError"), (["A", "B"], "SegmentsFailedError")]
)
def test_run_fails_by_its_segments_own_error(bucket: Bucket, names: list[str], name: str) -> None:
    ended = [failed(each, error=error) for each, error in zip((2, 3), names, strict=True)]
    bucket.put_results(succeeded(0, progress(1)), succeeded(1, progress(1)), *ended)
    bucket.put_parts(0, 1)
    summary = summarize(error=THRESHOLD)
    assert (summary["status"], summary["error"]["name"]) == ("FAILED", name)
    message = f"2 of the segments failed; the first is segment 2: {names[0]}: no progress"
    assert summary["error"]["message"] == message


def test_segment_without_a_record_does_not_reconcile() -> None:
    ends = outcomes(SEGMENT_PARTS, map(Segment, range(SEGMENTS)), [succeeded(each, progress(1)) for each in range(3)])
    error = summarize_outcomes(RUN, BUCKET, ends, None, None).error
    assert error is not None
    assert error.name == "CountsDoNotReconcileError"
    assert "1 segments are missing from the result files, first segment 3" in error.message


def test_counts_that_do_not_add_up_fail_the_run(bucket: Bucket) -> None:
    wrong = TransformProgress(is_done=True, done=Done(counts=Counts(read=3, written=1)))
    bucket.put_results(*(succeeded(each, wrong) for each in range(SEGMENTS)))
    assert summarize()["error"]["name"] == "CountsDoNotReconcileError"


def test_more_rejects_than_tolerated_fail_the_run(bucket: Bucket) -> None:
    bucket.put_results(*(succeeded(each, progress(10, rejected=1)) for each in range(SEGMENTS)))
    bucket.put_parts(*range(SEGMENTS))
    assert summarize(rejectsTolerated={"count": 3})["error"]["name"] == "TooManyRejectsError"
    assert summarize(rejectsTolerated={"percentage": 10})["status"] == "COMPLETE"


def test_chain_of_runs_adds_up(bucket: Bucket) -> None:
    bucket.put_results(*(succeeded(each, progress(10)) for each in range(SEGMENTS)))
    bucket.put_parts(*range(SEGMENTS))
    summary = summarize(resumed={"run": "first", "done": progress(5, rejected=2).done.to_state()})
    assert summary["counts"]["read"] == 40
    total = summary["resumed"]["total"]
    assert summary["resumed"]["run"] == "first"
    assert total["counts"] == {"read": 45, "written": 43, "skipped": 0, "rejected": 2, "failed": 0}
    assert (total["changes"]["changed"], total["readUnits"]) == (43, 2.5)


@pytest.mark.parametrize("path", sorted((EVENTS / "summarize_transform").glob("*.json")), ids=lambda each: each.stem)
def test_fixture_ends_as_it_is_named(bucket: Bucket, path: Path) -> None:
    handler, error = import_module("summarize_transform.handler").lambda_handler, expected_error(path)
    if error is None:
        summary = handler(fixture("summarize_transform", path.stem), Context())
        assert (summary["status"], summary["mode"], summary["counts"]["read"]) == ("FAILED", None, 0)
        assert summary["sample"] is summary["estimate"] is summary["resumed"] is None
        return
    with pytest.raises(getattr(errors, error)):
        handler(fixture("summarize_transform", path.stem), Context())


def test_reasons_of_rejects_have_a_message_each(bucket: Bucket) -> None:
    bucket.put_results(*(succeeded(each, progress(10, rejected=each % 2)) for each in range(SEGMENTS)))
    bucket.put_parts(*range(SEGMENTS))
    for segment in (1, 3):
        reject = {"error": "TransformFailed", "message": f"KeyError: 'price' {segment}", "key": {}, "record": {}}
        bucket.put(RUN.reject_part_key(segment, 0), json.dumps(reject) + "\n")
    summary = summarize(rejectsTolerated={"count": 0})
    assert summary["rejects"]["examples"] == {"TransformFailed": "KeyError: 'price' 1"}
    assert summary["error"]["message"] == (
        "2 of 40 rows were rejected, more than 0 tolerated: TransformFailed 2 (KeyError: 'price' 1)"
    )


def test_column_that_no_item_has_fails_the_run(bucket: Bucket) -> None:
    found = [
        ColumnsFound(frozenset({"mial", "city"}), ("pk", "mail")),
        ColumnsFound(),
        ColumnsFound(frozenset({"mial"}), ("name",)),
        ColumnsFound(frozenset({"mial"}), ("pk",)),
    ]
    bucket.put_results(*(succeeded(each, progress(10, columns=found[each])) for each in range(SEGMENTS)))
    bucket.put_parts(*range(SEGMENTS))
    problem = 'none of the 40 items has the column "mial"; their columns are "pk", "mail", "name"'
    summary = summarize()
    assert (summary["status"], summary["error"]) == (
        "FAILED",
        {"name": "ColumnNotFoundError", "message": problem},
    )
    resumed = {"run": "earlier", "done": Done().to_state()}
    assert summarize(resumed=resumed)["error"] is None, "the items before may have had it"


def test_slice_of_an_earlier_version_lacks_no_column(bucket: Bucket) -> None:
    old = progress(10).to_state()
    del old["columns"]
    columns = ColumnsFound(frozenset({"mial"}), ("pk",))
    others = [succeeded(each, progress(10, columns=columns)) for each in range(1, SEGMENTS)]
    bucket.put_results(record(0, "SUCCEEDED", Output=json.dumps(old)), *others)
    bucket.put_parts(*range(SEGMENTS))
    assert summarize()["error"] is None


@pytest.mark.parametrize(
    ("target", "rejected", "message"),
    [
        (True, 0, "the transform skipped 40 of 40 items, so nothing was written"),
        (True, 1, "the transform skipped 36 of 40 items; the other 4 were rejected, so nothing was written"),
        (False, 0, None),
    ],
)
def test_transform_that_makes_no_item_of_a_target_is_no_success(
    bucket: Bucket, target: bool, rejected: int, message: str | None
) -> None:
    left = 10 - rejected
    reasons = Counter({"TransformFailed": rejected} if rejected else {})
    done = Done(Counts(read=10, skipped=left, rejected=rejected), Changes(unchanged=left), 10, reasons=reasons)
    reached = TransformProgress(slices=1, is_done=True, done=done, reject_slices=(0,) if rejected else ())
    bucket.put_results(*(succeeded(each, reached) for each in range(SEGMENTS)))
    bucket.put_parts(*range(SEGMENTS))
    summary = summarize(transform={"target": {"name": "nests"} if target else None})
    error = summary["error"]
    assert (summary["status"], error) == (
        ("FAILED", {"name": "NothingWrittenError", "message": error["message"]}) if message else ("COMPLETE", None)
    )
    assert message is None or error["message"].startswith(message)
