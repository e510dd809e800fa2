"""SummarizeRun of export_process: what is planned are data files, and the manifest is the plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from moto import mock_aws

from sluice.runs.counts import Counts
from sluice.runs.outcomes import RangeOutcome, outcomes
from sluice.runs.paths import Run
from sluice.runs.range_progress import RangeProgress
from sluice.runs.summary import RunError, Summary, summarize
from sluice.workflows.export_process.files import FILES as FILE_PARTS
from sluice.workflows.export_process.files import DataFile, read_files
from sluice.workflows.export_process.progress import FileProgress
from tests.unit.checked_exports import DATA_BUCKET, Surroundings
from tests.unit.export_files import BUCKET, Json, bird, items
from tests.unit.lambda_context import Context

RUN = Run("export_process", "a-run", "arn:aws:states:us-east-1:123456789012:execution:export_process:a-run")
FILES = [DataFile(index, f"data/{index}.json.gz", 10, "md5") for index in range(3)]
THRESHOLD = RunError("States.ExceedToleratedFailureThreshold", "exceeded")


def progress(rows: int, *, rejected: int = 0) -> Json:
    counts = Counts(rows, rows - rejected, 0, rejected)
    records = RangeProgress(0, 1, 1, done=True, counts=counts, reject_slices=(0,) if rejected else ())
    return FileProgress(records, '"etag"', 253).to_state()


def child(file: DataFile, index: int | None = None, **ended: Any) -> Json:
    """A child's record; `index` is that of the map's item, which need not be the line's."""
    given = file.to_state() | ({} if index is None else {"index": index}) | {"etag": "0-1"}
    return {"Input": json.dumps({"run": RUN.to_state(), "process": {}, "file": given, "progress": None}), **ended}


def succeeded(file: DataFile, index: int | None = None, **done: int) -> Json:
    return child(file, index, Status="SUCCEEDED", Output=json.dumps(progress(file.rows, **done)))


def failed(file: DataFile, error: str = "FileDamagedError") -> Json:
    reported = json.dumps({"errorMessage": f"s3://b/{file.key} is damaged", "errorType": error})
    return child(file, Status="FAILED", Error=error, Cause=json.dumps({"progress": None, "cause": reported}))


def summary_of(*records: Json, error: RunError | None = None) -> Summary:
    return summarize(RUN, DATA_BUCKET, outcomes(FILE_PARTS, FILES, records), None, error)


def test_every_file_done_is_a_complete_run() -> None:
    summary = summary_of(*map(succeeded, reversed(FILES)))
    assert (summary.status, summary.counts) == ("COMPLETE", Counts(30, 30))


def test_file_that_failed_is_named_with_its_records() -> None:
    (end, *_) = outcomes(FILE_PARTS, FILES, [failed(FILES[0]), *map(succeeded, FILES[1:])])
    assert json.loads(end.to_failure_line()) == {
        "file": FILES[0].to_state(),
        "status": "FAILED",
        "error": "FileDamagedError",
        "cause": "s3://b/data/0.json.gz is damaged",
        "executionArn": None,
        "counts": {"read": 10, "written": 0, "skipped": 0, "rejected": 0, "failed": 10},
    }


def test_files_own_error_is_the_runs() -> None:
    error = summary_of(failed(FILES[0]), *map(succeeded, FILES[1:]), error=THRESHOLD).error
    expected = "1 of the files failed; the first is data/0.json.gz: FileDamagedError: s3://b/data/0.json.gz is damaged"
    assert error == RunError("FileDamagedError", expected)


def test_different_errors_of_files_have_a_name_of_their_own() -> None:
    error = summary_of(failed(FILES[0]), failed(FILES[1], "ThrottledError"), succeeded(FILES[2]), error=THRESHOLD).error
    assert error is not None
    assert error.name == "FilesFailedError"


def test_file_without_a_record_is_named() -> None:
    error = summary_of(succeeded(FILES[0]), succeeded(FILES[2])).error
    assert error is not None
    assert error.message == "1 files are missing from the result files, first data/1.json.gz"


def test_file_with_other_records_than_the_manifest_says_does_not_reconcile() -> None:
    done = child(FILES[0], Status="SUCCEEDED", Output=json.dumps(progress(9)))
    error = summary_of(done, *map(succeeded, FILES[1:])).error
    assert error is not None
    assert error.message == "data/0.json.gz: 10 rows planned, 9 read"


def test_lost_file_has_all_its_records_failed() -> None:
    assert RangeOutcome(FILES[0], "LOST").counts == Counts(10, 0, 0, 0, 10)


# The handler.


@pytest.fixture
def aws() -> Iterator[Surroundings]:
    with mock_aws():
        yield Surroundings()


def test_rejects_are_merged_by_the_files_own_numbers(aws: Surroundings) -> None:
    lines = [aws.export.put_file(name, items([bird(name)] * 10)) for name in "abc"]
    aws.export.put_manifests(lines)
    files = read_files(aws.s3, BUCKET, aws.export.files_key)
    assert [(file.index, file.key, file.rows) for file in files] == [
        (index, line["dataFileS3Key"], 10) for index, line in enumerate(lines)
    ]
    # Where several readers list the items, an item's number is not its line's.
    numbers = {"a": 2, "b": 0, "c": 1}
    records = [succeeded(file, number, rejected=1) for file, number in zip(files, numbers.values(), strict=True)]
    for name, number in numbers.items():
        aws.s3.put_object(Bucket=DATA_BUCKET, Key=RUN.reject_part_key(number, 0), Body=f"{name}\n".encode())
    results = f"{RUN.results_prefix}/x"
    body = "".join(json.dumps(record) + "\n" for record in records).encode()
    aws.s3.put_object(Bucket=DATA_BUCKET, Key=f"{results}/SUCCEEDED_0.jsonl", Body=body)
    listed = {"ResultFiles": {"SUCCEEDED": [{"Key": f"{results}/SUCCEEDED_0.jsonl", "Size": 1}]}}
    aws.s3.put_object(Bucket=DATA_BUCKET, Key=f"{results}/manifest.json", Body=json.dumps(listed).encode())
    plan_object = {"bucket": BUCKET, "key": aws.export.files_key, "files": 3, "items": 30}
    summary = import_module("summarize_run.handler").lambda_handler(
        {
            "run": RUN.to_state(),
            "planned": {"process": {"verify": True}, "plan": plan_object, "rejectsTolerated": None},
            "mapRun": {"ResultWriterDetails": {"Bucket": DATA_BUCKET, "Key": f"{results}/manifest.json"}},
            "error": None,
        },
        Context(),
    )
    assert summary["counts"] == {"read": 30, "written": 27, "skipped": 0, "rejected": 3, "failed": 0}
    merged = aws.s3.get_object(Bucket=DATA_BUCKET, Key=summary["rejects"]["key"])["Body"].read()
    assert merged == b"a\nb\nc\n"
