"""Pass, Succeed, Fail, Wait and Choice."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from local_aws.stepfunctions import jsonata_expressions as jsonata
from local_aws.stepfunctions.choice_rules import holds
from local_aws.stepfunctions.data_flow import assign, assign_json_path, finish, select_input
from local_aws.stepfunctions.errors import MAXIMUM_CAUSE_CHARACTERS, QUERY_EVALUATION, RUNTIME, state_error
from local_aws.stepfunctions.scope import Scope, State, compact_json
from local_aws.stepfunctions.templates import (
    bindings,
    fill_json_path,
    fill_jsonata,
    jsonata_field,
    named_value,
    resolve_value,
)

WRONG_TIMESTAMP = (
    "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string"
)
# What fits 32 bits with a sign: 24,855 days.
LONGEST_WAIT_SECONDS = 2**31 - 1
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def run_pass(state: State, data: Any, scope: Scope) -> tuple[Any, str | None]:
    """Pass: what JSONPath calls its result is its Result or its Parameters."""
    if scope.is_jsonata(state):
        return finish(state, data, scope)
    result = select_input(state, data, scope)
    if "Parameters" in state:
        result = fill_json_path(state["Parameters"], result, scope)
    return finish(state, data, scope, result=state.get("Result", result))


def run_succeed(state: State, data: Any, scope: Scope) -> tuple[Any, None]:
    """Succeed: its output is the machine's."""
    output, _ = finish(state, select_input(state, data, scope), scope)
    return output, None


def run_fail(state: State, data: Any, scope: Scope) -> tuple[Any, None]:
    """Fail: both error and cause may be absent."""
    error, cause = (_fail_text(state, field, data, scope) for field in ("Error", "Cause"))
    _check_cause(cause, scope)
    raise state_error(error, cause)  # type: ignore[arg-type]


def _check_cause(cause: str | None, scope: Scope) -> None:
    """What AWS does with a cause over its limit is not recorded: here it is an error that nobody overlooks.

    Nor is it recorded which escapes count: here each character that is not ASCII is one.
    """
    characters = len(json.dumps(cause)) - 2 if cause else 0
    if characters > MAXIMUM_CAUSE_CHARACTERS:
        message = (
            f"The Cause has {characters} characters after escaping, of which {MAXIMUM_CAUSE_CHARACTERS} are allowed."
        )
        raise scope.failure(RUNTIME, message)


def _fail_text(state: State, field: str, data: Any, scope: Scope) -> str | None:
    if f"{field}Path" in state:
        value = named_value(f"{field}Path", state[f"{field}Path"], data, scope)
    elif field in state and scope.is_jsonata(state):
        value = jsonata_field(state, field, "string", data, scope)
    else:
        value = state.get(field)
    if value is not None and not isinstance(value, str):
        message = f"The value referenced by {field}Path must be a string, but the value was"
        raise scope.failure(RUNTIME, f"{message}: {compact_json(value)}")
    return value


def run_wait(state: State, data: Any, scope: Scope) -> tuple[Any, str | None]:
    """Wait: for seconds or until a timestamp; a stopped execution waits no longer."""
    selected = select_input(state, data, scope)
    until = _wait_until(state, selected, scope)
    seconds = until - scope.run.clock.now()
    if seconds > LONGEST_WAIT_SECONDS:
        raise scope.failure(RUNTIME, "Wait state delay is too long.")
    if seconds > 0:
        scope.run.sleep(seconds)
    return finish(state, selected, scope)


def _wait_until(state: State, data: Any, scope: Scope) -> float:
    if scope.is_jsonata(state):
        if "Timestamp" in state:
            return _moment(jsonata_field(state, "Timestamp", "string", data, scope), QUERY_EVALUATION, scope)
        return scope.run.clock.now() + _seconds(jsonata_field(state, "Seconds", "number", data, scope), scope)
    if "TimestampPath" in state or "Timestamp" in state:
        path = state.get("TimestampPath")
        if path is None:
            return _moment(state["Timestamp"], RUNTIME, scope)
        stamp = resolve_value(path, data, scope)
        moment = _parsed(stamp)
        if moment is None:
            raise scope.failure(RUNTIME, f"{WRONG_TIMESTAMP}: {path} == {_shown(stamp)}")
        return moment
    path = state.get("SecondsPath")
    seconds = state["Seconds"] if path is None else _path_seconds(path, resolve_value(path, data, scope), scope)
    return scope.run.clock.now() + float(seconds)


def _path_seconds(path: str, value: Any, scope: Scope) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        message = f"The SecondsPath parameter cannot be parsed as a long value: {path} == {_shown(value)}"
        raise scope.failure(RUNTIME, message)
    if value < 0:
        raise scope.failure(RUNTIME, f"The SecondsPath parameter references a negative value: {path} == {value}")
    return int(value)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else compact_json(value)


def _seconds(value: float, scope: Scope) -> float:
    if value != int(value):
        raise scope.failure(
            QUERY_EVALUATION, f"The Seconds field cannot be parsed as an integer: {compact_json(value)}", "Seconds"
        )
    if value < 0:
        raise scope.failure(QUERY_EVALUATION, f"Seconds cannot be negative but was: {compact_json(value)}", "Seconds")
    return value


def _moment(stamp: str, error: str, scope: Scope) -> float:
    moment = _parsed(stamp)
    if moment is None:
        message = (
            f"The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: {stamp}"
        )
        raise scope.failure(error, message, "Timestamp")
    return moment


def _parsed(stamp: Any) -> float | None:
    """The seconds since 1970 of a time in ISO 8601 with an offset; None for what is not one."""
    if not isinstance(stamp, str) or not TIMESTAMP.fullmatch(stamp):
        return None
    try:
        return datetime.fromisoformat(stamp.replace("Z", "+00:00")).astimezone(UTC).timestamp()
    except ValueError:
        return None


def run_choice(state: State, data: Any, scope: Scope) -> tuple[Any, str | None]:
    """Choice: the first rule that holds, with its Output and Assign; Default goes with the state's own."""
    selected = select_input(state, data, scope)
    for index, rule in enumerate(state["Choices"]):
        if _is_chosen(state, rule, index, selected, scope):
            return _take(state, rule, selected, rule["Next"], scope)
    if "Default" not in state:
        raise scope.failure("States.NoChoiceMatched", "Failed to transition out of the state. No choice rule matched.")
    return _take(state, state, selected, state["Default"], scope)


def _is_chosen(state: State, rule: State, index: int, data: Any, scope: Scope) -> bool:
    if not scope.is_jsonata(state):
        return holds(rule, data, scope)
    field = f"Choices[{index}]/Condition"
    value = fill_jsonata(rule["Condition"], field, bindings(data, scope), scope)
    if isinstance(value, bool):
        return value
    source = jsonata.source_of(str(rule["Condition"]))
    raise scope.failure(
        QUERY_EVALUATION,
        f"The JSONata expression '{source}' specified for the field '{field}' returned an unexpected result "
        f"type. Expected 'boolean', but was not for value: {compact_json(value)}",
    )


def _take(state: State, holder: State, data: Any, next_name: str, scope: Scope) -> tuple[Any, str]:
    if not scope.is_jsonata(state):
        assign_json_path(holder, data, scope)
        return finish({"OutputPath": state.get("OutputPath", "$")}, data, scope.inner())[0], next_name
    names = bindings(data, scope)
    output = fill_jsonata(holder["Output"], "Output", names, scope) if "Output" in holder else data
    assign(holder, names, scope)
    return output, next_name
