"""The user's own transforms, found by name in functions/transforms."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType

import transforms
from sluice.encoding.plain_rows import Transform
from sluice.encoding.source_columns import listed
from sluice.errors import InvalidInputError


def load_transform(name: object, package: ModuleType = transforms) -> Transform:
    """The `transform` of the named module. Raises InvalidInputError for the field transform."""
    known = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    if name not in known:
        raise InvalidInputError("transform", f"no such transform as {name!r:.80}; there are {listed(known)}")
    function: object = getattr(_import(f"{package.__name__}.{name}"), "transform", None)
    if not callable(function):
        raise InvalidInputError("transform", f"transforms/{name}.py has no function named transform")
    if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
        raise InvalidInputError(
            "transform", f"transforms/{name}.py: transform must return its items, not yield or await"
        )
    return function


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    # The user's own code can raise anything as it is imported; the run must end with an error that names it.
    except Exception as error:
        raise InvalidInputError("transform", f"{name} cannot be imported: {type(error).__name__}: {error}") from error
