"""Where a command's calls go: the target and stack that its options name."""

import shlex
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from sluice_cli import local
from sluice_cli.aws import Target, explained
from sluice_cli.exit_code import BadInputError
from sluice_cli.surroundings import DEFAULT_STACK_NAME, Surroundings


def target_of(options: Namespace, surroundings: Surroundings) -> Target:
    """Local AWS with --local, else AWS. Raises NotDeployedError when local AWS does not run, BadInputError."""
    if not options.local:
        return Target(None, options.region, options.profile)
    if options.region or options.profile:
        raise BadInputError("--local: local AWS has one Region and no profiles; omit --region and --profile")
    return Target(local.require(surroundings.root))


@contextmanager
def explaining(target: Target) -> Iterator[None]:
    """AWS errors that nothing nearer has answered become messages with an exit code."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise explained(error, target) from error


def command_line(options: Namespace, *words: str) -> str:
    """Another command for the shell, for the same target and stack."""
    words = ("sluice", *words)
    if options.local:
        words += ("--local",)
    if options.stack_name != DEFAULT_STACK_NAME:
        words += ("--stack-name", options.stack_name)
    for name in ("region", "profile"):
        if value := getattr(options, name):
            words += (f"--{name}", value)
    return shlex.join(words)
