"""`sluice undo` from the command line to the exit code, against stubbed AWS."""

from pathlib import Path
from typing import Any

import pytest

from sluice_cli.exit_code import ExitCode
from tests.unit.cli_aws import STATES, stubbed_aws
from tests.unit.test_cli_resume import ENDED, STACK, expect_new_run, terminal


@pytest.mark.parametrize(
    ("options", "document", "said"),
    [
        ([], {"undo": {"run": "july"}, "mode": "dryRun"}, "nothing is changed; to undo it: sluice undo july --apply"),
        (["--apply"], {"undo": {"run": "july"}, "mode": "apply"}, "succeeded"),
        (["--set", "maxConcurrency=3"], {"undo": {"run": "july"}, "mode": "dryRun", "maxConcurrency": 3}, "would do"),
    ],
)
def test_run_is_undone_by_another(tmp_path: Path, options: list[str], document: Any, said: str) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack(STACK)
        stubbed.expect_execution("SUCCEEDED", ENDED)
        stubbed.expect_execution("SUCCEEDED", ENDED)
        expect_new_run(stubbed, document)
        shell = terminal(tmp_path, stubbed)
        assert shell.sluice("undo", "july", *options) == ExitCode.SUCCEEDED
    assert said in shell.stderr.getvalue()


def test_run_that_has_not_ended_is_not_undone(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.expect_stack(STACK)
        stubbed.expect_execution("RUNNING", ENDED)
        stubbed.expect_execution("RUNNING", ENDED)
        shell = terminal(tmp_path, stubbed)
        assert shell.sluice("undo", "july") == ExitCode.BAD_INPUT
    assert "july has not ended; stop it first: sluice stop july" in shell.stderr.getvalue()


def test_run_of_another_workflow_is_not_undone(tmp_path: Path) -> None:
    other = f"{STATES}:execution:CsvLoad:july"
    with stubbed_aws() as stubbed:
        stubbed.expect_stack({**STACK, "CsvLoadStateMachineArn": f"{STATES}:stateMachine:CsvLoad"})
        stubbed.expect_execution("SUCCEEDED", other)
        shell = terminal(tmp_path, stubbed)
        assert shell.sluice("undo", other) == ExitCode.BAD_INPUT
    assert "only runs of table_transform can be undone" in shell.stderr.getvalue()
