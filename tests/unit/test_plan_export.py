"""PlanExport: what it answers the state machine, and what it reports."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from sluice import errors
from sluice.errors import PointInTimeRecoveryError, SettingError
from sluice.settings import Settings
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.lambda_context import Context

BUCKET = "sluice-data-000000000000-us-east-1"
USUAL = fixture("plan_export", "usual")
WINDOW = {"from": "2026-11-21T02:00:00Z", "to": "2026-11-21T02:56:00Z"}
REQUEST = {
    "TableArn": "arn:aws:dynamodb:us-east-1:000000000000:table/airports",
    "S3Bucket": BUCKET,
    "S3Prefix": "exports/airports",
    "ExportFormat": "DYNAMODB_JSON",
    "ExportType": "INCREMENTAL_EXPORT",
    "IncrementalExportSpecification": {
        "ExportFromTime": WINDOW["from"],
        "ExportToTime": WINDOW["to"],
        "ExportViewType": "NEW_IMAGE",
    },
}


def plan(**changed: Any) -> dict[str, Any]:
    """The answer to the usual event with these fields changed."""
    return invoke(USUAL | changed)


def invoke(event: dict[str, Any]) -> dict[str, Any]:
    """The handler's answer."""
    answer: dict[str, Any] = import_module("plan_export.handler").lambda_handler(event, Context())
    return answer


def ledger(**changed: Any) -> dict[str, Any]:
    """The usual state item with these attributes changed."""
    return {**USUAL["ledger"], **changed}


def current(**changed: Any) -> dict[str, Any]:
    """The state item while the usual window is being exported."""
    return ledger(current={"M": {**plan()["ledgerCurrent"]["M"], **changed}})


def failed() -> dict[str, Any]:
    """The usual window after its first attempt has failed."""
    held = {**plan()["ledgerCurrent"]["M"], "attempt": {"N": "1"}}
    del held["clientToken"]
    return {"M": held}


def metrics(printed: str) -> dict[tuple[str, str], float]:
    """Names, units and values of the metrics in what was printed, all of them for the table."""
    documents = [json.loads(line) for line in printed.splitlines() if '"_aws"' in line and '"Table"' in line]
    found = {}
    for each in documents:
        (directive,) = each["_aws"]["CloudWatchMetrics"]
        (metric,) = directive["Metrics"]
        assert (directive["Namespace"], each["Table"]) == ("Sluice", "airports")
        assert [set(names) for names in directive["Dimensions"]] == [{"Table", "service"}]
        found[metric["Name"], metric["Unit"]] = each[metric["Name"]][0]
    return found


def test_answer_has_all_that_the_state_machine_writes_and_calls() -> None:
    answer = plan()
    token = answer["request"].pop("ClientToken")
    export = {
        "type": "INCREMENTAL_EXPORT",
        **WINDOW,
        "attempt": 0,
        "bucket": BUCKET,
        "prefix": "exports/airports",
        "viewType": "NEW_IMAGE",
        "startedAt": "2026-11-21T03:01:02Z",
        "clientToken": token,
    }
    assert answer == {
        "action": "START",
        "reason": "the next window",
        "watermark": "2026-11-21T02:00:00Z",
        "lagSeconds": 3662.0,
        "version": 3,
        "resetRequested": False,
        "export": {**export, "exportArn": None},
        "ledgerCurrent": {"M": {name: {"S": value} for name, value in export.items()} | {"attempt": {"N": "0"}}},
        "ledgerStatus": "IN_PROGRESS",
        "runEntry": "RUN#2026-11-21T02:56:00Z#INCREMENTAL_EXPORT#0",
        "request": REQUEST,
        "gap": None,
        "process": None,
        "queued": 0,
        "queueAs": None,
        "queuedAfter": 0,
        "pollSeconds": 60,
    }


def test_first_export_is_requested_as_of_a_time() -> None:
    answer = plan(ledger=None)
    assert (answer["version"], answer["watermark"], answer["lagSeconds"]) == (0, None, None)
    del answer["request"]["ClientToken"]
    expected = {**REQUEST, "ExportType": "FULL_EXPORT", "ExportTime": "2026-11-21T02:56:02Z"}
    del expected["IncrementalExportSpecification"]
    assert answer["request"] == expected
    assert "from" not in answer["ledgerCurrent"]["M"]


def test_answer_without_an_export_has_its_reason() -> None:
    answer = plan(startTime="2026-11-21T02:19:59.999Z", now="2026-11-21T02:19:59.999Z")
    assert answer["reason"] == "the next window begins at 2026-11-21T02:00:00Z and is not 15 minutes long yet"
    assert answer["action"] == "NOTHING"
    assert [answer[each] for each in ("export", "ledgerCurrent", "request", "runEntry", "gap")] == [None] * 5


def test_prefix_of_another_bucket_may_be_empty() -> None:
    assert "S3Prefix" not in plan(input={"table": "airports", "bucket": "other", "prefix": "/"})["request"]


def test_token_is_the_same_for_the_same_attempt_only() -> None:
    token = plan()["request"]["ClientToken"]
    assert len(token) == 36
    assert plan(startTime="2026-11-21T03:01:00.999Z")["request"]["ClientToken"] == token
    others = [
        plan(ledger=ledger(current=failed())),
        plan(input={"table": "airports", "viewType": "NEW_AND_OLD_IMAGES"}),
        plan(startTime="2026-11-21T03:01:01.000Z"),
    ]
    assert len({token, *(each["request"]["ClientToken"] for each in others)}) == 4


def test_token_that_was_sent_is_sent_again() -> None:
    answer = plan(ledger=current(clientToken={"S": "sent"}), now="2026-11-21T08:00:00Z")
    assert (answer["action"], answer["request"]["ClientToken"]) == ("START", "sent")
    assert answer["export"]["to"] == WINDOW["to"]


def test_export_without_an_answer_is_searched_for_once_its_token_does_not_count() -> None:
    answer = plan(ledger=current(), now="2026-11-21T10:01:03Z")
    assert answer["action"] == "SEARCH"
    assert answer["ledgerCurrent"] == plan()["ledgerCurrent"]


def test_reset_is_done_when_its_export_is_begun() -> None:
    reset = {"resetRequested": {"BOOL": True}}
    answer = plan(ledger=ledger(**reset))
    assert (answer["action"], answer["export"]["type"], answer["resetRequested"]) == ("START", "FULL_EXPORT", False)
    watched = plan(ledger=current(exportArn={"S": "arn"}) | reset)
    assert (watched["action"], watched["export"]["exportArn"], watched["resetRequested"]) == ("WATCH", "arn", True)


def test_lag_and_gap_are_metrics_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    plan()
    assert metrics(capsys.readouterr().out) == {
        ("ExportLag", "Seconds"): 3662,
        ("PointInTimeRecoveryGap", "Count"): 0,
    }
    assert plan(ledger=ledger(watermark={"S": "2026-11-20T09:59:59Z"}))["gap"] == {
        "from": "2026-11-20T09:59:59Z",
        "to": "2026-11-20T10:00:00Z",
    }
    assert metrics(capsys.readouterr().out)["PointInTimeRecoveryGap", "Count"] == 1


def test_before_the_first_export_there_is_no_lag(capsys: pytest.CaptureFixture[str]) -> None:
    plan(ledger=None)
    assert metrics(capsys.readouterr().out) == {("PointInTimeRecoveryGap", "Count"): 0}


PROCESS = {"sink": {"table": "copy", "guard": "newerOnly"}}
COPY = {
    "table": {"S": "airports"},
    "entry": {"S": "COPY"},
    "processed": {"N": "2"},
    "to": {"S": "2026-11-21T01:00:00Z"},
}


def test_window_is_queued_once_there_is_processing() -> None:
    first = plan(input={"table": "airports", "process": PROCESS})
    assert (first["queued"], first["queueAs"], first["queuedAfter"]) == (0, "PROCESS#000000000001", 1)
    later = plan(ledger=ledger(queued={"N": "9"}))
    assert (later["process"], later["queueAs"], later["queuedAfter"]) == (None, "PROCESS#000000000010", 10)


def test_lag_of_the_copy_counts_while_windows_wait(capsys: pytest.CaptureFixture[str]) -> None:
    lag = ("ProcessLag", "Seconds")
    plan(copy=COPY, ledger=ledger(queued={"N": "3"}))
    assert metrics(capsys.readouterr().out)[lag] == 2 * 3600 + 62
    plan(copy=COPY, ledger=ledger(queued={"N": "2"}))
    assert metrics(capsys.readouterr().out)[lag] == 0
    plan(copy=None, ledger=ledger(queued={"N": "3"}))
    assert lag not in metrics(capsys.readouterr().out)


def test_lag_is_reported_while_nothing_can_be_exported(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PointInTimeRecoveryError):
        invoke(fixture("plan_export", "PointInTimeRecoveryError"))
    assert metrics(capsys.readouterr().out) == {("ExportLag", "Seconds"): 3662}


def test_recovery_is_taken_from_its_next_whole_second_on() -> None:
    recovery = {**USUAL["backups"]["PointInTimeRecoveryDescription"]}
    recovery["EarliestRestorableDateTime"] = "2026-11-21T02:00:00.001Z"
    answer = plan(backups={"PointInTimeRecoveryDescription": recovery})
    assert answer["gap"] == {"from": "2026-11-21T02:00:00Z", "to": "2026-11-21T02:00:01Z"}
    assert answer["ledgerStatus"] == "PITR_GAP"


@pytest.mark.parametrize("path", sorted((EVENTS / "plan_export").glob("*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(path: Path) -> None:
    event, error = fixture("plan_export", path.stem), expected_error(path)
    if error is None:
        assert invoke(event)["action"] == "START"
        return
    with pytest.raises(getattr(errors, error)):
        invoke(event)


def test_setting_that_is_missing_is_named() -> None:
    with pytest.raises(SettingError, match="DATA_BUCKET"):
        Settings.from_env({})
