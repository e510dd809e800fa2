"""How data flows through a state: what goes in, what comes out, what is assigned."""

import copy
from typing import Any

from local_aws.stepfunctions.scope import Scope, State
from local_aws.stepfunctions.templates import ABSENT, bindings, fill_json_path, fill_jsonata, resolve_value
from local_aws.stepfunctions.variables import set_variables


def select_input(state: State, data: Any, scope: Scope) -> Any:
    """A JSONPath state's InputPath; a JSONata state takes its input as it is."""
    if scope.is_jsonata(state):
        return data
    return _path(state, "InputPath", data, scope)


def arguments(state: State, data: Any, scope: Scope, field: str = "Parameters") -> Any:
    """What a Task or Parallel state calls with: Arguments, or InputPath and Parameters."""
    if scope.is_jsonata(state):
        if "Arguments" not in state:
            return data
        return fill_jsonata(state["Arguments"], "Arguments", bindings(data, scope), scope)
    selected = select_input(state, data, scope)
    return fill_json_path(state[field], selected, scope) if field in state else selected


def finish(
    state: State, data: Any, scope: Scope, *, result: Any = ABSENT, default: Any = ABSENT
) -> tuple[Any, str | None]:
    """The state's output and the next state's name, with its variables assigned.

    `default` is the output of a JSONata state without Output: its result, if it has one, else its input.
    """
    if scope.is_jsonata(state):
        names = bindings(data, scope, result)
        fallback = default if default is not ABSENT else (data if result is ABSENT else result)
        output = fill_jsonata(state["Output"], "Output", names, scope) if "Output" in state else fallback
        assign(state, names, scope)
    else:
        shaped = data if result is ABSENT else _shape_result(state, data, result, scope)
        assign_json_path(state, data if result is ABSENT else result, scope)
        output = _path(state, "OutputPath", shaped, scope)
    return output, None if state.get("End") else state.get("Next")


def assign(holder: State, names: dict[str, Any], scope: Scope) -> None:
    """Set the variables of a JSONata Assign; all of them are evaluated before any is set."""
    if "Assign" in holder:
        set_variables(fill_jsonata(holder["Assign"], "Assign", names, scope), scope)


def assign_json_path(holder: State, data: Any, scope: Scope) -> None:
    """Set the variables of a JSONPath Assign."""
    if "Assign" in holder:
        set_variables(fill_json_path(holder["Assign"], data, scope), scope)


def catch(catcher: State, data: Any, error: dict[str, Any], scope: Scope, is_jsonata: bool) -> Any:
    """The output of a state whose error this catcher takes."""
    if is_jsonata:
        names = bindings(data, scope, error_output=error)
        output = fill_jsonata(catcher["Output"], "Output", names, scope) if "Output" in catcher else error
        assign(catcher, names, scope)
        return output
    assign_json_path(catcher, error, scope)
    return put_result(catcher.get("ResultPath", "$"), data, error)


def _shape_result(state: State, data: Any, result: Any, scope: Scope) -> Any:
    if "ResultSelector" in state:
        result = fill_json_path(state["ResultSelector"], result, scope)
    return put_result(state.get("ResultPath", "$"), data, result)


def put_result(path: str | None, data: Any, result: Any) -> Any:
    """The data with the result put at a path: null drops the result, `$` keeps nothing else."""
    if path is None or path == "$":
        return data if path is None else result
    output = copy.deepcopy(data) if isinstance(data, dict) else {}
    *parents, last = path.removeprefix("$.").split(".")
    target = output
    for name in parents:
        if not isinstance(target.get(name), dict):
            target[name] = {}
        target = target[name]
    target[last] = result
    return output


def _path(state: State, field: str, data: Any, scope: Scope) -> Any:
    path = state.get(field, "$")
    return {} if path is None else resolve_value(path, data, scope)
