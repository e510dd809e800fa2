"""`sluice resume` from the command line to the exit code, against stubbed AWS."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import ANY

from sluice_cli.exit_code import ExitCode
from sluice_cli.report import summary_lines
from tests.unit.cli_aws import EXECUTION, MACHINE, STARTED, STATES, StubbedAws, Terminal, stubbed_aws

TRANSFORM = f"{STATES}:stateMachine:TableTransform"
ENDED = f"{STATES}:execution:TableTransform:july"
STACK = {"DataBucket": "data", "TableTransformStateMachineArn": TRANSFORM}
CHANGES = {"changed": 360, "unchanged": 1040, "deleted": 0, "conflicts": 0}
COUNTS = {"read": 1400, "written": 1400, "skipped": 0, "rejected": 0, "failed": 0}
SUMMARY: dict[str, Any] = {
    "workflow": "table_transform",
    "status": "COMPLETE",
    "execution": "august",
    "counts": COUNTS,
    "results": {"bucket": "data", "prefix": "table_transform/august/"},
    "mode": "apply",
    "changes": CHANGES,
    "estimate": None,
    "sample": None,
    "verified": None,
    "resumed": None,
}


def terminal(tmp_path: Path, stubbed: StubbedAws) -> Terminal:
    return Terminal(tmp_path, lambda _target: stubbed.aws)


def expect_ended(stubbed: StubbedAws, status: str, document: object, **more: str) -> None:
    """Found by its name, then described."""
    stubbed.expect_stack(STACK)
    stubbed.expect_execution(status, ENDED)
    stubbed.expect_execution(status, ENDED, input=json.dumps(document), **more)


def expect_new_run(stubbed: StubbedAws, document: object) -> None:
    """The stubs cannot know the new run's name, only what else it is started with."""
    stubbed.stepfunctions.add_response(
        "start_execution",
        {"executionArn": EXECUTION, "startDate": STARTED},
        {"stateMachineArn": TRANSFORM, "name": ANY, "input": json.dumps(document)},
    )
    answer = {
        "executionArn": EXECUTION,
        "stateMachineArn": MACHINE,
        "status": "SUCCEEDED",
        "startDate": STARTED,
        "output": json.dumps(SUMMARY),
    }
    stubbed.stepfunctions.add_response("describe_execution", answer, {"executionArn": ANY})
    stubbed.stepfunctions.add_response("list_map_runs", {"mapRuns": []}, {"executionArn": ANY})


@pytest.mark.parametrize("status", ["ABORTED", "FAILED", "TIMED_OUT"])
@pytest.mark.parametrize("run", ["july", ENDED])
def test_a_run_that_ended_early_is_resumed(tmp_path: Path, status: str, run: str) -> None:
    with stubbed_aws() as stubbed:
        expect_ended(stubbed, status, {"table": "airports", "mode": "apply"})
        expect_new_run(stubbed, {"table": "airports", "mode": "apply", "resume": {"run": "july"}})
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice("resume", run) == ExitCode.SUCCEEDED

    started = shell.stderr.getvalue().splitlines()[0]
    assert started.startswith("going on with table_transform july on AWS at https://states.eu-west-1.amazonaws.com: ")
    assert not started.endswith(": july")
    assert "changes      360 changed, 1,040 unchanged, 0 deleted" in shell.stdout.getvalue()


def test_a_run_that_went_on_with_another_is_itself_resumed(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        expect_ended(stubbed, "ABORTED", {"table": "airports", "resume": {"run": "june"}})
        expect_new_run(stubbed, {"table": "airports", "resume": {"run": "july"}})
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice("resume", "july", "--json") == ExitCode.SUCCEEDED

    assert json.loads(shell.stdout.getvalue()) == SUMMARY


def test_a_run_with_failed_segments_is_resumed(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        expect_ended(stubbed, "SUCCEEDED", {"table": "airports"}, output='{"status": "PARTIAL"}')
        expect_new_run(stubbed, {"table": "airports", "resume": {"run": "july"}})

        assert terminal(tmp_path, stubbed).sluice("resume", "july") == ExitCode.SUCCEEDED


@pytest.mark.parametrize(
    ("status", "document", "output", "said"),
    [
        ("RUNNING", {}, "", "july has not ended; stop it first: sluice stop july"),
        ("PENDING_REDRIVE", {}, "", "july has not ended"),
        ("SUCCEEDED", {}, '{"status": "COMPLETE"}', "july is complete; there is nothing to resume"),
        ("FAILED", ["airports"], "", "the input of july is not an object"),
    ],
)
def test_a_run_that_cannot_be_resumed_exits_2(
    tmp_path: Path, status: str, document: object, output: str, said: str
) -> None:
    with stubbed_aws() as stubbed:
        expect_ended(stubbed, status, document, output=output)
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice("resume", "july") == ExitCode.BAD_INPUT

    assert f"sluice: {said}" in shell.stderr.getvalue()


def test_how_to_stop_a_run_names_the_stack(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack(STACK, name="mine")
        stubbed.expect_execution("RUNNING", ENDED)
        stubbed.expect_execution("RUNNING", ENDED, input="{}")
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice("resume", "july", "--stack-name", "mine") == ExitCode.BAD_INPUT

    assert "sluice stop july --stack-name mine" in shell.stderr.getvalue()


def test_a_run_of_another_workflow_exits_2_and_says_what_to_do(tmp_path: Path) -> None:
    arn = f"{STATES}:execution:ObjectAggregate:july"
    with stubbed_aws() as stubbed:
        stubbed.expect_stack({"ObjectAggregateStateMachineArn": f"{STATES}:stateMachine:ObjectAggregate"})
        stubbed.expect_execution("FAILED", arn)
        shell = terminal(tmp_path, stubbed)

        assert shell.sluice("resume", "july") == ExitCode.BAD_INPUT

    resumable = "csv_load, export_process, object_map, table_transform"
    said = f"july is a run of object_aggregate, and only {resumable} can be resumed"
    assert said in shell.stderr.getvalue()
    assert "start it again with the same input" in shell.stderr.getvalue()


def test_a_dry_run_says_what_applying_would_do_and_cost() -> None:
    estimate = {"readUnits": 8.5, "writeUnits": 1720, "usd": 0.001076}
    summary = SUMMARY | {"mode": "dryRun", "estimate": estimate, "sample": {"key": "table_transform/august/s.jsonl"}}

    lines = summary_lines(summary)

    assert "mode         dryRun" in lines
    assert lines[-3:] == [
        "changes      would change 360, leave 1,040 unchanged, delete 0",
        "estimate     8.5 read units, 1,720 write units, 0.001076 USD to apply",
        "sample       s3://data/table_transform/august/s.jsonl",
    ]


def test_dollars_are_shown_in_cents() -> None:
    estimate = {"readUnits": 0, "writeUnits": 2e9, "usd": 1250.126}

    assert "1,250.13 USD to apply" in summary_lines(SUMMARY | {"estimate": estimate})[-1]


@pytest.mark.parametrize(
    ("verified", "shown"),
    [
        ({"sampled": 1000, "differences": 0, "key": None}, "verified     1,000 sampled, 0 differences"),
        ({"sampled": 9, "differences": 2, "key": "v"}, "verified     9 sampled, 2 differences in s3://data/v"),
    ],
)
def test_what_was_verified_is_shown_and_where_the_differences_are(verified: dict[str, Any], shown: str) -> None:
    assert summary_lines(SUMMARY | {"verified": verified})[-1] == shown


def test_what_all_runs_of_a_chain_did_is_shown() -> None:
    total = {"counts": COUNTS, "changes": CHANGES | {"conflicts": 3}}

    assert summary_lines(SUMMARY | {"resumed": {"run": "july", "total": total}})[-2:] == [
        "resumed      july; with this run: 1,400 read, 1,400 written, 0 skipped, 0 rejected, 0 failed",
        "             360 changed, 1,040 unchanged, 0 deleted, 3 conflicts",
    ]


def test_changes_of_a_run_that_never_began_are_not_shown() -> None:
    lines = summary_lines(SUMMARY | {"mode": None})

    assert not any(line.startswith("changes") for line in lines)
