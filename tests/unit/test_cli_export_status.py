"""`sluice export status`: what it shows of a ledger."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sluice_cli.exit_code import ExitCode
from sluice_cli.export_ledger import Recovery, recovery
from tests.unit.cli_aws import stubbed_aws
from tests.unit.cli_exports import (
    EXPORT,
    HOUR,
    LEASE,
    OWNER,
    PROCESS,
    RECOVERY,
    WATERMARK,
    Exporting,
    begun,
    exporting_stack,
    window_item,
)


@pytest.fixture
def exporting(tmp_path: Path) -> Iterator[Exporting]:
    with exporting_stack(tmp_path) as stack:
        yield stack


def test_status_has_a_line_per_table(exporting: Exporting) -> None:
    exporting.put_state("flights", **LEASE, status={"S": "IN_PROGRESS"}, watermark={"S": "2026-11-21T09:55:00Z"})
    exporting.put_state("airports", paused={"BOOL": True}, resetRequested={"BOOL": True})
    exporting.put_run(begun(), "COMPLETED")
    only_paused: dict[str, Any] = {
        "table": {"S": "weather"},
        "entry": {"S": "STATE"},
        "version": {"N": "1"},
        "paused": {"BOOL": True},
    }
    exporting.dynamodb.put_item(TableName="ledger", Item=only_paused)

    code, out, err = exporting.sluice("status")

    assert (code, err) == (ExitCode.SUCCEEDED, "")
    assert out.splitlines() == [
        "TABLE     STATUS          WATERMARK             LAG",
        "airports  COMPLETED       2026-11-21T11:00:00Z  1 h 0 min  paused; reset",
        "flights   IN_PROGRESS     2026-11-21T09:55:00Z  2 h 5 min  8f2e_0, lease until 2026-11-21T12:30:00Z",
        "weather   never exported  -                     -          paused",
    ]


def test_status_of_an_empty_ledger_says_how_to_begin(exporting: Exporting) -> None:
    code, out, err = exporting.sluice("status")

    assert (code, out) == (ExitCode.SUCCEEDED, "")
    assert "no table has been exported yet" in err
    assert json.loads(exporting.sluice("status", "--json")[1]) == []


def test_status_in_json_has_what_the_ledger_has(exporting: Exporting) -> None:
    exporting.put_state(**LEASE, status={"S": "IN_PROGRESS"}, current=begun(arn=EXPORT).to_attribute())

    (table,) = json.loads(exporting.sluice("status", "--json")[1])

    assert table == {
        "table": "airports",
        "status": "IN_PROGRESS",
        "watermark": "2026-11-21T11:00:00Z",
        "lagSeconds": 3600,
        "paused": False,
        "resetRequested": False,
        "lease": {"owner": OWNER, "expiresAt": "2026-11-21T12:30:00Z", "expired": False},
        "current": {
            "type": "INCREMENTAL_EXPORT",
            "from": "2026-11-21T11:00:00Z",
            "to": "2026-11-21T12:00:00Z",
            "attempt": 0,
            "exportArn": EXPORT,
            "bucket": "data",
            "prefix": "exports/airports",
            "viewType": "NEW_AND_OLD_IMAGES",
            "startedAt": "2026-11-21T11:59:00Z",
        },
        "processing": None,
    }


def test_status_of_a_table_shows_what_is_going_on_and_the_last_runs(exporting: Exporting) -> None:
    exporting.put_state(**LEASE, status={"S": "IN_PROGRESS"}, current=begun(attempt=1, arn=EXPORT).to_attribute())
    exporting.put_run(begun(None, WATERMARK - HOUR), "COMPLETED", itemCount=8000, billedSizeBytes=1234567)
    exporting.put_run(begun(WATERMARK - HOUR, WATERMARK), "COMPLETED", itemCount=6, billedSizeBytes=10_000_000)
    exporting.put_run(begun(), "FAILED", failureCode="S3AccessDenied", failureMessage="Access Denied")
    exporting.stubbed.expect_execution("RUNNING", arn=OWNER)

    code, out, err = exporting.sluice("status", "--table", "airports")

    assert (code, err) == (ExitCode.SUCCEEDED, "")
    assert out.splitlines() == [
        "table        airports",
        "status       IN_PROGRESS",
        "watermark    2026-11-21T11:00:00Z",
        "lag          1 h 0 min",
        "recovery     off",
        "schedule     every 60 minutes",
        "export       INCREMENTAL_EXPORT from 2026-11-21T11:00:00Z to 2026-11-21T12:00:00Z, attempt 2",
        f"             {EXPORT}",
        "             begun at 2026-11-21T11:59:00Z, 1 min 0 s ago",
        "owner        8f2e_0 (RUNNING), lease until 2026-11-21T12:30:00Z",
        "runs         INCREMENTAL_EXPORT from 2026-11-21T11:00:00Z to 2026-11-21T12:00:00Z: FAILED,"
        " S3AccessDenied: Access Denied",
        "             INCREMENTAL_EXPORT from 2026-11-21T10:00:00Z to 2026-11-21T11:00:00Z: COMPLETED,"
        " 6 items, 10,000,000 bytes billed",
        "             FULL_EXPORT to 2026-11-21T10:00:00Z: COMPLETED, 8,000 items, 1,234,567 bytes billed",
        "next         point-in-time recovery is off, and nothing can be exported; turn it on:"
        " aws dynamodb update-continuous-backups --table-name airports"
        " --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
        "             nothing to do: an export is running; follow it: sluice watch 8f2e_0",
    ]


def test_status_of_a_table_in_json_has_its_runs_and_what_to_do(exporting: Exporting) -> None:
    exporting.put_state(**LEASE)
    exporting.put_run(begun(None, WATERMARK), "COMPLETED", itemCount=8000)
    exporting.stubbed.stepfunctions.add_client_error("describe_execution", "ExecutionDoesNotExist")

    table = json.loads(exporting.sluice("status", "--table", "airports", "--json")[1])

    assert table["ownerStatus"] == "GONE"
    assert (table["recoverableFrom"], table["schedule"]) == (None, {"intervalMinutes": 60, "enabled": True})
    (run,) = table["runs"]
    assert (run["type"], run["to"], run["itemCount"], run["attempt"]) == (
        "FULL_EXPORT",
        "2026-11-21T11:00:00Z",
        8000,
        0,
    )
    assert len(table["next"]) == 1


def test_status_of_a_table_that_was_never_exported(exporting: Exporting) -> None:
    code, out, _err = exporting.sluice("status", "--table", "airports")

    assert code == ExitCode.SUCCEEDED
    assert out.splitlines()[1:4] == ["status       never exported", "watermark    none", "lag          -"]


def test_status_of_a_table_that_no_longer_exists_still_shows_its_runs(exporting: Exporting) -> None:
    exporting.put_run(begun(), "COMPLETED")
    exporting.dynamodb.delete_table(TableName="airports")

    code, out, _err = exporting.sluice("status", "--table", "airports")

    assert code == ExitCode.SUCCEEDED
    assert "recovery     the table does not exist" in out


def test_the_tenth_attempt_at_a_window_is_newer_than_the_ninth(exporting: Exporting) -> None:
    for attempt in range(13):
        exporting.put_run(begun(attempt=attempt), "FAILED", failureCode=f"Failure{attempt}")

    runs = json.loads(exporting.sluice("status", "--table", "airports", "--json")[1])["runs"]

    assert [run["attempt"] for run in runs] == [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]


COUNTS = {"read": 8, "written": 5, "skipped": 0, "rejected": 2, "failed": 1}


def put_processing(exporting: Exporting, status: str, **more: Any) -> None:
    """Two windows: the first one is in the copy, the second one stands like that."""
    first, second = begun(None, WATERMARK - HOUR), begun(WATERMARK - HOUR, WATERMARK)
    exporting.put_state(queued={"N": "2"})
    exporting.put_run(first, "COMPLETED", process="PROCESS#000000000001")
    exporting.put_run(second, "COMPLETED", process="PROCESS#000000000002")
    exporting.put_item(window_item(1, first, "SUCCEEDED", counts=COUNTS, executionArn=PROCESS))
    exporting.put_item(window_item(2, second, status, **more))
    exporting.put_item({"table": "airports", "entry": "COPY", "processed": 1, "to": "2026-11-21T10:00:00Z"})


def test_status_shows_the_window_whose_processing_has_failed(exporting: Exporting) -> None:
    failure = {"attempt": 1, "executionArn": PROCESS, "error": "FilesFailedError", "message": "the transform raised"}
    put_processing(exporting, "FAILED", **failure)

    code, out, _err = exporting.sluice("status", "--table", "airports")

    assert code == ExitCode.SUCCEEDED
    lines = out.splitlines()
    assert lines[4:7] == [
        "copy         up to 2026-11-21T10:00:00Z, 1 window waits",
        "processing   INCREMENTAL_EXPORT from 2026-11-21T10:00:00Z to 2026-11-21T11:00:00Z: FAILED, attempt 2,"
        " FilesFailedError: the transform raised",
        f"             {PROCESS}",
    ]
    window = "INCREMENTAL_EXPORT from 2026-11-21T10:00:00Z to 2026-11-21T11:00:00Z"
    assert f"runs         {window}: COMPLETED, processing FAILED" in lines
    assert (
        "             FULL_EXPORT to 2026-11-21T10:00:00Z: COMPLETED, processed with 2 rejected and 1 failed" in lines
    )
    assert "Fix the cause: the next run processes the window again" in out
    (overview,) = exporting.sluice("status")[1].splitlines()[1:]
    assert overview.endswith("processing FAILED, copy up to 2026-11-21T10:00:00Z, 1 window waits")


def test_status_in_json_has_the_processing(exporting: Exporting) -> None:
    put_processing(exporting, "RUNNING", executionArn=PROCESS, startedAt="2026-11-21T11:30:00Z")
    exporting.stubbed.expect_execution("ABORTED", arn=PROCESS)

    table = json.loads(exporting.sluice("status", "--table", "airports", "--json")[1])

    following = table["processing"].pop("next")
    assert (following["entry"], following["executionArn"]) == ("PROCESS#000000000002", PROCESS)
    assert table["processing"] == {
        "status": "RUNNING",
        "copiedTo": "2026-11-21T10:00:00Z",
        "queued": 2,
        "processed": 1,
        "waiting": 1,
        "executionStatus": "ABORTED",
    }
    assert [run["processing"]["status"] for run in table["runs"]] == ["RUNNING", "SUCCEEDED"]
    assert "has ended (ABORTED), and no run has recorded it yet" in table["next"][0]


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        (
            {
                "PointInTimeRecoveryStatus": "ENABLED",
                "RecoveryPeriodInDays": 35,
                "EarliestRestorableDateTime": RECOVERY.earliest,
            },
            RECOVERY,
        ),
        (
            {"PointInTimeRecoveryStatus": "ENABLED", "EarliestRestorableDateTime": RECOVERY.earliest},
            Recovery(RECOVERY.earliest),
        ),
        ({"PointInTimeRecoveryStatus": "DISABLED"}, Recovery(None)),
    ],
)
def test_how_far_back_a_table_can_be_exported(described: dict[str, str | datetime | int], expected: Recovery) -> None:
    with stubbed_aws() as stubbed:
        stubbed.dynamodb.add_response(
            "describe_continuous_backups",
            {
                "ContinuousBackupsDescription": {
                    "ContinuousBackupsStatus": "ENABLED",
                    "PointInTimeRecoveryDescription": described,
                }
            },
            {"TableName": "airports"},
        )

        assert recovery(stubbed.aws, "airports") == expected
