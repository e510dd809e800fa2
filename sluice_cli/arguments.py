"""Parsing the command line: what commands share, and a parser that guesses what a misspelt word was meant to be."""

import re
from argparse import Action, ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from sluice_cli.guesses import guess
from sluice_cli.surroundings import DEFAULT_STACK_NAME

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    Commands = _SubParsersAction["Parser"]

MOST_UNITS_PER_SECOND = 10**9
TEXT, JSON = "text", "json"
WRONG_CHOICE = re.compile(r"invalid choice: '(?P<word>[^']*)' \(choose from (?P<choices>.*)\)")
UNKNOWN_OPTION = re.compile(r"unrecognized arguments: (?P<word>--[\w-]+)")


class Parser(ArgumentParser):
    """An ArgumentParser whose errors say which command or option is close to the unknown one."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message, and exit with 2."""
        super().error(f"{message}{self._guess(message)}")

    def _guess(self, message: str) -> str:
        if wrong := WRONG_CHOICE.search(message):
            known: Sequence[str] = re.findall(r"[\w.-]+", wrong["choices"])
        elif wrong := UNKNOWN_OPTION.search(message):
            known = sorted(set(_options(self)))
        else:
            return ""
        return guess(wrong["word"], known)


class ShowVersion(Action):
    """Prints the version, which takes an import that no other option needs."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version")

    def __call__(self, parser: ArgumentParser, _namespace: Namespace, _values: Any, _option: str | None = None) -> None:
        """Print it, and exit."""
        from importlib.metadata import version

        print(f"sluice {version('sluice')}")  # noqa: T201
        parser.exit()


def add_command(level: "Commands", name: str, what: str, example: str) -> Parser:
    """A command with its help."""
    return level.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=RawDescriptionHelpFormatter,
    )


def add_started_run(parser: ArgumentParser) -> None:
    """The run that a command is about."""
    parser.add_argument("run", metavar="RUN", help="the execution's name or ARN")


def add_where(parser: ArgumentParser) -> None:
    """Which AWS, and which stack there."""
    parser.add_argument(
        "--local",
        action="store_true",
        help="use the local AWS of `sluice local up`; without it the AWS environment decides",
    )
    add_stack_name(parser)
    parser.add_argument("--region", metavar="NAME", help="the AWS Region; that of the AWS environment if omitted")
    parser.add_argument("--profile", metavar="NAME", help="the AWS profile; that of the AWS environment if omitted")


def add_stack_name(parser: ArgumentParser) -> None:
    """The stack."""
    parser.add_argument(
        "--stack-name",
        metavar="NAME",
        default=DEFAULT_STACK_NAME,
        help="the deployed stack (default: sluice)",
    )


def add_output(parser: ArgumentParser) -> None:
    """How the result is printed."""
    parser.add_argument("--output", choices=(TEXT, JSON), default=TEXT, help="how to print the result (default: text)")
    parser.add_argument("--json", dest="output", action="store_const", const=JSON, help="the same as --output json")


def add_settings(parser: ArgumentParser, what: str) -> None:
    """Changes of the input."""
    parser.add_argument("--set", metavar="PATH=VALUE", action="append", default=[], help=f"{what} (repeatable)")


def units(text: str) -> int:
    """Units per second. Raises ArgumentTypeError."""
    if not (text.isdecimal() and 1 <= int(text) <= MOST_UNITS_PER_SECOND):
        raise ArgumentTypeError(f"{text} is not a whole number from 1 to {MOST_UNITS_PER_SECOND:,}")
    return int(text)


def positive(text: str) -> int:
    """A whole number above 0. Raises ArgumentTypeError."""
    if not (text.isdecimal() and int(text) >= 1):
        raise ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)


def port(text: str) -> int:
    """A port. Raises ArgumentTypeError."""
    if not (text.isdigit() and 1 <= int(text) <= 65535):
        raise ArgumentTypeError(f"{text} is not a port number")
    return int(text)


def _options(parser: ArgumentParser) -> Iterator[str]:
    """The options of the parser and of all commands below it."""
    for action in parser._actions:
        yield from action.option_strings
        choices = action.choices if isinstance(action.choices, dict) else {}
        for command in choices.values():
            yield from _options(command)
