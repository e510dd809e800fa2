"""DeleteStateMachine: a state machine disappears at the next transition of its last execution."""

import threading
from collections.abc import Callable

from ministack.core.responses import error_response_json, json_response
from ministack.services import stepfunctions as service

from local_aws.stepfunctions.executions import on_end, running, stop
from local_aws.stepfunctions.scope import Record, Run
from local_aws.stepfunctions.walk import before_state

Response = tuple[int, dict[str, str], bytes]
Operation = Callable[[Record], Response]

DELETING = "DELETING"

# The state machines that wait for executions, with what then deletes them.
_waiting: dict[str, Callable[[], object]] = {}
_lock = threading.Lock()


def prepare() -> None:
    """Let executions of a state machine that is being deleted end, and its last one delete it."""
    before_state.append(_end_if_deleting)
    on_end.append(_delete_if_last)


def deletion(delete: Operation) -> Operation:
    """DeleteStateMachine."""

    def request(data: Record) -> Response:
        arn = data.get("stateMachineArn")
        machine = service._state_machines.get(arn)
        if machine is None or not isinstance(arn, str):
            return delete(data)
        with _lock:
            if _runs(arn):
                machine["status"] = DELETING
                _waiting[arn] = lambda: delete(data)
                return json_response({})  # type: ignore[no-any-return]
        return delete(data)

    return request


def unless_deleting(operation: Operation, arn_of: Callable[[Record], str]) -> Operation:
    """An operation that a state machine refuses while it is being deleted."""
    return lambda data: while_deleting(arn_of(data)) or operation(data)


def while_deleting(arn: str) -> Response | None:
    """The error of a state machine that is being deleted, or None."""
    machine = service._state_machines.get(arn)
    if machine is None or machine["status"] != DELETING:
        return None
    message = f"State Machine is being deleted: '{arn}'"
    return error_response_json("StateMachineDeleting", message, 400)  # type: ignore[no-any-return]


def _runs(arn: str) -> bool:
    return any(run.record["stateMachineArn"] == arn for run in list(running.values()))


def _end_if_deleting(run: Run) -> None:
    if _waiting and run.record["stateMachineArn"] in _waiting:
        stop(run, None, None)


def _delete_if_last(run: Run) -> None:
    with _lock:
        arn = run.record["stateMachineArn"]
        delete = None if _runs(arn) else _waiting.pop(arn, None)
    if delete is not None:
        delete()
