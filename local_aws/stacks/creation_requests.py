"""Requests about a stack whose creation was rolled back: it can only be deleted."""

from collections.abc import Callable
from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation.helpers import _error, _p

Parameters = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]
Operation = Callable[[Parameters], Response]

ROLLED_BACK = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")


def create_stack(create: Operation) -> Operation:
    """CreateStack: the name of a stack that was rolled back is taken."""

    def create_unless_rolled_back(params: Parameters) -> Response:
        name = _p(params, "StackName")
        if _rolled_back(name) is None:
            return create(params)
        return _error("AlreadyExistsException", f"Stack [{name}] already exists")  # type: ignore[no-any-return]

    return create_unless_rolled_back


def update_stack(update: Operation) -> Operation:
    """UpdateStack: a stack that was rolled back cannot be updated."""

    def update_unless_rolled_back(params: Parameters) -> Response:
        stack = _rolled_back(_p(params, "StackName"))
        return update(params) if stack is None else _error("ValidationError", _no_update(stack))

    return update_unless_rolled_back


def create_change_set(create: Operation) -> Operation:
    """CreateChangeSet: a stack that was rolled back can neither be created nor updated."""

    def create_unless_rolled_back(params: Parameters) -> Response:
        name = _p(params, "StackName")
        stack = _rolled_back(name)
        if stack is None:
            return create(params)
        if _p(params, "ChangeSetType") == "CREATE":
            message = (
                f"Stack [{stack['StackName']}] already exists and cannot be created again with the changeSet "
                f"[{_p(params, 'ChangeSetName')}]."
            )
        else:
            message = _no_update(stack)
        return _error("ValidationError", message)  # type: ignore[no-any-return]

    return create_unless_rolled_back


def _no_update(stack: dict[str, Any]) -> str:
    return f"Stack:{stack['StackId']} is in {stack['StackStatus']} state and can not be updated."


def _rolled_back(name: str) -> Any | None:
    for stack in list(cloudformation._stacks.values()):
        if name in (stack["StackName"], stack["StackId"]) and stack["StackStatus"] in ROLLED_BACK:
            return stack
    return None
