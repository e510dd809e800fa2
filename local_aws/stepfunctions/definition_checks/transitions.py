"""Which states lead where: every target exists, every state is reached, and some state ends the workflow."""

from collections.abc import Iterator
from typing import Any

from local_aws.stepfunctions.definition_checks.report import Report

MISSING_TARGET = "MISSING_TRANSITION_TARGET"
MISSING_END = "MISSING_END_STATE"


def check_transitions(machine: dict[str, Any], location: str, report: Report) -> None:
    """Report the faults of a machine's, a branch's or a processor's transitions."""
    states: dict[str, dict[str, Any]] = machine["States"]
    start = (machine["StartAt"], f"{location}/StartAt")
    for target, path in (start, *_all_targets(states, location)):
        if target not in states:
            report.add(MISSING_TARGET, f"Missing 'Next' target: {target}", path)
    # Inner workflows may loop until an error ends them: AWS checks the outermost one.
    if not location and not any(_is_terminal(state) for state in states.values()):
        report.add(MISSING_END, "Workflow has no terminal state")
        return
    for name in states:
        if name not in _reached(states, machine["StartAt"]):
            report.add(MISSING_TARGET, f'State "{name}" is not reachable.', f"{location}/States/{name}")


def _is_terminal(state: dict[str, Any]) -> bool:
    return state.get("End") is True or state.get("Type") in ("Succeed", "Fail")


def _all_targets(states: dict[str, dict[str, Any]], location: str) -> Iterator[tuple[str, str]]:
    for name, state in states.items():
        for target, path in _targets(state):
            yield target, f"{location}/States/{name}/{path}"


def _targets(state: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A state's targets, each with its field."""
    for field in ("Next", "Default"):
        if field in state:
            yield state[field], field
    for field in ("Choices", "Catch"):
        for index, each in enumerate(state.get(field, [])):
            yield each["Next"], f"{field}[{index}]/Next"


def _reached(states: dict[str, dict[str, Any]], start: str) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in states and name not in reached:
            reached.add(name)
            waiting.extend(target for target, _ in _targets(states[name]))
    return reached
