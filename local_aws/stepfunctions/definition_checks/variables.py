"""Workflow variables: their names, and names that an outer workflow has already."""

import re
from collections.abc import Iterator
from typing import Any

from local_aws.stepfunctions.definition_checks.report import Report

MAXIMUM_CHARACTERS = 80
NAME = re.compile(r"[^\W\d]\w*")


def check_variables(machine: dict[str, Any], outer: frozenset[str], location: str, report: Report) -> frozenset[str]:
    """Report the faults of the names that a machine's states assign; give these and the outer ones."""
    own = set()
    for name, path in _assigned(machine, location):
        # AWS accepts a name of a branch that the Parallel state's Catch assigns, too.
        if "/Catch[" not in path.removeprefix(location):
            own.add(name)
        if name == "states":
            report.add("RESERVED_VARIABLE_NAME", "Cannot assign to reserved variable '$states'.", path)
        elif not NAME.fullmatch(name) or len(name) > MAXIMUM_CHARACTERS:
            message = "contains invalid characters" if len(name) <= MAXIMUM_CHARACTERS else "is too long"
            report.add("INVALID_VARIABLE_NAME", f"Invalid variable name '{name}': the variable name {message}.", path)
        elif name in outer:
            message = f"The variable name '{name}' was already defined in a parent scope."
            report.add("DUPLICATE_VARIABLE_NAME", message, path)
    return outer | own


def _assigned(machine: dict[str, Any], location: str) -> Iterator[tuple[str, str]]:
    for state_name, state in machine["States"].items():
        path = f"{location}/States/{state_name}"
        for holder, at in _holders(state, path):
            if isinstance(holder, dict) and isinstance(holder.get("Assign"), dict):
                for name in holder["Assign"]:
                    yield name.removesuffix(".$"), f"{at}/Assign/{name}"


def _holders(state: Any, location: str) -> Iterator[tuple[Any, str]]:
    yield state, location
    for field in ("Choices", "Catch"):
        entries = state.get(field) if isinstance(state, dict) else None
        for index, each in enumerate(entries if isinstance(entries, list) else []):
            yield each, f"{location}/{field}[{index}]"
