"""Where a command's calls go: the place and stack that its options name."""

import shlex
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from sluice_cli import local
from sluice_cli.aws import Place, explained
from sluice_cli.surroundings import DEFAULT_STACK_NAME, Surroundings


def place_of(options: Namespace, surroundings: Surroundings) -> Place:
    """Local AWS with --local, else AWS. Raises NotDeployedError when local AWS does not run."""
    return Place(local.require(surroundings.root) if options.local else None)


@contextmanager
def explaining(place: Place) -> Iterator[None]:
    """AWS errors that nothing nearer has answered become messages with an exit code."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise explained(error, place) from error


def command_line(options: Namespace, *words: str) -> str:
    """Another command for the shell, in the same place and stack."""
    words = ("sluice", *words)
    if options.local:
        words += ("--local",)
    if options.stack_name != DEFAULT_STACK_NAME:
        words += ("--stack-name", options.stack_name)
    return shlex.join(words)
