"""The definition checks of CreateStateMachine, UpdateStateMachine and ValidateStateMachineDefinition."""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import stepfunctions as service

from local_aws.stepfunctions.definition_checks.machine import check_machine
from local_aws.stepfunctions.definition_checks.report import SCHEMA, Diagnostic, Report

Response = tuple[int, dict[str, str], bytes]
Operation = Callable[[dict[str, Any]], Response]

STANDARD = "STANDARD"
MAXIMUM_RESULTS = 100
ENUMS = {"type": (STANDARD, "EXPRESS"), "severity": ("ERROR", "WARNING")}


@lru_cache(maxsize=64)
def diagnose(definition: str, machine_type: str = STANDARD) -> tuple[Diagnostic, ...]:
    """Everything that is wrong with the definition."""
    report = Report()
    if not definition.strip():
        report.add(SCHEMA, "Definition must be a valid JSON object")
        return tuple(report.diagnostics)
    try:
        machine = json.loads(definition)
    except ValueError as error:
        _add_syntax_error(definition, error, report)
        return tuple(report.diagnostics)
    if isinstance(machine, dict):
        check_machine(machine, machine_type, report)
    else:
        report.add(SCHEMA, "Definition must be a valid JSON object")
    return tuple(report.diagnostics)


def _add_syntax_error(definition: str, error: ValueError, report: Report) -> None:
    line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
    path = f'[Source: (String)"{definition[:500]}"; line: {line}, column: {column}]'
    message = getattr(error, "msg", str(error))
    report.add("INVALID_JSON_DESCRIPTION", f"{message}\n at {path}", path)


def definition_refusal(definition: Any, machine_type: str = STANDARD) -> str | None:
    """The message with which a state machine of this definition is refused, or None."""
    if not isinstance(definition, str):
        return None
    found = diagnose(definition, machine_type)
    return f"Invalid State Machine Definition: '{', '.join(map(str, found))}'" if found else None


def checked_definition(operation: Operation) -> Operation:
    """CreateStateMachine or UpdateStateMachine, refused when the definition is."""

    def checked(data: dict[str, Any]) -> Response:
        message = definition_refusal(data.get("definition"), _machine_type(data))
        return operation(data) if message is None else _error("InvalidDefinition", message)

    return checked


def _machine_type(data: dict[str, Any]) -> str:
    """The requested type, or that the machine to be updated has."""
    existing = service._state_machines.get(data.get("stateMachineArn")) or {}
    return str(existing.get("type") or data.get("type") or STANDARD)


def validate(data: dict[str, Any]) -> Response:
    """ValidateStateMachineDefinition: an invalid definition is a result, not an error."""
    limit = data.get("maxResults", 0)
    fault = _request_fault(data, limit)
    if fault is not None:
        return _error("ValidationException", f"1 validation error detected: {fault}")
    found = diagnose(data["definition"], data.get("type", STANDARD))
    shown = found[: limit or MAXIMUM_RESULTS]
    answer = {
        "result": "FAIL" if found else "OK",
        "diagnostics": [_to_json(each) for each in shown],
        "truncated": len(shown) < len(found),
    }
    return json_response(answer)  # type: ignore[no-any-return]


def _request_fault(data: dict[str, Any], limit: Any) -> str | None:
    constraint = "failed to satisfy constraint: Member must"
    definition = data.get("definition")
    if not definition:
        message = "not be null" if definition is None else "have length greater than or equal to 1"
        return f"Value at 'definition' {constraint} {message}"
    for name, known in ENUMS.items():
        if name in data and data[name] not in known:
            return f"Value '{data[name]}' at '{name}' {constraint} satisfy enum value set: [{', '.join(known)}]"
    if not 0 <= limit <= MAXIMUM_RESULTS:
        bound = "less than or equal to 100" if limit > 0 else "greater than or equal to 0"
        return f"Value '{limit}' at 'maxResults' {constraint} have value {bound}"
    return None


def _to_json(diagnostic: Diagnostic) -> dict[str, str]:
    location = {} if diagnostic.location is None else {"location": diagnostic.location}
    return {"severity": "ERROR", "code": diagnostic.code, "message": diagnostic.message, **location}


def _error(code: str, message: str) -> Response:
    return error_response_json(code, message, 400)  # type: ignore[no-any-return]
