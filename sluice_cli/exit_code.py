"""How a command ends: its exit codes, and the errors that lead to them."""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the shell sees."""

    SUCCEEDED = 0
    FAILED = 1
    BAD_INPUT = 2
    NOT_DEPLOYED = 3
    INTERRUPTED = 130
    BROKEN_PIPE = 141


class CommandError(Exception):
    """The command cannot continue; its message is for the user."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED


class BadInputError(CommandError):
    """What the user gave is wrong: a file, its JSON, an option's value, a name."""

    exit_code = ExitCode.BAD_INPUT


class NotDeployedError(CommandError):
    """There is nothing to talk to: no endpoint, no credentials, no stack or no such workflow."""

    exit_code = ExitCode.NOT_DEPLOYED
