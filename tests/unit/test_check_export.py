"""CheckExport: every check by its error, and the input of the children."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice import errors
from sluice.errors import (
    AccessDeniedError,
    ExportNotCompletedError,
    InvalidInputError,
    SluiceError,
    SourceNotFoundError,
)
from sluice.workflows.export_process.input import ObjectLocation, Process
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.checked_exports import ARN, CHANGES, DATA_BUCKET, OWN_LIST, Surroundings
from tests.unit.export_files import BUCKET, REAL_SUMMARY, ExportInS3, Json, bird, items, md5, put_real_export
from tests.unit.lambda_context import Context
from tests.unit.run_items import create_run_table


@pytest.fixture
def aws() -> Iterator[Surroundings]:
    with mock_aws():
        create_run_table()
        yield Surroundings()


# The input of the children.


def test_children_get_all_that_they_need(aws: Surroundings) -> None:
    checked = aws.check(sink={"table": "target", "guard": "newerOnly"})
    assert checked.process.to_state() == {
        "formatVersion": 3,
        "export": {
            "bucket": BUCKET,
            "type": "INCREMENTAL_EXPORT",
            "view": "NEW_AND_OLD_IMAGES",
            "writeTimestampMicros": None,
            "lines": "records",
            "moved": None,
        },
        "sink": {"type": "table", "name": "target", "keys": [{"name": "pk", "type": "S"}], "guard": "newerOnly"},
        "transform": None,
        "verify": True,
        "runItem": None,
    }
    assert Process.from_state(json.loads(json.dumps(checked.process.to_state()))) == checked.process
    assert (checked.listed_in, checked.files, checked.items) == (ObjectLocation(BUCKET, aws.export.files_key), 2, 2)


def test_objects_have_their_bucket_and_values(aws: Surroundings) -> None:
    state = aws.check(sink={"prefix": "output/birds"}).process.to_state()
    assert state["sink"] == {"type": "objects", "bucket": DATA_BUCKET, "prefix": "output/birds/", "values": "plain"}
    assert Process.from_state(state).to_state() == state
    elsewhere = {"prefix": "x/", "bucket": "other", "values": "dynamodbJson"}
    assert aws.check(sink=elsewhere).process.to_state()["sink"] == {"type": "objects", **elsewhere}


def test_full_export_counts_as_written_just_before_its_time(aws: Surroundings) -> None:
    aws.export = ExportInS3(aws.s3, is_full=True)
    aws.put(items([bird("wren")]))
    export = aws.check().process.export
    assert (export.type, export.view, export.write_micros) == ("FULL_EXPORT", None, 1_768_386_096_367_000 - 1)
    aws.put(items([bird("wren")]), exportType="FULL_EXPORT", exportTime="2026-01-14T10:21:36Z")
    assert aws.check().process.export.write_micros == 1_768_386_096_000_000 - 1


@pytest.mark.parametrize(("view", "expected"), [("NEW_IMAGE", "NEW_IMAGE"), ("NEW_IMAGES", "NEW_IMAGE")])
def test_view_is_the_apis_whatever_the_guide_calls_it(aws: Surroundings, view: str, expected: str) -> None:
    aws.put(outputView=view)
    assert aws.check().process.export.view == expected


def test_files_with_records_are_counted(aws: Surroundings) -> None:
    files = [aws.export.put_file(f"{n}", CHANGES[:1] if n % 2 else []) for n in range(10)]
    aws.export.put_manifests(files)
    checked = aws.check()
    assert (checked.files, checked.filled) == (10, 5)


def test_real_export_has_no_checksums_and_is_read_without(aws: Surroundings) -> None:
    put_real_export(aws.s3, BUCKET)
    real = {"bucket": BUCKET, "key": REAL_SUMMARY}
    aws.dynamodb.create("copy", id="S")
    checked = aws.check(export=real, sink={"table": "copy"}, verify=False)
    assert (checked.files, checked.items, checked.process.export.write_micros) == (1, 3, 1_715_685_260_607_999)
    problem = r"has no object .*/manifest-summary\.md5; an export without checksums is read with verify false"
    aws.refused(SourceNotFoundError, problem, export=real, sink={"table": "copy"})
    aws.refused(InvalidInputError, r"target is pk \(S\), the exported items have no such", export=real, verify=False)


# Rejects that are fed back.


def test_rejects_become_a_list_of_one_file(aws: Surroundings) -> None:
    lines = b'{"record":{}}\n\n{"record":{}}\n'
    aws.s3.put_object(Bucket=DATA_BUCKET, Key="input/rejects.jsonl", Body=lines)
    checked = aws.check(records={"bucket": DATA_BUCKET, "key": "input/rejects.jsonl"})
    assert json.loads(checked.manifest or b"") == {
        "itemCount": 2,
        "md5Checksum": md5(lines),
        "dataFileS3Key": "input/rejects.jsonl",
    }
    assert (checked.listed_in, checked.files, checked.items) == (OWN_LIST, 1, 2)
    assert (checked.process.export.bucket, checked.process.export.lines) == (DATA_BUCKET, "rejects")
    assert checked.filled == 1


# An export by its ARN.


@pytest.mark.parametrize("prefix", [None, "", "exports/birds", "exports/birds/"])
def test_export_is_found_by_its_arn(aws: Surroundings, prefix: str | None) -> None:
    aws.export = ExportInS3(aws.s3, prefix=(prefix or "").rstrip("/"))
    aws.put()
    for manifest in {aws.export.summary_key, aws.export.summary_key.removeprefix("exports/birds/")}:
        described = {"ExportStatus": "COMPLETED", "S3Bucket": BUCKET, "ExportManifest": manifest}
        aws.dynamodb.export = described | ({} if prefix is None else {"S3Prefix": prefix})
        assert aws.check(export=ARN).listed_in.key == aws.export.files_key


@pytest.mark.parametrize(
    ("export", "problem"),
    [
        ({"ExportStatus": "IN_PROGRESS"}, f"{ARN} is IN_PROGRESS$"),
        (
            {"ExportStatus": "FAILED", "FailureCode": "S3AccessDenied", "FailureMessage": "no"},
            r"is FAILED \(S3AccessDenied: no\)$",
        ),
        ({"ExportStatus": "CANCELLED"}, "is CANCELLED$"),
    ],
)
def test_export_that_is_not_completed_is_refused_with_its_status(aws: Surroundings, export: Json, problem: str) -> None:
    aws.dynamodb.export = export
    aws.refused(ExportNotCompletedError, problem, export=ARN)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ExportNotFoundException", SourceNotFoundError),
        ("ValidationException", InvalidInputError),
        ("AccessDeniedException", AccessDeniedError),
    ],
)
def test_export_that_cannot_be_described_is_named(aws: Surroundings, code: str, error: type[SluiceError]) -> None:
    aws.dynamodb.problem = code
    aws.refused(error, ARN, export=ARN)


def test_ion_is_refused(aws: Surroundings) -> None:
    aws.put(outputFormat="ION")
    aws.refused(InvalidInputError, "^export: is in Ion")
    aws.dynamodb.export = {"ExportStatus": "COMPLETED", "ExportFormat": "ION"}
    aws.refused(InvalidInputError, "^export: is in Ion", export=ARN)


# The handler.


@pytest.mark.parametrize("path", sorted((EVENTS / "check_export").glob("*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(aws: Surroundings, path: Path) -> None:
    put_real_export(aws.s3, DATA_BUCKET)
    handler: Any = import_module("check_export.handler")
    event, error = fixture("check_export", path.stem), expected_error(path)
    if error is not None:
        with pytest.raises(getattr(errors, error)):
            handler.lambda_handler(event, Context())
        return
    answer = handler.lambda_handler(event, Context())
    assert answer["process"] == fixture("process_export_file", "usual")["process"] | {"verify": False}
    # moto does not know Lambda's account.
    (note,) = answer["notes"]
    assert "was not compared with the account's Lambda concurrency" in note
    assert answer | {"process": None, "notes": []} == {
        "formatVersion": 3,
        "process": None,
        "notes": [],
        "plan": {
            "bucket": DATA_BUCKET,
            "key": REAL_SUMMARY.replace("summary", "files"),
            "files": 1,
            "items": 3,
        },
        "maxConcurrency": 50,
        "toleratedFailurePercentage": 0,
        "toleratedFailureCount": 0,
        "rejectsTolerated": {"count": 0},
        "resumed": None,
        "mirror": None,
    }


def limited(aws: Surroundings, **fields: Any) -> Json:
    """What CheckExport makes of an export into a table with a limit."""
    put_real_export(aws.s3, DATA_BUCKET)
    aws.dynamodb.create("copy", id="S")
    event = fixture("check_export", "usual")
    event["input"] |= {"sink": {"table": "copy"}, **fields}
    answer: Json = import_module("check_export.handler").lambda_handler(event, Context())
    return answer


def test_limit_is_the_runs_and_can_be_changed(aws: Surroundings) -> None:
    answer = limited(aws, maxWriteUnitsPerSecond=100)
    assert answer["process"]["runItem"] == {
        "readUnitsPerSecond": None,
        "writeUnitsPerSecond": 100,
        "workers": 1,
    }
    key = {"run": {"S": "export_process/fixture"}}
    stored = boto3.client("dynamodb").get_item(TableName="runs-table", Key=key)["Item"]
    assert stored["writeUnitsPerSecond"] == {"N": "100"}


@pytest.mark.parametrize(("most", "children"), [(50, 30), (3, 3)])
def test_there_are_no_more_children_than_write_units_keep_busy(aws: Surroundings, most: int, children: int) -> None:
    assert limited(aws, maxWriteUnitsPerSecond=7500, maxConcurrency=most)["maxConcurrency"] == children


def test_list_of_rejects_is_written_below_the_run(aws: Surroundings) -> None:
    put_real_export(aws.s3, DATA_BUCKET)
    aws.s3.put_object(Bucket=DATA_BUCKET, Key="input/rejects.jsonl", Body=b'{"record":{}}\n')
    event = fixture("check_export", "usual")
    event["input"]["records"] = {"bucket": DATA_BUCKET, "key": "input/rejects.jsonl"}
    plan = import_module("check_export.handler").lambda_handler(event, Context())["plan"]
    assert plan == {"bucket": DATA_BUCKET, "key": "export_process/fixture/plan.jsonl", "files": 1, "items": 1}
    written = aws.s3.get_object(Bucket=DATA_BUCKET, Key=plan["key"])["Body"].read()
    assert json.loads(written)["dataFileS3Key"] == "input/rejects.jsonl"
