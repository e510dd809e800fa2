import io
import json
from typing import Any

import pytest
from botocore.response import StreamingBody

from sluice_cli.exit_code import ExitCode
from sluice_cli.report import exit_code, read_summary, readable_cause, summary_lines
from sluice_cli.run import Run
from sluice_cli.stack import Stack
from sluice_cli.watch import Ended
from tests.unit.cli_aws import EXECUTION, OUTPUTS, SUMMARY, StubbedAws, stubbed_aws

RUN = Run("csv_load", "july", EXECUTION)
STACK = Stack("sluice", OUTPUTS)
FAILED = Ended("FAILED", "", "TooManyRejectsError", "8 rejects, 5 tolerated", 3)
STORED = {"Bucket": "data", "Key": "csv_load/july/summary.json"}


def store(stubbed: StubbedAws, body: bytes) -> None:
    stubbed.s3.add_response("get_object", {"Body": StreamingBody(io.BytesIO(body), len(body))}, STORED)


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        ("SUCCEEDED", "", ExitCode.SUCCEEDED),
        ("FAILED", "CountsDoNotReconcile", ExitCode.FAILED),
        ("FAILED", "InvalidInputError", ExitCode.BAD_INPUT),
        ("TIMED_OUT", "", ExitCode.FAILED),
        ("ABORTED", "", ExitCode.FAILED),
        ("A_STATUS_OF_TOMORROW", "", ExitCode.FAILED),
    ],
)
def test_only_a_run_that_succeeded_exits_0(status: str, error: str, expected: ExitCode) -> None:
    assert exit_code(Ended(status, "", error, "", 0)) == expected


def test_the_summary_of_a_run_that_succeeded_is_its_output() -> None:
    with stubbed_aws() as stubbed:
        ended = Ended("SUCCEEDED", json.dumps(SUMMARY), "", "", 3)

        assert read_summary(stubbed.aws, STACK, RUN, ended) == SUMMARY


def test_the_summary_of_a_failed_run_is_what_it_stored() -> None:
    with stubbed_aws() as stubbed:
        store(stubbed, json.dumps(SUMMARY | {"status": "FAILED"}).encode())

        assert read_summary(stubbed.aws, STACK, RUN, FAILED) == SUMMARY | {"status": "FAILED"}


@pytest.mark.parametrize("code", ["NoSuchKey", "AccessDenied", "NoSuchBucket"])
def test_the_summary_of_a_run_that_stored_none_is_what_is_known(code: str) -> None:
    with stubbed_aws() as stubbed:
        stubbed.s3.add_client_error("get_object", code, expected_params=STORED)

        summary = read_summary(stubbed.aws, STACK, RUN, FAILED)

    assert summary == {
        "workflow": "csv_load",
        "status": "FAILED",
        "execution": "july",
        "counts": None,
        "capacity": None,
        "results": None,
        "rejects": None,
        "failures": None,
        "error": {"name": "TooManyRejectsError", "message": "8 rejects, 5 tolerated"},
    }


def test_a_half_written_summary_counts_as_none() -> None:
    with stubbed_aws() as stubbed:
        store(stubbed, b'{"workflow":')

        assert read_summary(stubbed.aws, STACK, RUN, FAILED)["counts"] is None


def test_a_stack_without_a_data_bucket_has_no_stored_summary() -> None:
    with stubbed_aws() as stubbed:
        assert read_summary(stubbed.aws, Stack("sluice", {}), RUN, FAILED)["counts"] is None


def test_a_run_that_ended_without_an_error_is_named_by_its_status() -> None:
    with stubbed_aws() as stubbed:
        summary = read_summary(stubbed.aws, Stack("sluice", {}), RUN, Ended("ABORTED", "", "", "", 0))

    assert summary["error"] == {"name": "ABORTED", "message": ""}


def test_the_summary_reads_as_a_table() -> None:
    assert summary_lines(SUMMARY) == [
        "workflow     csv_load",
        "execution    july",
        "status       PARTIAL",
        "read         28,298",
        "written      28,290",
        "skipped      0",
        "rejected     8",
        "failed       0",
        "read units   0",
        "write units  56,580.5",
        "results      s3://data/csv_load/july/",
        "rejects      8 in s3://data/csv_load/july/rejects.jsonl",
        "             RowRagged 5",
        "             KeyEmpty 3",
    ]


def test_reasons_have_a_message_of_the_most_frequent_ones() -> None:
    summary = SUMMARY | {
        "rejects": {
            "key": "r.jsonl",
            "reasons": {"A": 1, "B": 2000, "C": 1, "D": 1},
            "examples": {"B": "x\ny", "A": "a"},
        },
        "failures": {"key": "f.jsonl", "batches": 1, "errors": {"E": 3}, "examples": {"E": "denied: s3:PutObject"}},
        "unreadable": {"key": "u.jsonl", "objects": 1, "reasons": {"F": 1}, "examples": {"F": "no column"}},
    }
    lines = summary_lines(summary)
    assert [each.strip() for each in lines if each.startswith(" ")] == [
        "F 1: no column",
        "B 2,000: x y",
        "A 1: a",
        "C 1",
        "D 1",
        "E 3: denied: s3:PutObject",
    ]


def test_failures_that_nobody_counts_by_error_have_their_message() -> None:
    failures = {"key": "f.jsonl", "batches": 1, "examples": {"DynamoDB.DynamoDbException": "no number"}}
    assert "             DynamoDB.DynamoDbException: no number" in summary_lines(SUMMARY | {"failures": failures})


def test_failed_batches_and_the_error_are_part_of_the_table() -> None:
    failed = SUMMARY | {
        "rejects": None,
        "failures": {"key": "csv_load/july/failed.jsonl", "batches": 2},
        "error": {"name": "CountsDoNotReconcile", "message": "2 rows are missing"},
    }

    assert summary_lines(failed)[-2:] == [
        "failures     2 batches in s3://data/csv_load/july/failed.jsonl",
        "error        CountsDoNotReconcile: 2 rows are missing",
    ]


def test_what_is_known_of_a_failed_run_reads_as_a_table() -> None:
    with stubbed_aws() as stubbed:
        summary = read_summary(stubbed.aws, Stack("sluice", {}), RUN, FAILED)

    assert summary_lines(summary) == [
        "workflow     csv_load",
        "execution    july",
        "status       FAILED",
        "error        TooManyRejectsError: 8 rejects, 5 tolerated",
    ]


@pytest.mark.parametrize("output", [[1, 2], "text", None, {"a": "é"}])
def test_an_output_that_is_no_summary_is_shown_as_it_is(output: Any) -> None:
    assert json.loads("\n".join(summary_lines(output))) == output


@pytest.mark.parametrize(
    ("cause", "readable"),
    [
        ('{"errorMessage": "no such bucket", "errorType": "SourceNotFoundError"}', "no such bucket"),
        ("plain words", "plain words"),
        ('{"other": 1}', '{"other": 1}'),
        ("[1]", "[1]"),
        ("", ""),
    ],
)
def test_a_cause_reads_as_its_message(cause: str, readable: str) -> None:
    assert readable_cause(cause) == readable


def test_scan_and_report_are_shown() -> None:
    summary = {
        "workflow": "distinct_keys",
        "counts": {"read": 2},
        "results": {"bucket": "data", "prefix": "distinct_keys/r/"},
        "scan": {"segments": 4, "requests": 1234, "readUnits": 617.5, "keys": "distinct_keys/r/keys/"},
        "report": {
            "key": "distinct_keys/r/report.jsonl",
            "largest": [{"key": {"tailnum": {"S": f"N{n}"}}, "items": 575, "bytes": 99_000} for n in range(9)],
        },
    }
    assert summary_lines(summary)[-6:] == [
        "scan         4 segments, 1,234 requests, 617.5 read units",
        "keys         s3://data/distinct_keys/r/keys/",
        "report       s3://data/distinct_keys/r/report.jsonl",
        "             N0: 575 items, 99,000 bytes",
        "             N1: 575 items, 99,000 bytes",
        "             N2: 575 items, 99,000 bytes",
    ]


def test_query_is_shown_with_its_figures() -> None:
    query = {"id": "862c734e", "state": "SUCCEEDED", "bytesScanned": 1_234_567_890, "seconds": 12.34, "usd": 0.006173}
    summary = {"workflow": "athena_map", "counts": {"read": 2}, "capacity": None, "query": query}
    assert summary_lines(summary)[-2:] == [
        "query        862c734e SUCCEEDED",
        "             1,234,567,890 bytes scanned, 0.006173 USD, 12.3 s",
    ]
    assert len(summary_lines(summary | {"query": None})) == 2


EXPORTED = {
    "workflow": "table_export",
    "status": "COMPLETE",
    "execution": "july",
    "table": "airports",
    "reason": "the next window begins at 2026-11-21T12:00:00Z and is not 15 minutes long yet",
    "watermark": "2026-11-21T12:00:00Z",
    "lagSeconds": 663,
    "counts": {"read": 8006, "written": 8006},
    "exports": [
        {
            "exportArn": "arn:aws:dynamodb:eu-west-1:111122223333:table/airports/export/01795262400000-aabbccdd",
            "type": "FULL_EXPORT",
            "from": None,
            "to": "2026-11-21T11:00:00Z",
            "itemCount": 8000,
            "billedSizeBytes": 1234567,
            "bucket": "data",
            "manifest": "exports/airports/AWSDynamoDB/01795262400000-aabbccdd/manifest-summary.json",
            "processExecutionArn": "arn:aws:states:eu-west-1:111122223333:execution:p:airports-01795262400000-aabbccdd",
        },
        {
            "type": "INCREMENTAL_EXPORT",
            "from": "2026-11-21T11:00:00Z",
            "to": "2026-11-21T12:00:00Z",
            "processExecutionArn": None,
        },
    ],
    "results": None,
    "error": None,
}


def test_a_tables_exports_are_shown() -> None:
    assert summary_lines(EXPORTED) == [
        "workflow     table_export",
        "execution    july",
        "status       COMPLETE",
        "table        airports",
        "reason       the next window begins at 2026-11-21T12:00:00Z and is not 15 minutes long yet",
        "watermark    2026-11-21T12:00:00Z",
        "lag          11 min 3 s",
        "read         8,006",
        "written      8,006",
        "export       FULL_EXPORT to 2026-11-21T11:00:00Z, 8,000 items, 1,234,567 bytes billed",
        "             s3://data/exports/airports/AWSDynamoDB/01795262400000-aabbccdd/manifest-summary.json",
        "             processed by airports-01795262400000-aabbccdd",
        "export       INCREMENTAL_EXPORT from 2026-11-21T11:00:00Z to 2026-11-21T12:00:00Z",
    ]


def test_windows_that_wait_to_be_processed_are_reported() -> None:
    processing = {"status": "RUNNING", "waiting": 2, "copiedTo": "2026-11-21T11:00:00Z", "executionArn": "arn"}

    assert summary_lines(EXPORTED | {"processing": processing})[-1] == (
        "processing   RUNNING, 2 windows wait; the copy is complete up to 2026-11-21T11:00:00Z"
    )
    first = processing | {"waiting": 1, "copiedTo": None}
    assert summary_lines(EXPORTED | {"processing": first})[-1] == (
        "processing   RUNNING, 1 window waits; there is no copy yet"
    )
    done = processing | {"waiting": 0, "status": "SUCCEEDED"}
    assert summary_lines(EXPORTED | {"processing": done}) == summary_lines(EXPORTED)


def test_a_run_that_left_the_table_to_another_names_it() -> None:
    owner = "arn:aws:states:eu-west-1:111122223333:execution:sluice-table_export:8f2e_0"
    skipped = EXPORTED | {
        "status": "SKIPPED",
        "reason": f"another execution exports this table: {owner}",
        "watermark": None,
        "lagSeconds": None,
        "owner": owner,
        "exports": [],
    }

    assert summary_lines(skipped)[2:6] == [
        "status       SKIPPED",
        "table        airports",
        f"reason       another execution exports this table: {owner}",
        "owner        8f2e_0",
    ]


MAPPED = SUMMARY | {
    "workflow": "object_aggregate",
    "counts": {"read": 9, "written": 7, "skipped": 0, "rejected": 2, "failed": 0},
    "rejects": {"key": "object_aggregate/july/rejects.jsonl", "reasons": {"NumberInvalid": 3}},
    "rows": {"read": 5000, "aggregated": 4000, "filtered": 997, "rejected": 3},
    "bytes": 123456,
    "groups": 240,
    "unreadable": {"key": "object_aggregate/july/unreadable.jsonl", "objects": 2},
    "result": {
        "complete": False,
        "missing": {"objects": 2, "unreadable": 2, "failed": 0},
        "groups": 12,
        "csv": "object_aggregate/july/partial_result.csv",
        "json": "object_aggregate/july/partial_result.json",
    },
}


def test_objects_rows_and_groups_are_shown() -> None:
    lines = summary_lines(MAPPED)
    assert lines[lines.index("results      s3://data/csv_load/july/") + 1 :][:8] == [
        "rows         5,000 read, 4,000 aggregated, 997 filtered, 3 rejected",
        "bytes        123,456",
        "unreadable   2 in s3://data/object_aggregate/july/unreadable.jsonl",
        "groups       240, 12 of them in the result",
        "result       s3://data/object_aggregate/july/partial_result.csv",
        "             PARTIAL: 2 objects are missing from it",
        "rejects      3 in s3://data/object_aggregate/july/rejects.jsonl",
        "             NumberInvalid 3",
    ]
