"""Payload templates: fields of states in either query language, filled in."""

import json
from typing import Any

from ministack.services import stepfunctions as service

from local_aws.stepfunctions import jsonata_expressions as jsonata
from local_aws.stepfunctions.errors import QUERY_EVALUATION, RUNTIME
from local_aws.stepfunctions.json_paths import MISSING, find, resolve
from local_aws.stepfunctions.scope import Scope, compact_json

ABSENT: Any = object()


def bindings(data: Any, scope: Scope, result: Any = ABSENT, error_output: Any = ABSENT) -> dict[str, Any]:
    """What an expression may name: `$states` and the variables."""
    states = {"input": data, "context": scope.context}
    if result is not ABSENT:
        states["result"] = result
    if error_output is not ABSENT:
        states["errorOutput"] = error_output
    return {**scope.variables, "states": states}


def fill_jsonata(template: Any, field: str, names: dict[str, Any], scope: Scope) -> Any:
    """The template with each `{% %}` evaluated. Raises States.QueryEvaluationError, which names the field."""
    if jsonata.is_expression(template):
        return _evaluate(jsonata.source_of(template), field, names, scope)
    if isinstance(template, dict):
        return {key: fill_jsonata(value, f"{field}/{key}", names, scope) for key, value in template.items()}
    if isinstance(template, list):
        return [fill_jsonata(value, f"{field}[{i}]", names, scope) for i, value in enumerate(template)]
    return template


def _evaluate(expression: str, field: str, names: dict[str, Any], scope: Scope) -> Any:
    subject = f"The JSONata expression '{expression}' specified for the field '{field}'"
    try:
        return jsonata.evaluate(expression, names)
    except jsonata.UndefinedError:
        message = f"{subject} returned nothing (undefined)."
    except jsonata.UnsupportedTypeError:
        message = f"{subject} returned an unsupported result type."
    except jsonata.EvaluationError as error:
        message = f"{subject} threw an error during evaluation. {error}"
    raise scope.failure(QUERY_EVALUATION, message, field)


def jsonata_field(state: dict[str, Any], field: str, expected: str, data: Any, scope: Scope) -> Any:
    """A field of a state that must come out as this JSON type. Raises States.QueryEvaluationError."""
    value = fill_jsonata(state[field], field, bindings(data, scope), scope)
    found = json_type(value)
    if found == expected:
        return value
    source = jsonata.source_of(state[field]) if jsonata.is_expression(state[field]) else state[field]
    raise scope.failure(
        QUERY_EVALUATION,
        f"The JSONata expression '{source}' specified for the field '{field}' returned an unexpected result "
        f"type. Expected '{expected}', but was '{found}' for value: {compact_json(value)}",
        field,
    )


def json_type(value: Any) -> str:
    """The JSON type's name."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def fill_json_path(template: Any, data: Any, scope: Scope) -> Any:
    """The template with each key that ends in `.$` resolved. Raises States.Runtime."""
    if isinstance(template, list):
        return [fill_json_path(value, data, scope) for value in template]
    if not isinstance(template, dict):
        return template
    filled = {}
    for key, value in template.items():
        if key.endswith(".$") and isinstance(value, str):
            filled[key[:-2]] = named_value(key, value, data, scope)
        else:
            filled[key] = fill_json_path(value, data, scope)
    return filled


def named_value(field: str, path: str, data: Any, scope: Scope) -> Any:
    """The value of a field that holds a path or an intrinsic function. Raises States.Runtime, which names the field."""
    if path.startswith("States."):
        return resolve_value(path, data, scope)
    value = find(path, data, scope)
    if value is MISSING:
        where = f"specified for the field '{field}' could not be found in the input '{compact_json(data)}'"
        raise scope.failure(RUNTIME, f"The JSONPath '{path}' {where}")
    return value


def resolve_value(path: str, data: Any, scope: Scope) -> Any:
    """A path or an intrinsic function's value."""
    if not path.startswith("States."):
        return resolve(path, data, scope)
    try:
        node, _ = service._parse_intrinsic_call(path, 0)
        return _intrinsic(node, data, scope)
    except (ValueError, TypeError, KeyError, IndexError, json.JSONDecodeError) as error:
        raise scope.failure("States.IntrinsicFailure", f"{path}: {error}") from error


def _intrinsic(node: Any, data: Any, scope: Scope) -> Any:
    """Arguments are resolved here, so that they may be variables; ministack computes the function."""
    kind, name, arguments = node
    values = []
    for argument in arguments:
        if argument[0] == "call":
            values.append(_intrinsic(argument, data, scope))
        elif argument[0] == "path":
            values.append(resolve(argument[1], data, scope))
        else:
            values.append(argument[1])
    return service._exec_intrinsic((kind, name, [("str", value) for value in values]), data, {})


def integer_field(state: dict[str, Any], field: str, default: Any, data: Any, scope: Scope) -> Any:
    """A whole number given as it is, as JSONata, or by `<field>Path`."""
    value = _number_field(state, field, default, data, scope)
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            raise _not_a_number(state, field, value, "integer", scope) from None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise _not_a_number(state, field, value, "integer", scope)
    return int(value)


def float_field(state: dict[str, Any], field: str, default: Any, data: Any, scope: Scope) -> float:
    """A number given as it is, as JSONata, or by `<field>Path`."""
    value = _number_field(state, field, default, data, scope)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _not_a_number(state, field, value, "float", scope)
    try:
        return float(value)
    except ValueError:
        raise _not_a_number(state, field, value, "float", scope) from None


def _number_field(state: dict[str, Any], field: str, default: Any, data: Any, scope: Scope) -> Any:
    path = state.get(f"{field}Path")
    if path is not None:
        return resolve_value(path, data, scope)
    if jsonata.is_expression(state.get(field)):
        return jsonata_field(state, field, "number", data, scope)
    return state.get(field, default)


def _not_a_number(state: dict[str, Any], field: str, value: Any, kind: str, scope: Scope) -> Exception:
    shown = value if isinstance(value, str) else compact_json(value)
    path = state.get(f"{field}Path")
    where, end = (f"{field}Path", f": {path}") if path else (field, "")
    return scope.failure(RUNTIME, f'The {where} field refers to value "{shown}" which is not a valid {kind}{end}')
