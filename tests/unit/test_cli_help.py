from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice_cli.exit_code import ExitCode
from sluice_cli.main import build_parser, main

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
        "sluice run",
        "sluice watch",
        "sluice stop",
        "sluice resume",
        "sluice rate",
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


@pytest.mark.parametrize(
    "arguments", [[], ["local"], ["nonsense"], ["run"], ["run", "csv_load"], ["watch"], ["export"], ["export", "pause"]]
)
def test_a_command_line_that_is_none_exits_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == ExitCode.BAD_INPUT
