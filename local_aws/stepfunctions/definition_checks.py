"""What CreateStateMachine refuses: resources that do not exist, and labels that a Map Run cannot have."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from local_aws.stepfunctions.dynamodb_calls import OPERATIONS

DYNAMODB = "arn:aws:states:::dynamodb:"
MAXIMUM_LABEL_CHARACTERS = 40
NOT_IN_LABELS = set('?*<>{}[]:;,\\|^~$#%&`" \t\n\r')

Check = Callable[[str], str | None]


def with_checks(check_expressions: Check) -> Check:
    """The check of a definition's expressions, and those of this module after it."""

    def check(definition: str) -> str | None:
        return check_expressions(definition) or refusal(definition)

    return check


def refusal(definition: str) -> str | None:
    """Why Step Functions refuses the definition, or None."""
    try:
        machine = json.loads(definition)
    except (TypeError, ValueError):
        return None
    for path, state in _states(machine, ""):
        told = _unknown_resource(state) or _bad_label(state)
        if told is not None:
            return f"Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: {told[0]} at {path}/{told[1]}'"
    return None


def _states(machine: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every state with its place, those of branches and iterations as well."""
    if not isinstance(machine, dict):
        return
    states = machine.get("States")
    for name, state in states.items() if isinstance(states, dict) else ():
        if not isinstance(state, dict):
            continue
        place = f"{path}/States/{name}"
        yield place, state
        yield from _states(state.get("ItemProcessor"), f"{place}/ItemProcessor")
        yield from _states(state.get("Iterator"), f"{place}/Iterator")
        for index, branch in enumerate(state.get("Branches", [])):
            yield from _states(branch, f"{place}/Branches[{index}]")


def _unknown_resource(state: dict[str, Any]) -> tuple[str, str] | None:
    resource = state.get("Resource")
    if not isinstance(resource, str) or not resource.startswith(DYNAMODB):
        return None
    if resource.removeprefix(DYNAMODB) in OPERATIONS:
        return None
    told = (
        f"The resource provided {resource} is not recognized. The value is not a valid resource ARN, "
        "or the resource is not available in this region."
    )
    return told, "Resource"


def _bad_label(state: dict[str, Any]) -> tuple[str, str] | None:
    label = state.get("Label")
    if not isinstance(label, str) or state.get("Type") != "Map":
        return None
    if not label:
        return "Label cannot be empty", "Label"
    if len(label) > MAXIMUM_LABEL_CHARACTERS:
        return f"Label cannot exceed {MAXIMUM_LABEL_CHARACTERS} characters", "Label"
    bad = next((character for character in label if character in NOT_IN_LABELS), None)
    return None if bad is None else (f"Label contains invalid character: '{bad}'", "Label")
