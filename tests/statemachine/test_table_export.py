"""table_export's windows: the state machine's own file walked in virtual time, against a simulated DynamoDB."""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.statemachine.export_ledgers import ClientLedger
from tests.statemachine.export_service import DAY, HOUR, MINUTE, Outcome, text
from tests.statemachine.export_world import USUAL, WITH_PROCESS, Fault, World

FAILED = Outcome(end="FAILED")


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world
        world.checks.at_the_end()


def windows(world: World) -> list[tuple[str, Any, str]]:
    """Type, begin and end of the completed exports."""
    completed = [each for each in world.entries if each["status"] == "COMPLETED"]
    return [(each["type"].removesuffix("_EXPORT"), each.get("from"), each["to"]) for each in completed]


def test_first_run_makes_a_full_export_and_the_next_one_continues_from_there(world: World) -> None:
    first = world.run()
    assert first.output["exports"][0].items() >= {"type": "FULL_EXPORT", "from": None, "itemCount": 7}.items()
    world.pass_time(6 * HOUR)
    assert world.run().output["status"] == "COMPLETE"
    assert windows(world) == [
        ("FULL", None, "2026-11-21T02:55:00Z"),
        ("INCREMENTAL", "2026-11-21T02:55:00Z", "2026-11-21T09:05:00Z"),
    ]


def test_summary_has_what_every_workflow_tells(world: World) -> None:
    output = world.run(WITH_PROCESS).output
    (export,) = output.pop("exports")
    assert output.pop("processing") == {
        "status": "SUCCEEDED",
        "copiedTo": "2026-11-21T02:55:00Z",
        "waiting": 0,
        "executionArn": None,
    }
    assert output == {
        "workflow": "table_export",
        "status": "COMPLETE",
        "execution": "run-0",
        "table": "airports",
        "reason": "the next window begins at 2026-11-21T02:55:00Z and is not 15 minutes long yet",
        "watermark": "2026-11-21T02:55:00Z",
        "lagSeconds": 900.0,
        "counts": {"read": 7, "written": 7, "skipped": 0, "rejected": 0, "failed": 0},
        "capacity": {"readUnits": 0, "writeUnits": 0},
        "results": None,
        "rejects": None,
        "failures": None,
        "error": None,
    }
    (process,) = world.processes.started.items()
    sink = {"table": "airports-copy", "guard": "newerOnly"}
    assert process[1] == {"sink": sink, "mirror": True, "export": export["exportArn"]}
    assert export["processExecutionArn"].endswith(f":execution:sluice-export_process:{process[0]}")


def test_run_is_kept_in_the_ledger(world: World) -> None:
    world.run(WITH_PROCESS)
    (run,) = world.entries
    (arn,) = world.service.exports
    assert run["entry"] == "RUN#2026-11-21T02:55:00Z#FULL_EXPORT#0"
    assert run["processExecutionArn"].endswith(arn.rpartition("/")[2])
    (window,) = world.windows
    assert run["process"] == window["entry"]
    del run["table"], run["entry"], run["processExecutionArn"], run["process"]
    assert run == {
        "type": "FULL_EXPORT",
        "to": "2026-11-21T02:55:00Z",
        "status": "COMPLETED",
        "exportArn": arn,
        "executionArn": world.stage.executions[0].arn,
        "bucket": os.environ["DATA_BUCKET"],
        "manifest": f"exports/airports/AWSDynamoDB/{arn.rpartition('/')[2]}/manifest-summary.json",
        "itemCount": 7,
        "billedSizeBytes": 10_000_000,
        "startTime": "2026-11-21T03:00:00.250Z",
        "endTime": "2026-11-21T03:06:00.250Z",
    }


@pytest.mark.parametrize("runs", [20, pytest.param(120, marks=pytest.mark.long)])
def test_runs_of_a_schedule_are_one_chain(world: World, runs: int) -> None:
    random = Random(1)
    for _ in range(runs):
        world.service.outcomes.append(Outcome(random.randint(1, 40) * MINUTE, ends_earlier=random.choice([0, 0, 7])))
        world.run(skew=random.uniform(-60, 60))
        world.pass_time(12 * HOUR + random.uniform(0, 5 * MINUTE))
    assert len(windows(world)) == len(world.service.exports) == runs
    assert {kind for kind, _, _ in windows(world)[1:]} == {"INCREMENTAL"}


def test_after_three_days_it_catches_up_a_day_at_a_time(world: World) -> None:
    world.run()
    world.pass_time(3 * DAY + HOUR)
    output = world.run().output
    assert [each["to"] for each in output["exports"]] == [
        "2026-11-22T02:55:00Z",
        "2026-11-23T02:55:00Z",
        "2026-11-24T02:55:00Z",
        "2026-11-24T04:05:00Z",
    ]
    assert output["counts"]["read"] == 28


def test_exports_that_take_longer_than_a_window_leave_the_rest_to_the_next_run(world: World) -> None:
    world.service.usual = Outcome(HOUR)
    world.run()
    world.pass_time(HOUR)
    output = world.run().output
    assert len(output["exports"]) == 1
    assert output["reason"] == "the next window begins at 2026-11-21T04:55:00Z and is left to the next run"


def test_after_forty_days_there_is_a_gap_and_a_full_export(world: World) -> None:
    world.run()
    world.pass_time(40 * DAY)
    world.run()
    assert (
        world.entries[1].items()
        >= {
            "entry": "RUN#2026-11-21T02:55:00Z#PITR_GAP#0",
            "status": "PITR_GAP",
            "from": "2026-11-21T02:55:00Z",
            "to": "2026-11-26T03:10:01Z",
        }.items()
    )
    assert windows(world)[1:] == [("FULL", None, "2026-12-31T03:05:00Z")]


def test_gap_stands_in_the_state_until_its_full_export_is_complete(world: World) -> None:
    world.run()
    world.pass_time(40 * DAY)
    world.service.outcomes.append(Outcome(3 * HOUR))
    world.start()
    world.pass_time(HOUR)
    assert world.state["status"] == "PITR_GAP"
    world.pass_time(3 * HOUR)
    assert world.state["status"] == "COMPLETED"


def test_recovery_that_was_off_for_a_while_leaves_a_gap(world: World) -> None:
    world.run()
    world.service.switch_recovery(is_on=False)
    world.pass_time(DAY)
    off = world.run()
    assert (off.error, off.cause) == (
        "PointInTimeRecoveryError",
        "point-in-time recovery is off for the table airports",
    )
    world.service.switch_recovery(is_on=True)
    assert world.run().output["reason"].endswith("a full export can be made from 2026-11-22T03:15:01Z on")
    world.pass_time(HOUR)
    world.run()
    assert [kind for kind, _, _ in windows(world)] == ["FULL", "FULL"]
    assert [each["status"] for each in world.entries].count("PITR_GAP") == 1


def test_failed_export_leaves_the_watermark_and_its_window_is_taken_again(world: World) -> None:
    world.run()
    world.pass_time(HOUR)
    world.service.outcomes.extend([FAILED] * 3)
    for _ in range(3):
        failed = world.run()
        assert (failed.status, failed.error) == ("FAILED", "ExportFailedError")
        assert failed.cause is not None
        assert failed.cause.endswith("S3AccessDenied: Access Denied")
        assert (world.state["watermark"], world.state["status"]) == ("2026-11-21T02:55:00Z", "FAILED")
        world.pass_time(HOUR)
    world.run()
    window = {"from": "2026-11-21T02:55:00Z", "to": "2026-11-21T04:05:00Z"}
    attempts = [each for each in world.entries if each.get("from") == window["from"]]
    assert [(each["entry"][-1], each["status"]) for each in attempts] == [
        ("0", "FAILED"),
        ("1", "FAILED"),
        ("2", "FAILED"),
        ("3", "COMPLETED"),
    ]
    assert all(each.items() >= window.items() for each in attempts)
    assert attempts[0].items() >= {"failureCode": "S3AccessDenied", "failureMessage": "Access Denied"}.items()


def test_refused_start_is_a_failed_attempt_that_the_next_input_can_mend(world: World) -> None:
    world.service.missing_buckets.add("misspelt")
    refused = world.run({**USUAL, "bucket": "misspelt"})
    assert refused.error == "ExportFailedError"
    assert refused.cause is not None
    assert "DynamoDb.DynamoDbException: The specified bucket does not exist" in refused.cause
    (attempt,) = world.entries
    assert (attempt["status"], "exportArn" in attempt) == ("FAILED", False)
    assert world.run({**USUAL, "bucket": "well-spelt"}).output["status"] == "COMPLETE"
    assert [each["bucket"] for each in world.entries] == ["misspelt", "well-spelt"]


def test_unknown_status_is_left_to_the_next_run(world: World) -> None:
    world.service.outcomes.append(Outcome(HOUR, meanwhile="UNHEARD_OF"))
    unknown = world.run()
    assert unknown.error == "UnknownExportStatusError"
    assert unknown.cause is not None
    assert "has the status UNHEARD_OF" in unknown.cause
    world.pass_time(HOUR)
    assert len(world.run().output["exports"]) == 2
    assert len(world.service.exports) == 2


def test_export_that_aws_has_forgotten_is_made_again(world: World) -> None:
    world.service.outcomes.append(Outcome(HOUR, meanwhile="UNHEARD_OF"))
    world.run()
    world.pass_time(91 * DAY)
    assert world.run().error == "ExportFailedError"
    assert world.entries[0].items() >= {"status": "FAILED", "failureCode": "ExportNotFound"}.items()
    world.run()
    assert windows(world) == [("FULL", None, text(int(world.now) - 15 * MINUTE))]


def test_pause_lets_the_running_export_end_and_starts_no_other(world: World) -> None:
    world.run()
    world.pass_time(3 * DAY)
    execution = world.start()
    world.pass_time(1)
    world.set_flag("paused", value=True)
    world.pass_time(HOUR)
    assert execution.output["reason"] == "the exports of this table are paused"
    assert len(execution.output["exports"]) == 1
    assert len(world.run().output["exports"]) == 0
    world.set_flag("paused", value=False)
    assert len(world.run().output["exports"]) == 3


def test_reset_while_an_export_runs_makes_a_full_one_after_it(world: World) -> None:
    world.run()
    world.pass_time(6 * HOUR)
    world.start()
    world.pass_time(1)
    world.set_flag("resetRequested", value=True)
    world.pass_time(HOUR)
    assert [kind for kind, _, _ in windows(world)] == ["FULL", "INCREMENTAL", "FULL"]
    assert world.state["resetRequested"] is False


def test_reset_outlasts_the_export_that_is_picked_up_first(world: World) -> None:
    world.run()
    world.pass_time(6 * HOUR)
    world.run(faults={"DescribeExport": Fault.KILLED_AFTER})
    world.set_flag("resetRequested", value=True)
    world.run()
    assert [kind for kind, _, _ in windows(world)] == ["FULL", "INCREMENTAL", "FULL"]


def test_gap_is_recorded_once(world: World) -> None:
    world.run()
    world.pass_time(40 * DAY)
    late_run = world.start(faults={"ReadLedger": Fault.STALLED_AFTER})
    world.pass_time(MINUTE)
    world.run()
    (recorded,) = [each for each in world.entries if each["status"] == "PITR_GAP"]
    world.pass_time(DAY)
    assert "RecordGap" in late_run.states
    assert recorded in world.entries
    assert recorded["executionArn"] != late_run.arn


def test_windows_follow_the_ends_that_aws_tells(world: World) -> None:
    world.service.usual = Outcome(ends_earlier=59)
    for _ in range(3):
        world.run()
        world.pass_time(HOUR)
    assert [begin for _, begin, _ in windows(world)] == [None, "2026-11-21T02:54:01Z", "2026-11-21T04:04:01Z"]


@pytest.mark.parametrize(
    ("document", "error", "words"),
    [
        ({}, "InvalidInputError", "table: is required"),
        ({"table": 5}, "InvalidInputError", "table: is required, and must be a string"),
        ({"table": ""}, "InvalidInputError", "table: is required"),
        ({"table": "seaports"}, "TableNotFoundError", "there is no table seaports"),
        ({"table": "airports", "pollSeconds": 0}, "InvalidInputError", "pollSeconds: must be from 1 to 600"),
    ],
)
def test_bad_input_is_named(world: World, document: Any, error: str, words: str) -> None:
    refused = world.run(document)
    assert refused.error == error
    assert refused.cause is not None
    assert refused.cause.startswith(words)
    assert world.ledger.items() == []


def test_longest_table_name_gives_a_name_that_an_execution_may_have() -> None:
    with World(table="t" * 255) as world:
        world.run({**WITH_PROCESS, "table": "t" * 255})
        (name,) = world.processes.started
        assert name.startswith("t" * 56 + "-01795")


def test_both_engines_of_the_ledger_agree() -> None:
    def story(world: World) -> list[dict[str, Any]]:
        world.service.outcomes.extend([FAILED, Outcome(), Outcome(HOUR), FAILED])
        for _ in range(4):
            world.run(WITH_PROCESS)
            world.pass_time(HOUR)
        world.set_flag("resetRequested", value=True)
        world.pass_time(40 * DAY)
        world.run(WITH_PROCESS)
        world.checks.at_the_end()
        return world.ledger.items()

    with World() as world:
        expected = story(world)
    with mock_aws(), World(ClientLedger(boto3.client("dynamodb", region_name="us-east-1"))) as world:
        assert story(world) == expected
