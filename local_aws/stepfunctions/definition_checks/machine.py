"""The walk over a definition: the machine, its states, and the workflows inside them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from local_aws.stepfunctions.definition_checks import fields
from local_aws.stepfunctions.definition_checks.choices import check_choices
from local_aws.stepfunctions.definition_checks.expressions import check_expressions
from local_aws.stepfunctions.definition_checks.fields import JSONATA, JSONPATH
from local_aws.stepfunctions.definition_checks.maps import DISTRIBUTED, EXPRESS, check_map, processor_config
from local_aws.stepfunctions.definition_checks.paths import check_paths
from local_aws.stepfunctions.definition_checks.report import Report
from local_aws.stepfunctions.definition_checks.resources import check_task
from local_aws.stepfunctions.definition_checks.retriers import check_retries
from local_aws.stepfunctions.definition_checks.scalars import (
    MACHINE_NUMBERS,
    STATE_NUMBERS,
    check_numbers,
    check_timestamp,
)
from local_aws.stepfunctions.definition_checks.transitions import check_transitions
from local_aws.stepfunctions.definition_checks.variables import check_variables

MAXIMUM_NAME_CHARACTERS = 80


@dataclass(frozen=True)
class Scope:
    """What a workflow inherits: the machine's query language, its type, and the variables of the outer ones."""

    language: str
    in_express: bool
    variables: frozenset[str] = frozenset()


def check_machine(machine: dict[str, Any], machine_type: str, report: Report) -> None:
    """Report the faults of the whole definition; of its transitions only when its form is right."""
    language = machine.get("QueryLanguage", JSONPATH)
    report.unsupported(machine, fields.MACHINE, "/")
    check_numbers(machine, MACHINE_NUMBERS, None, "", report)
    if "QueryLanguage" in machine:
        report.one_of(language, fields.QUERY_LANGUAGES, "/QueryLanguage")
    if "Version" in machine:
        report.one_of(machine["Version"], ("1.0",), "/Version")
    _check_workflow(machine, Scope(_known(language), machine_type == EXPRESS), "", report)
    if not report.diagnostics:
        _check_names(machine, report)
        for workflow, location in _workflows(machine, ""):
            check_transitions(workflow, location, report)


def _known(language: Any) -> str:
    return JSONPATH if language == JSONPATH else JSONATA


def _check_workflow(machine: dict[str, Any], scope: Scope, location: str, report: Report) -> None:
    report.required(machine, ("States", "StartAt"), location)
    if "StartAt" in machine:
        report.is_a(machine["StartAt"], str, f"{location}/StartAt")
    path = f"{location}/States"
    if "States" not in machine or not report.is_a(machine["States"], dict, path):
        return
    if not machine["States"]:
        report.schema("Value cannot be empty", path)
    variables = check_variables(machine, scope.variables, location, report)
    inner = Scope(scope.language, scope.in_express, variables)
    for name, state in machine["States"].items():
        if report.is_a(state, dict, f"{path}/{name}"):
            _check_state(state, inner, f"{path}/{name}", report)


def _check_state(state: dict[str, Any], scope: Scope, location: str, report: Report) -> None:
    report.required(state, ("Type",), location)
    kind = state.get("Type")
    if "Type" not in state:
        return
    if kind not in fields.STATES:
        message = f"The field 'Type' should have one of these values: [{', '.join(fields.STATES)}]"
        report.schema(message, f"{location}/Type")
        return
    language = _state_language(state, scope, location, report)
    _check_fields(state, kind, language, location, report)
    check_numbers(state, STATE_NUMBERS, language, location, report)
    check_retries(state, language, location, report)
    if language == JSONATA:
        check_expressions(state, location, report)
    else:
        check_paths(state, location, report)
    if kind == "Task":
        check_task(state, language, scope.in_express, location, report)
    elif kind == "Choice":
        check_choices(state, language, location, report)
    elif kind == "Wait" and "Timestamp" in state:
        check_timestamp(state["Timestamp"], language, f"{location}/Timestamp", report)
    elif kind == "Map":
        check_map(state, language, scope.in_express, location, report)
        _check_processors(state, scope, location, report)
    elif kind == "Parallel":
        _check_branches(state, scope, location, report)


def _state_language(state: dict[str, Any], scope: Scope, location: str, report: Report) -> str:
    if "QueryLanguage" not in state:
        return scope.language
    report.one_of(state["QueryLanguage"], fields.QUERY_LANGUAGES, f"{location}/QueryLanguage")
    language = _known(state["QueryLanguage"])
    if language == JSONPATH and scope.language == JSONATA:
        message = f"'QueryLanguage' can not be '{JSONPATH}' if set to '{JSONATA}' for whole state machine"
        report.schema(message, location)
    return language


def _check_fields(state: dict[str, Any], kind: str, language: str, location: str, report: Report) -> None:
    known = (*fields.EVERY_STATE, *fields.STATES[kind])
    report.required(state, fields.REQUIRED.get(kind, ()), location)
    report.unsupported(state, known, location)
    for name in fields.misplaced({each for each in state if each in known}, language):
        report.schema(fields.misplaced_message(name, language), location)
    for names in fields.EXCLUDING:
        report.at_most_one(state, names, location)
    if kind == "Wait":
        report.exactly_one(state, fields.WAITS, location)
    if kind in fields.WITH_NEXT:
        _check_next(state, location, report)
    for name in ("Comment", "Next", "Default", "Label"):
        if name in state and name in known:
            report.is_a(state[name], str, f"{location}/{name}")


def _check_next(state: dict[str, Any], location: str, report: Report) -> None:
    if "End" in state and not report.is_a(state["End"], bool, f"{location}/End"):
        return
    # `"End": false` means the same as no End at all.
    report.exactly_one({name: 0 for name in ("Next", "End") if state.get(name)}, ("Next", "End"), location)


def _check_processors(state: dict[str, Any], scope: Scope, location: str, report: Report) -> None:
    for name in fields.PROCESSORS:
        if name not in state or not report.is_a(state[name], dict, f"{location}/{name}"):
            continue
        report.unsupported(state[name], fields.PROCESSOR, f"{location}/{name}")
        config = processor_config(state[name])
        is_distributed = config.get("Mode") == DISTRIBUTED
        inner = Scope(
            scope.language,
            scope.in_express or (is_distributed and config.get("ExecutionType") == EXPRESS),
            frozenset() if is_distributed else scope.variables,
        )
        _check_workflow(state[name], inner, f"{location}/{name}", report)


def _check_branches(state: dict[str, Any], scope: Scope, location: str, report: Report) -> None:
    if "Branches" not in state or not report.is_filled_list(state["Branches"], f"{location}/Branches"):
        return
    for index, branch in enumerate(state["Branches"]):
        path = f"{location}/Branches[{index}]"
        if report.is_a(branch, dict, path):
            report.unsupported(branch, fields.MACHINE, path)
            _check_workflow(branch, scope, path, report)


def _workflows(machine: dict[str, Any], location: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The machine and every workflow inside it; their form is right."""
    yield machine, location
    for name, state in machine["States"].items():
        path = f"{location}/States/{name}"
        for field in fields.PROCESSORS:
            if field in state:
                yield from _workflows(state[field], f"{path}/{field}")
        for index, branch in enumerate(state.get("Branches", [])):
            yield from _workflows(branch, f"{path}/Branches[{index}]")


def _check_names(machine: dict[str, Any], report: Report) -> None:
    """Names of states and labels of Maps are unique in the whole definition."""
    names, labels = set(), set()
    for workflow, location in _workflows(machine, ""):
        for name, state in workflow["States"].items():
            path = f"{location}/States/{name}"
            if len(name) > MAXIMUM_NAME_CHARACTERS:
                message = (
                    f"State name '{name}' exceeds the {MAXIMUM_NAME_CHARACTERS}-character limit allowed by the service"
                )
                report.add("INVALID_STATE_NAME", message, path)
            if name in names:
                report.add("DUPLICATE_STATE_NAME", f"Duplicate State name: {name}", path)
            names.add(name)
            if state.get("Label") in labels:
                report.add("DUPLICATE_LABEL_NAME", f"Duplicate Label name: {state['Label']}", f"{path}/Label")
            labels |= {state["Label"]} if "Label" in state else set()
