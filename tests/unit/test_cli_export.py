"""`sluice export pause`, `resume` and `reset`: what they leave in the ledger, and what the next run makes of it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sluice.workflows.table_export.ledger import LedgerState
from sluice.workflows.table_export.next_export import Action, Times, next_export
from sluice_cli.exit_code import ExitCode
from sluice_cli.export_advice import COPY_WARNING
from tests.unit.cli_aws import OUTPUTS, Terminal, stubbed_aws
from tests.unit.cli_exports import LEASE, NOW, REQUEST, WATERMARK, Exporting, exporting_stack


@pytest.fixture
def exporting(tmp_path: Path) -> Iterator[Exporting]:
    with exporting_stack(tmp_path) as stack:
        yield stack


def test_pause_keeps_runs_from_planning_and_from_doing_what_they_planned(exporting: Exporting) -> None:
    exporting.put_state()

    code, out, err = exporting.sluice("pause", "--table", "airports")

    assert (code, out) == (ExitCode.SUCCEEDED, "")
    assert err.splitlines() == [
        "the exports of airports are paused",
        "to resume them: sluice export resume --table airports",
        "a pause that outlasts point-in-time recovery ends with a new full export",
    ]
    state = exporting.ledger_state()
    assert (state.is_paused, state.version, state.watermark) == (True, 8, WATERMARK)
    assert next_export(REQUEST, state, Times(WATERMARK, NOW, NOW)).action is Action.NOTHING


def test_pause_before_the_first_export_keeps_that_from_starting(exporting: Exporting) -> None:
    assert exporting.sluice("pause", "--table", "airports")[0] == ExitCode.SUCCEEDED

    state = exporting.ledger_state()
    assert (state.is_paused, state.version) == (True, 1)
    assert next_export(REQUEST, state, Times(WATERMARK, NOW, NOW)).action is Action.NOTHING


def test_pause_during_an_export_says_that_it_ends_first(exporting: Exporting) -> None:
    exporting.put_state(**LEASE)

    assert "the running export continues" in exporting.sluice("pause", "--table", "airports")[2]


@pytest.mark.parametrize(
    ("command", "flag", "said"),
    [
        ("pause", {"paused": {"BOOL": True}}, "the exports of airports were paused already"),
        ("resume", {"paused": {"BOOL": False}}, "the exports of airports are not paused"),
        ("resume", {}, "the exports of airports are not paused"),
        (
            "reset",
            {"resetRequested": {"BOOL": True}},
            "a reset was requested before: the next run makes a full export of airports",
        ),
    ],
)
def test_asking_again_changes_nothing(exporting: Exporting, command: str, flag: dict[str, Any], said: str) -> None:
    exporting.put_state(**flag)
    before = exporting.ledger_state()

    code, _out, err = exporting.sluice(command, "--table", "airports")

    assert (code, err.splitlines()[0]) == (ExitCode.SUCCEEDED, said)
    assert exporting.ledger_state() == before


def test_resume_of_a_table_that_was_never_exported_leaves_no_trace(exporting: Exporting) -> None:
    assert exporting.sluice("resume", "--table", "airports")[0] == ExitCode.SUCCEEDED

    assert exporting.ledger_state() == LedgerState()


def test_resume_lets_the_next_run_take_up_the_watermark(exporting: Exporting) -> None:
    exporting.put_state(paused={"BOOL": True})

    code, _out, err = exporting.sluice("resume", "--table", "airports")

    assert code == ExitCode.SUCCEEDED
    assert err.splitlines() == [
        "the exports of airports continue with the next run",
        "start one now, with the schedule's own input: sluice run table_export --input FILE",
    ]
    state = exporting.ledger_state()
    assert (state.is_paused, state.version) == (False, 8)
    planned = next_export(REQUEST, state, Times(WATERMARK, NOW, NOW)).export
    assert planned is not None
    assert planned.window.since == WATERMARK


def test_reset_makes_the_next_export_a_full_one(exporting: Exporting) -> None:
    exporting.put_state()

    code, _out, err = exporting.sluice("reset", "--table", "airports")

    assert code == ExitCode.SUCCEEDED
    assert err.splitlines() == [
        "a reset is requested: the next run makes a full export of airports",
        "AWS charges a full export by the table's size, at the moment about 0 bytes",
        COPY_WARNING,
    ]
    state = exporting.ledger_state()
    assert state.version == 8
    planned = next_export(REQUEST, state, Times(WATERMARK, NOW, NOW)).export
    assert planned is not None
    assert planned.window.since is None


def test_reset_says_what_comes_before_the_full_export(exporting: Exporting) -> None:
    exporting.put_state(**LEASE, paused={"BOOL": True})

    _code, _out, err = exporting.sluice("reset", "--table", "airports")

    assert err.splitlines()[2:] == [
        COPY_WARNING,
        "the running export ends first",
        "the exports are paused; first: sluice export resume --table airports",
    ]


@pytest.mark.parametrize("command", ["status", "pause", "resume", "reset"])
def test_a_table_that_does_not_exist_is_bad_input(exporting: Exporting, command: str) -> None:
    code, _out, err = exporting.sluice(command, "--table", "airprots")

    assert code == ExitCode.BAD_INPUT
    assert "there is no table named airprots on AWS" in err
    assert exporting.dynamodb.scan(TableName="ledger")["Items"] == []


@pytest.mark.parametrize("command", ["status", "pause", "resume", "reset"])
@pytest.mark.parametrize("name", ["", "ab", "a/b", "arn:aws:dynamodb:eu-west-1:111122223333:table/airports"])
def test_a_name_that_no_table_may_have_is_bad_input(tmp_path: Path, command: str, name: str) -> None:
    with stubbed_aws() as stubbed:
        terminal = Terminal(tmp_path, lambda _target: stubbed.aws)

        assert terminal.sluice("export", command, "--table", name) == ExitCode.BAD_INPUT

    assert "expected a table's name" in terminal.stderr.getvalue()


def test_a_stack_that_is_older_than_the_ledger_exits_3(exporting: Exporting) -> None:
    code, _out, err = exporting.sluice("status", outputs={"DataBucket": "data"})

    assert code == ExitCode.NOT_DEPLOYED
    assert "stack sluice has no output ExportLedgerTable" in err


def test_a_call_that_aws_refuses_exits_1(exporting: Exporting) -> None:
    exporting.dynamodb.delete_table(TableName="ledger")

    code, _out, err = exporting.sluice("pause", "--table", "airports")

    assert code == ExitCode.FAILED
    assert "ResourceNotFoundException" in err


def test_hints_name_the_same_target_and_stack(exporting: Exporting) -> None:
    exporting.put_state()
    exporting.stubbed.expect_stack(OUTPUTS, name="other")
    aws = replace(exporting.stubbed.aws, dynamodb=exporting.dynamodb)
    terminal = Terminal(exporting.root, lambda _target: aws)

    assert terminal.sluice("export", "pause", "--table", "airports", "--stack-name", "other") == ExitCode.SUCCEEDED

    assert "sluice export resume --table airports --stack-name other" in terminal.stderr.getvalue()
