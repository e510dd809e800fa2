"""The processing of exports by table_export: recorded, retried, in the order of the windows, and never in the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.statemachine.export_processes import COUNTS, ProcessOutcome
from tests.statemachine.export_service import DAY, HOUR, MINUTE, Outcome, text
from tests.statemachine.export_world import USUAL, WITH_PROCESS, Fault, World

FAILED = ProcessOutcome(end="FAILED")
CAUSE = 'the transform raised "KeyError"'


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world
        world.checks.at_the_end()


def statuses(world: World) -> list[tuple[str, int]]:
    """Status and attempt of every window."""
    return [(each["status"], int(each["attempt"])) for each in world.windows]


def attempts(world: World) -> list[tuple[int, str]]:
    """Which window each execution of export_process had, and how it ended, in the order in which they started."""
    queue = [each["exportArn"] for each in world.windows]
    executions = world.processes.executions.values()
    return [(queue.index(each.export_arn), each.status(world.now)) for each in executions]


def test_outcome_is_recorded_with_the_window(world: World) -> None:
    world.run(WITH_PROCESS)
    (window,), (run,), (name,) = world.windows, world.entries, world.processes.started
    assert window == {
        "table": "airports",
        "entry": "PROCESS#000000000001",
        "run": run["entry"],
        "type": "FULL_EXPORT",
        "to": run["to"],
        "exportArn": run["exportArn"],
        "status": "SUCCEEDED",
        "summaryStatus": "COMPLETE",
        "attempt": 0,
        "executionArn": run["processExecutionArn"],
        "counts": COUNTS,
        "startedAt": "2026-11-21T03:10:00.250Z",
        "endedAt": "2026-11-21T03:20:00.250Z",
        "watcher": run["executionArn"],
    }
    assert run["processExecutionArn"].endswith(f":{name}")
    assert world.processed == 1


def test_failed_processing_fails_the_run_once_all_is_exported(world: World) -> None:
    world.run(WITH_PROCESS)
    world.pass_time(3 * DAY)
    world.processes.outcomes.append(FAILED)
    began = int(world.now)
    failed = world.run(WITH_PROCESS)
    (_, window, *rest) = world.windows
    assert (failed.status, failed.error) == ("FAILED", "ExportProcessFailedError")
    assert failed.cause == f"{window['executionArn']} has failed: FilesFailedError: {CAUSE}"
    assert window.items() >= {"status": "FAILED", "error": "FilesFailedError", "message": CAUSE, "attempt": 0}.items()
    assert [each["status"] for each in rest] == ["PENDING"] * 3
    assert world.state["watermark"] == text(began - 5 * MINUTE)
    assert "leaseOwner" not in world.state


def test_failed_window_is_processed_again_before_the_next_one(world: World) -> None:
    world.run(WITH_PROCESS)
    for _ in range(2):
        world.pass_time(HOUR)
        world.processes.outcomes.append(FAILED)
        world.run(WITH_PROCESS)
    world.pass_time(HOUR)
    assert world.run(WITH_PROCESS).output["processing"]["status"] == "SUCCEEDED"
    ended = ["SUCCEEDED", "FAILED", "FAILED", "SUCCEEDED", "SUCCEEDED", "SUCCEEDED"]
    assert attempts(world) == list(zip([0, 1, 1, 1, 2, 3], ended, strict=True))
    assert statuses(world) == [("SUCCEEDED", 0), ("SUCCEEDED", 2), ("SUCCEEDED", 0), ("SUCCEEDED", 0)]


def test_bad_transform_delays_no_export_and_all_windows_are_worked_through_in_order(world: World) -> None:
    world.run(WITH_PROCESS)
    world.processes.usual = FAILED
    for _ in range(12):
        world.pass_time(DAY)
        assert world.run(WITH_PROCESS).error == "ExportProcessFailedError"
    assert {each["status"] for each in world.entries} == {"COMPLETED"}
    assert {status for status, _ in statuses(world)[2:]} == {"PENDING"}
    world.processes.usual = ProcessOutcome()
    mended = world.run(WITH_PROCESS)
    assert mended.output["processing"].items() >= {"status": "SUCCEEDED", "waiting": 0}.items()
    assert [position for position, status in attempts(world) if status == "SUCCEEDED"] == list(
        range(len(world.windows))
    )
    assert world.windows[1]["attempt"] == 12


@pytest.mark.parametrize(
    ("end", "error"), [("ABORTED", "ABORTED"), ("TIMED_OUT", "TIMED_OUT"), ("FAILED", "FilesFailedError")]
)
def test_execution_that_ends_otherwise_has_failed(world: World, end: str, error: str) -> None:
    world.processes.outcomes.append(ProcessOutcome(end=end))
    assert world.run(WITH_PROCESS).error == "ExportProcessFailedError"
    assert world.windows[0].items() >= {"status": "FAILED", "error": error}.items()
    assert world.run(WITH_PROCESS).output["processing"]["status"] == "SUCCEEDED"


def test_execution_of_a_run_that_died_is_found_and_not_started_twice(world: World) -> None:
    world.processes.outcomes.append(ProcessOutcome(5 * HOUR))
    world.run(WITH_PROCESS, faults={"StartProcess": Fault.KILLED_AFTER})
    world.pass_time(HOUR)
    successor = world.run(WITH_PROCESS)
    assert successor.output["processing"]["waiting"] == 0
    assert attempts(world) == [(0, "SUCCEEDED"), (1, "SUCCEEDED")]


def test_window_of_a_run_that_died_before_the_start_is_processed_by_the_next(world: World) -> None:
    world.run(WITH_PROCESS, faults={"StartProcess": Fault.KILLED_BEFORE})
    assert statuses(world) == [("PENDING", 0)]
    world.pass_time(HOUR)
    world.run(WITH_PROCESS)
    assert attempts(world) == [(0, "SUCCEEDED"), (1, "SUCCEEDED")]


def test_execution_that_was_redriven_counts(world: World) -> None:
    world.processes.outcomes.append(FAILED)
    world.run(WITH_PROCESS)
    (execution,) = world.processes.executions.values()
    execution.outcome = ProcessOutcome(world.now - execution.start + HOUR)
    assert world.run(WITH_PROCESS).output["processing"]["status"] == "SUCCEEDED"
    assert len(world.processes.of_export(execution.export_arn)) == 1
    assert statuses(world) == [("SUCCEEDED", 0), ("SUCCEEDED", 0)]


def test_execution_that_does_not_show_yet_is_waited_for(world: World) -> None:
    world.processes.outcomes.append(ProcessOutcome(30 * MINUTE, hidden_seconds=15 * MINUTE))
    assert world.run(WITH_PROCESS).output["processing"]["status"] == "SUCCEEDED"
    assert len(world.processes.executions) == 1


def test_execution_that_aws_has_forgotten_is_made_again(world: World) -> None:
    world.run(WITH_PROCESS, faults={"RecordProcessStart": Fault.KILLED_AFTER})
    world.pass_time(95 * DAY)
    assert world.run(WITH_PROCESS).output["processing"]["waiting"] == 0
    assert statuses(world)[0] == ("SUCCEEDED", 1)


def test_windows_from_before_a_reset_and_a_gap_are_processed_too(world: World) -> None:
    world.run(WITH_PROCESS)
    world.processes.usual = FAILED
    world.pass_time(DAY)
    world.run(WITH_PROCESS)
    world.set_flag("resetRequested", value=True)
    world.run(WITH_PROCESS)
    world.pass_time(40 * DAY)
    world.run(WITH_PROCESS)
    world.processes.usual = ProcessOutcome()
    assert world.run(WITH_PROCESS).output["processing"]["waiting"] == 0
    kinds = [each["type"].removesuffix("_EXPORT") for each in world.windows]
    assert kinds.count("FULL") == 3
    assert [position for position, status in attempts(world) if status == "SUCCEEDED"] == list(range(len(kinds)))


def test_next_attempt_has_the_input_of_the_run_that_makes_it(world: World) -> None:
    world.processes.outcomes.append(FAILED)
    world.run(WITH_PROCESS)
    mended: dict[str, Any] = {**WITH_PROCESS, "process": {"sink": {"prefix": "output/mended/"}}}
    world.run(mended)
    first, second, *_ = world.processes.started.values()
    assert (first["sink"]["table"], second["sink"]) == ("airports-copy", {"prefix": "output/mended/"})
    assert first["export"] == second["export"]


def test_run_without_process_leaves_its_window_to_the_next_run_that_has_it(world: World) -> None:
    world.run(WITH_PROCESS)
    world.pass_time(HOUR)
    output = world.run(USUAL).output
    assert output["processing"].items() >= {"status": "PENDING", "waiting": 1, "executionArn": None}.items()
    world.pass_time(HOUR)
    world.run(WITH_PROCESS)
    assert attempts(world) == [(0, "SUCCEEDED"), (1, "SUCCEEDED"), (2, "SUCCEEDED")]


def test_table_that_never_had_process_has_no_windows_to_process(world: World) -> None:
    assert world.run(USUAL).output["processing"] is None
    assert (world.windows, world.state["queued"]) == ([], 0)


def test_ledger_from_before_processing_was_recorded_continues(world: World) -> None:
    """A state item without `queued`, and a running export whose processing that version has started by its name."""
    world.run(USUAL)
    world.ledger.call(
        "updateItem",
        {
            "TableName": world.ledger.name,
            "Key": {"table": {"S": "airports"}, "entry": {"S": "STATE"}},
            "UpdateExpression": "REMOVE queued ADD #version :one",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        },
    )
    world.checks.after_operator()
    world.pass_time(HOUR)
    world.run(WITH_PROCESS, faults={"RecordCompletion": Fault.KILLED_BEFORE})
    assert world.run(WITH_PROCESS).output["processing"]["waiting"] == 0
    assert [each["type"] for each in world.windows] == ["INCREMENTAL_EXPORT"]


def test_start_that_is_refused_leaves_the_exports_alone(world: World) -> None:
    world.processes.refusal = "StepFunctions.StateMachineDoesNotExistException"
    for _ in range(2):
        assert world.run(WITH_PROCESS).error == "StepFunctions.StateMachineDoesNotExistException"
        world.pass_time(HOUR)
    assert statuses(world) == [("PENDING", 0), ("PENDING", 0)]
    world.processes.refusal = None
    world.run(WITH_PROCESS)
    assert [position for position, _ in attempts(world)] == [0, 1, 2]


def test_long_processing_delays_no_export_and_one_run_at_a_time_waits_for_it(world: World) -> None:
    world.processes.outcomes.append(ProcessOutcome(10 * HOUR))
    first = world.start(WITH_PROCESS)
    for hours in range(1, 5):
        world.pass_time(HOUR)
        world.start(WITH_PROCESS)
        world.pass_time(45 * MINUTE)
        assert len(world.stage.running) == 1
        assert len(world.entries) == hours + 1
    assert first.output["processing"].items() >= {"status": "RUNNING", "waiting": 1}.items()
    world.pass_time(5 * HOUR)
    assert world.processed == 5


def test_lag_of_the_copy_is_reported_once_there_is_a_copy(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    def reported() -> list[float]:
        documents = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "ProcessLag" in line]
        return [each["ProcessLag"][0] for each in documents]

    world.run(WITH_PROCESS)
    assert reported() == []
    world.pass_time(HOUR)
    world.processes.outcomes.append(FAILED)
    world.run(WITH_PROCESS)
    assert reported() == [0, pytest.approx(95 * MINUTE)]
    world.pass_time(HOUR)
    world.run(WITH_PROCESS)
    assert [each > 2 * HOUR for each in reported()] == [True, True]


def test_backlog_of_any_length_fits_into_the_histories_of_the_runs(world: World) -> None:
    world.run(WITH_PROCESS)
    world.pass_time(9 * DAY)
    world.run(USUAL)
    world.set_flag("paused", value=True)
    world.processes.usual = ProcessOutcome(1)
    drain = world.run({**WITH_PROCESS, "pollSeconds": 1})
    assert drain.output["processing"].items() >= {"status": "SUCCEEDED", "waiting": 0}.items()
    # A window counts as four looks at least, and a run makes 1,200 looks.
    assert len(drain.events) / (len(world.windows) - 1) * 1200 / 4 < 20_000


def test_processing_that_does_not_end_is_left_to_the_next_run(world: World) -> None:
    world.processes.outcomes.append(ProcessOutcome(300 * DAY))
    execution = world.run({**WITH_PROCESS, "pollSeconds": 1})
    assert execution.output["processing"]["status"] == "RUNNING"
    assert 8_000 < len(execution.events) < 20_000


def test_processing_of_three_days_fits_into_the_history(world: World) -> None:
    world.processes.outcomes.append(ProcessOutcome(3 * DAY))
    execution = world.run({**WITH_PROCESS, "pollSeconds": 1})
    assert execution.output["processing"]["status"] == "SUCCEEDED"
    assert len(execution.events) < 20_000


def test_window_that_is_missing_in_the_ledger_is_not_passed_over(world: World) -> None:
    world.run(WITH_PROCESS)
    world.set_flag("paused", value=True)
    world.set_attribute("queued", {"N": "2"})
    assert world.run(WITH_PROCESS).error == "States.QueryEvaluationError"
    assert world.processed == 1


def test_cause_of_any_length_stays_below_the_limit(world: World) -> None:
    world.service.outcomes.append(Outcome(end="FAILED"))
    world.service.failure_message = '\x01"\\é☃' * 8_000
    failed = world.run(WITH_PROCESS)
    assert failed.error == "ExportFailedError"
    assert failed.cause is not None
    assert len(json.dumps(failed.cause)) <= 32_768
    # Cut at its end, and not more than it has to be.
    _, separator, kept = failed.cause.partition("S3AccessDenied: ")
    assert separator
    assert world.service.failure_message.startswith(kept)
    assert len(kept) > 3_000


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"table": "budgets"}, "table"),
        ({"table": "LEDGER"}, "table"),
        ({**WITH_PROCESS, "process": {"sink": {"table": "budgets", "guard": "newerOnly"}}}, "process.sink.table"),
    ],
)
def test_tables_of_the_stack_itself_are_refused(world: World, document: dict[str, Any], field: str) -> None:
    own = {**document, "table": document["table"].replace("LEDGER", world.ledger.name)}
    refused = world.run(own)
    assert refused.error == "InvalidInputError"
    cause = refused.cause or ""
    assert cause.startswith(f"{field}: ")
    assert cause.endswith(" is one of the stack's own tables; name one of yours")
    assert world.calls[refused] == []
