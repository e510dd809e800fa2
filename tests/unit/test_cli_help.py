import json
import pkgutil
import subprocess
import sys
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice_cli.exit_code import ExitCode
from sluice_cli.main import build_parser, main

SLOW_TO_IMPORT = {"argcomplete", "boto3", "local_aws", "rich"}
LIST_IMPORTS = """
import json, sys
from sluice_cli.main import main
try:
    code = main(sys.argv[1:])
except SystemExit as ended:
    code = ended.code
print(json.dumps([code, sorted(sys.modules)]))
"""
DOCS = Path(__file__).parents[2] / "docs" / "cli.md"


def levels(parser: ArgumentParser) -> list["_SubParsersAction[ArgumentParser]"]:
    return [action for action in parser._actions if isinstance(action, _SubParsersAction)]


def commands(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    for level in levels(parser):
        for command in level.choices.values():
            yield command
            yield from commands(command)


def options_of(command: ArgumentParser) -> set[str]:
    return {name for action in command._actions for name in action.option_strings} - {"-h", "--help"}


COMMANDS = {command.prog: command for command in commands(build_parser())}


def section(prog: str) -> str:
    return DOCS.read_text().partition(f"## `{prog}`\n")[2].partition("\n## ")[0]


def test_there_are_these_commands() -> None:
    assert set(COMMANDS) == {
        "sluice load",
        "sluice draft",
        "sluice run",
        "sluice runs",
        "sluice watch",
        "sluice stop",
        "sluice resume",
        "sluice undo",
        "sluice rate",
        "sluice rejects",
        "sluice logs",
        "sluice console",
        "sluice report",
        "sluice transform",
        "sluice transform test",
        "sluice export",
        "sluice export status",
        "sluice export pause",
        "sluice export resume",
        "sluice export reset",
        "sluice local",
        "sluice local up",
        "sluice local deploy",
        "sluice local status",
        "sluice local down",
        "sluice completion",
    }


@pytest.mark.parametrize("prog", COMMANDS)
def test_every_command_has_help_with_an_example_of_itself(prog: str) -> None:
    epilog = COMMANDS[prog].epilog

    assert COMMANDS[prog].description
    assert epilog
    assert epilog.startswith("example:\n")
    assert prog in epilog


@pytest.mark.parametrize("prog", [prog for prog, command in COMMANDS.items() if not levels(command)])
def test_every_command_is_in_the_docs_with_all_its_options(prog: str) -> None:
    text = section(prog)

    assert text
    for option in options_of(COMMANDS[prog]):
        assert f"`{option}" in text, option


@pytest.mark.parametrize("code", ExitCode)
def test_every_exit_code_is_in_the_docs(code: ExitCode) -> None:
    assert f"| {code.value} |" in DOCS.read_text()


@pytest.mark.parametrize("prog", ["sluice", *COMMANDS])
def test_help_exits_0(prog: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*prog.split()[1:], "--help"])

    assert ended.value.code == ExitCode.SUCCEEDED
    assert prog in capsys.readouterr().out


@pytest.mark.parametrize("prog", [prog for prog, command in COMMANDS.items() if not levels(command)])
def test_every_command_names_a_function(prog: str) -> None:
    assert callable(pkgutil.resolve_name(COMMANDS[prog].get_default("command")))


def imports_of(*arguments: str) -> tuple[int, set[str]]:
    """A command's exit code, and the modules that it imported in a process of its own."""
    command = [sys.executable, "-c", LIST_IMPORTS, *arguments]
    done = subprocess.run(command, cwd=DOCS.parents[1], capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stdout.splitlines()[-1])
    return code, set(modules)


def test_help_imports_nothing_that_is_slow() -> None:
    code, modules = imports_of("--help")

    assert code == ExitCode.SUCCEEDED
    assert not modules & SLOW_TO_IMPORT


@pytest.mark.parametrize("bad", [["--input", "no-such-file.json"], ["--input", "/dev/null"]])
def test_refused_input_imports_neither_boto3_nor_rich(bad: list[str]) -> None:
    code, modules = imports_of("run", "csv_load", *bad)

    assert code == ExitCode.BAD_INPUT
    assert not modules & {"boto3", "rich"}


@pytest.mark.parametrize(
    "arguments", [[], ["local"], ["nonsense"], ["run"], ["run", "csv_load"], ["watch"], ["export"], ["export", "pause"]]
)
def test_a_command_line_that_is_none_exits_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == ExitCode.BAD_INPUT
