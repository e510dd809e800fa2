import json
from pathlib import Path
from typing import Any

import pytest

from local_aws.access.credentials import CREDENTIALS_FILE
from sluice_cli import local
from sluice_cli.aws import Aws, Target
from sluice_cli.exit_code import CommandError, ExitCode, NotDeployedError
from sluice_cli.local_state import write_json
from tests.unit.cli_aws import Terminal, local_aws_seeming_to_run


def no_aws(target: Target) -> Aws:
    raise AssertionError(target)


def test_find_returns_the_local_aws_that_runs(tmp_path: Path) -> None:
    with local_aws_seeming_to_run(tmp_path) as running:
        assert local.find(tmp_path) == running


def test_find_returns_none_once_it_has_ended(tmp_path: Path) -> None:
    with local_aws_seeming_to_run(tmp_path):
        pass

    assert local.find(tmp_path) is None


@pytest.mark.parametrize("state", ["", "{", "[]", "null", "{}", '{"endpointUrl": 1, "port": 1, "pid": 1}'])
def test_find_takes_a_damaged_state_file_for_none(tmp_path: Path, state: str) -> None:
    (tmp_path / ".sluice").mkdir()
    (tmp_path / ".sluice" / "local.json").write_text(state)

    assert local.find(tmp_path) is None


def test_require_says_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(NotDeployedError, match="sluice local up"):
        local.require(tmp_path)


def test_up_says_that_it_is_running_already_and_returns(tmp_path: Path) -> None:
    shell = Terminal(tmp_path, no_aws)

    with local_aws_seeming_to_run(tmp_path):
        assert shell.sluice("local", "up") == ExitCode.SUCCEEDED
        assert local.find(tmp_path) is not None

    assert shell.stderr.getvalue() == "local AWS is already running at http://127.0.0.1:4999\n"


RUNNING: dict[str, Any] = {"bind": "127.0.0.1", "lambdaConcurrency": 4, "data": None, "faultInjection": False}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--lambda-concurrency", "10"], "with --lambda-concurrency 4, not 10"),
        (["--port", "5000"], "with --port 4999, not 5000"),
        (["--bind", "0.0.0.0"], "without --bind"),
        (["--data", "/kept"], "without --data"),
        (["--bind", "0.0.0.0", "--port", "5000"], "with --port 4999, not 5000 and without --bind"),
    ],
)
def test_up_with_other_options_than_the_running_one_names_them(
    tmp_path: Path, options: list[str], expected: str
) -> None:
    shell = Terminal(tmp_path, no_aws)

    with local_aws_seeming_to_run(tmp_path, **RUNNING):
        assert shell.sluice("local", "up", *options) == ExitCode.FAILED

    assert shell.stderr.getvalue() == (
        f"sluice: local AWS is already running at http://127.0.0.1:4999 {expected}; omit the option to use it, "
        "or stop it with `sluice local down` and start it again\n"
    )
    assert shell.stdout.getvalue() == ""


@pytest.mark.parametrize(
    "options",
    [[], ["--lambda-concurrency", "4"], ["--port", "4999"], ["--bind", "127.0.0.1"], ["--detach"]],
)
def test_up_with_the_options_of_the_running_one_finds_it(tmp_path: Path, options: list[str]) -> None:
    with local_aws_seeming_to_run(tmp_path, **RUNNING):
        assert Terminal(tmp_path, no_aws).sluice("local", "up", *options) == ExitCode.SUCCEEDED


def test_another_data_directory_than_the_running_ones_is_a_conflict(tmp_path: Path) -> None:
    shell = Terminal(tmp_path, no_aws)

    with local_aws_seeming_to_run(tmp_path, **RUNNING | {"data": "/kept"}):
        assert shell.sluice("local", "up", "--data", "/other") == ExitCode.FAILED

    assert "with --data /kept, not /other" in shell.stderr.getvalue()


def test_callers_that_need_fault_injection_are_refused_a_server_without_it(tmp_path: Path) -> None:
    with (
        local_aws_seeming_to_run(tmp_path, **RUNNING),
        pytest.raises(CommandError, match="without fault injection; stop it first"),
    ):
        local.up(tmp_path, outlive_caller=False, fault_injection=True)


def test_down_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    shell = Terminal(tmp_path, no_aws)
    with local_aws_seeming_to_run(tmp_path) as killed:
        (killed.directory / "tmp").mkdir()

    assert shell.sluice("local", "down") == ExitCode.SUCCEEDED

    assert shell.stderr.getvalue() == "local AWS had ended without cleaning up; removed what it left behind\n"
    assert not killed.directory.exists()


def test_down_removes_no_directory_that_is_not_a_servers(tmp_path: Path) -> None:
    with local_aws_seeming_to_run(tmp_path) as killed:
        pass
    (killed.directory / "lock").unlink()

    assert Terminal(tmp_path, no_aws).sluice("local", "down") == ExitCode.SUCCEEDED

    assert killed.directory.exists()


@pytest.mark.parametrize("given", ["0", "-1", "ten", "1.5", ""])
def test_concurrency_is_a_whole_number_above_zero(tmp_path: Path, given: str) -> None:
    shell = Terminal(tmp_path, no_aws)

    with pytest.raises(SystemExit) as ended:
        shell.sluice("local", "up", f"--lambda-concurrency={given}")

    assert ended.value.code == ExitCode.BAD_INPUT
    assert not (tmp_path / ".sluice").exists()


def test_status_prints_the_lines_that_other_tools_need(tmp_path: Path) -> None:
    shell = Terminal(tmp_path, no_aws)

    with local_aws_seeming_to_run(tmp_path):
        assert shell.sluice("local", "status") == ExitCode.SUCCEEDED

    assert shell.stdout.getvalue().splitlines() == [
        "export AWS_ENDPOINT_URL=http://127.0.0.1:4999 AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1",
        "export AWS_ACCESS_KEY_ID=AKIALOCAL AWS_SECRET_ACCESS_KEY=local-secret",
        "unset AWS_SESSION_TOKEN AWS_SECURITY_TOKEN",
    ]
    assert "http://127.0.0.1:4999" in shell.stderr.getvalue()


def test_status_exits_3_when_nothing_runs(tmp_path: Path) -> None:
    assert Terminal(tmp_path, no_aws).sluice("local", "status") == ExitCode.NOT_DEPLOYED


def test_down_is_harmless_when_nothing_runs(tmp_path: Path) -> None:
    shell = Terminal(tmp_path, no_aws)

    assert shell.sluice("local", "down") == ExitCode.SUCCEEDED
    assert shell.stderr.getvalue() == "local AWS is not running\n"


def test_down_forgets_what_is_stale(tmp_path: Path) -> None:
    with local_aws_seeming_to_run(tmp_path):
        write_json(tmp_path / ".sluice" / "sam-local.json", {})

    assert Terminal(tmp_path, no_aws).sluice("local", "down") == ExitCode.SUCCEEDED
    assert [file.name for file in (tmp_path / ".sluice").iterdir()] == ["lock"]


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x", "80.5"])
def test_up_with_a_port_that_is_none_exits_2(tmp_path: Path, port: str) -> None:
    with pytest.raises(SystemExit) as ended:
        Terminal(tmp_path, no_aws).sluice("local", "up", "--port", port)

    assert ended.value.code == ExitCode.BAD_INPUT


def test_write_json_leaves_nothing_else_behind(tmp_path: Path) -> None:
    write_json(tmp_path / "state" / "local.json", {"a": 1})

    assert json.loads((tmp_path / "state" / "local.json").read_text()) == {"a": 1}
    assert len(list((tmp_path / "state").iterdir())) == 1


def test_local_aws_of_an_earlier_version_is_to_be_started_again(tmp_path: Path) -> None:
    shell = Terminal(tmp_path, no_aws)

    with local_aws_seeming_to_run(tmp_path) as running:
        (running.directory / CREDENTIALS_FILE).unlink()
        assert shell.sluice("local", "up") == ExitCode.NOT_DEPLOYED
        assert shell.sluice("local", "status") == ExitCode.NOT_DEPLOYED

    assert shell.stderr.getvalue().count("`sluice local down` and `sluice local up`") == 2


def test_write_json_lets_only_this_user_read(tmp_path: Path) -> None:
    path = tmp_path / "state" / "local.json"
    path.parent.mkdir()
    path.write_text("{}")
    path.chmod(0o644)

    write_json(path, {"a": 1})

    assert path.stat().st_mode & 0o777 == 0o600
