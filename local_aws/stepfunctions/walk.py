"""From state to state."""

from collections.abc import Callable
from typing import Any

from local_aws.stepfunctions.errors import RUNTIME
from local_aws.stepfunctions.scope import Handler, Run, Scope, State, check_size, compact_json

HANDLERS: dict[str, Handler] = {}
before_state: list[Callable[[Run], None]] = []
STATES_WITH_RETRIES = ("Task", "Parallel", "Map")


def walk(
    states: dict[str, State],
    start_at: str,
    data: Any,
    scope: Scope,
    entering: Callable[[str, Any], None] = lambda name, data: None,
) -> Any:
    """Run a machine, a branch or an iteration, and return its output. Raises StateError, StoppedError.

    `entering` gets each state's name and input before the state begins.
    """
    name: str | None = start_at
    while name is not None:
        entering(name, data)
        for each in before_state:
            each(scope.run)
        scope.run.check()
        data, name = _visit(name, states[name], data, scope)
    return data


def _visit(name: str, state: State, data: Any, scope: Scope) -> tuple[Any, str | None]:
    kind = state["Type"]
    scope.state = {"Name": name, "EnteredTime": scope.run.now_iso()}
    if kind in STATES_WITH_RETRIES:
        scope.state["RetryCount"] = 0
    scope.assigned = {}
    scope.entered_event_id = scope.run.history.add(f"{kind}StateEntered", name=name, input=compact_json(data))
    if kind not in HANDLERS:
        raise scope.failure(RUNTIME, f"Unknown state type: {kind}")
    output, next_name = HANDLERS[kind](state, data, scope)
    text = compact_json(output)
    check_size(text, name)
    assigned = {"assignedVariables": scope.assigned} if scope.assigned else {}
    scope.run.history.add(f"{kind}StateExited", name=name, output=text, **assigned)
    return output, next_name
