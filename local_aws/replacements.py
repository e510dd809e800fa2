"""What each replacement of a part of ministack does first: check that it is the part it was written for."""

import importlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

WRITTEN_FOR = "1.5.33"
MODULES = (
    "stepfunctions.installation",
    "lambda_functions.installation",
    "dynamodb.installation",
    "exports.installation",
    "event_entries",
    "athena.installation",
    "s3_repairs",
    "s3_requests",
    "s3_copies",
    "s3_checksums",
    "access.installation",
    "role_permissions",
    "permission_records",
    "request_resources",
    "scheduler.installation",
    "stack_conditions",
    "stacks.installation",
)


class UnknownMinistackError(Exception):
    """A part of ministack is missing or has another signature than the replacement was written for."""


def install_all() -> None:
    """Install every replacement. Raises UnknownMinistackError."""
    for module in import_all():
        module.install()


def import_all() -> list[ModuleType]:
    """Every module with replacements. The first import on a machine compiles ministack, which takes several seconds."""
    return [importlib.import_module(f"local_aws.{name}") for name in MODULES]


def replace(module: ModuleType | type, name: str, parameters: tuple[str, ...], new: Callable[..., Any]) -> Any:
    """Replace the function `name`, whose parameters must be these, with `new`; return the old one."""
    old = check(module, name, parameters)
    setattr(module, name, new)
    return old


def check(module: ModuleType | type, name: str, parameters: tuple[str, ...]) -> Any:
    """The function `name`, whose parameters must be these. Raises UnknownMinistackError."""
    old = getattr(module, name, None)
    name_in_module = f"{module.__name__}.{name}"
    if old is None:
        raise UnknownMinistackError(f"{name_in_module} is missing; {_written_for()}")
    found = tuple(inspect.signature(old).parameters)
    if found != parameters:
        raise UnknownMinistackError(f"{name_in_module} takes {found}, expected {parameters}; {_written_for()}")
    return old


def require(module: ModuleType, *names: str) -> None:
    """Check that the module has these names. Raises UnknownMinistackError."""
    for name in names:
        if not hasattr(module, name):
            raise UnknownMinistackError(f"{module.__name__}.{name} is missing; {_written_for()}")


def _written_for() -> str:
    return f"its replacement was written for ministack {WRITTEN_FOR}"
