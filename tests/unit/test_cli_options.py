"""What the commands share: Region and profile, the version, guesses, colors, and an output that nobody reads."""

import json
import os
import subprocess
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pytest

from sluice_cli.aws import Aws, Target
from sluice_cli.display import BarDisplay, open_display
from sluice_cli.exit_code import ExitCode
from sluice_cli.main import main
from sluice_cli.surroundings import PROJECT_ROOT
from tests.unit.cli_aws import OUTPUTS, STARTED, Terminal, local_aws_seeming_to_run, stubbed_aws

STOP = ("stop", "july")


def stack(name: str, *outputs: str) -> dict[str, object]:
    described = [{"OutputKey": each, "OutputValue": "x"} for each in outputs]
    return {"StackName": name, "CreationTime": STARTED, "StackStatus": "CREATE_COMPLETE", "Outputs": described}


def answer(aws: Aws, _target: Target) -> Aws:
    return aws


def test_region_and_profile_reach_the_connection_and_the_hints(tmp_path: Path) -> None:
    targets: list[Target] = []
    with stubbed_aws() as stubbed:

        def connect(target: Target) -> Aws:
            targets.append(target)
            return stubbed.aws

        stubbed.expect_stack(OUTPUTS | {"RunTable": "runs"})
        for _ in range(2):
            stubbed.expect_execution("RUNNING", input="{}")
        stubbed.dynamodb.add_response("update_item", {"Attributes": {}})
        terminal = Terminal(tmp_path, connect)
        code = terminal.sluice(*STOP, "--region", "eu-west-3", "--profile", "bulk", "--output", "json")
    assert (code, targets) == (ExitCode.SUCCEEDED, [Target(None, "eu-west-3", "bulk")])
    assert "sluice watch july --region eu-west-3 --profile bulk\n" in terminal.stderr.getvalue()
    assert json.loads(terminal.stdout.getvalue()) == {
        "workflow": "csv_load",
        "execution": "july",
        "status": "STOPPING",
    }


@pytest.mark.parametrize("option", ["--region", "--profile"])
def test_local_aws_has_no_other_region_and_no_profile(tmp_path: Path, option: str) -> None:
    with local_aws_seeming_to_run(tmp_path), stubbed_aws() as stubbed:
        terminal = Terminal(tmp_path, lambda _target: stubbed.aws)
        assert terminal.sluice(*STOP, "--local", option, "x") == ExitCode.BAD_INPUT
    assert "omit --region and --profile" in terminal.stderr.getvalue()


def test_missing_stack_names_the_stacks_of_sluice(tmp_path: Path) -> None:
    with stubbed_aws() as stubbed:
        stubbed.cloudformation.add_client_error(
            "describe_stacks", "ValidationError", "Stack with id sluice does not exist", http_status_code=400
        )
        described = [
            stack("bulk-prod", "DataBucket", "CsvLoadStateMachineArn", "RunTable"),
            stack("website", "DataBucket"),
            stack("bulk-dev", "DataBucket", "CsvLoadStateMachineArn"),
        ]
        stubbed.cloudformation.add_response("describe_stacks", {"Stacks": described})
        terminal = Terminal(tmp_path, lambda _target: stubbed.aws)
        assert terminal.sluice(*STOP) == ExitCode.NOT_DEPLOYED
    assert "name one with --stack-name: bulk-dev, bulk-prod\n" in terminal.stderr.getvalue()


def test_unknown_workflow_and_output_are_guessed(tmp_path: Path) -> None:
    for arguments, stdin, message in (
        (("run", "csv_laod"), "{}", "did you mean csv_load?"),
        (("run", "csv_load"), '{"bucket": "${DataBuket}"}', "did you mean DataBucket?"),
    ):
        with stubbed_aws() as stubbed:
            stubbed.expect_stack()
            terminal = Terminal(tmp_path, partial(answer, stubbed.aws), stdin=stdin)
            assert terminal.sluice(*arguments, "--input", "-") in (ExitCode.NOT_DEPLOYED, ExitCode.BAD_INPUT)
        assert message in terminal.stderr.getvalue()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lod"], "did you mean load?"),
        (["export", "staus"], "did you mean status?"),
        (["watch", "july", "--stakc-name", "x"], "did you mean --stack-name?"),
        (["stop", "july", "--output", "jsn"], "did you mean json?"),
    ],
)
def test_misspelt_word_of_the_command_line_is_guessed(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == ExitCode.BAD_INPUT
    assert message in capsys.readouterr().err


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (ExitCode.SUCCEEDED, f"sluice {version('sluice')}\n")


@pytest.mark.parametrize(
    ("arguments", "code"), [(("--help",), ExitCode.SUCCEEDED), (("draft", "orders.csv"), ExitCode.BROKEN_PIPE)]
)
def test_output_that_nobody_reads_ends_quietly(tmp_path: Path, arguments: tuple[str, ...], code: ExitCode) -> None:
    (tmp_path / "orders.csv").write_text("id,n\n1,2\n")
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "sluice_cli", *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(PROJECT_ROOT), str(PROJECT_ROOT / "functions")))}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


@pytest.mark.parametrize(("environment", "is_plain"), [({"NO_COLOR": "1"}, True), ({}, False)])
def test_bars_have_no_color_if_that_is_wanted(
    tmp_path: Path, environment: dict[str, str], is_plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with stubbed_aws() as stubbed:
        terminal = Terminal(tmp_path, lambda _target: stubbed.aws, environment=environment)
        display = open_display(terminal.surroundings)
    assert isinstance(display, BarDisplay)
    assert display._bars.console.no_color is is_plain
