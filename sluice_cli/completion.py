"""Completion of the command line by bash, zsh and fish: the script for the shell, and the words that fit."""

from argparse import Action, ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import argcomplete
from argcomplete.completers import DirectoriesCompleter, FilesCompleter
from argcomplete.shell_integration import shellcode

from sluice_cli.exit_code import ExitCode
from sluice_cli.surroundings import TRANSFORMS, Surroundings, folder_of_transforms, project_root

# Those of the template; a test compares them.
WORKFLOWS = (
    "athena_map",
    "csv_load",
    "csv_load_direct",
    "distinct_keys",
    "export_process",
    "object_aggregate",
    "object_map",
    "table_export",
    "table_transform",
)


def print_script(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Print what the shell has to run so that it completes `sluice`."""
    surroundings.print(shellcode(["sluice"], use_defaults=False, shell=options.shell).rstrip())
    return ExitCode.SUCCEEDED


def complete(parser: ArgumentParser) -> None:
    """Answer the shell that asks for words, and end the process. Returns if no shell asks."""
    for action in _actions(parser):
        if action.choices is None:
            # argcomplete finds it there.
            vars(action)["completer"] = _completer(action)
    argcomplete.autocomplete(parser, always_complete_options="long")


def _actions(parser: ArgumentParser) -> Iterator[Action]:
    """The arguments of the parser and of all commands below it."""
    for action in parser._actions:
        yield action
        if isinstance(action.choices, Mapping):
            for command in action.choices.values():
                yield from _actions(command)


def _completer(action: Action) -> Callable[..., Iterable[str]]:
    """What finds the words for an argument. Names in AWS are not looked up: that would take seconds."""
    if action.dest == "workflow":
        return _workflows
    if action.dest == "name" and not action.option_strings:
        return _transform_names
    if action.metavar == "FILE":
        return FilesCompleter()
    if action.metavar == "DIR":
        return DirectoriesCompleter()
    return _nothing


def _workflows(**_context: Any) -> Iterable[str]:
    return WORKFLOWS


def _transform_names(**_context: Any) -> Iterable[str]:
    folder = folder_of_transforms(project_root())
    return sorted(each.stem for each in (folder / TRANSFORMS).glob("[!_]*.py")) if folder else []


def _nothing(**_context: Any) -> Iterable[str]:
    return []
