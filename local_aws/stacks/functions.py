"""AWS::Lambda::Function: the reserved concurrency, which ministack leaves aside."""

import json
from collections.abc import Callable
from typing import Any

from ministack.services import lambda_svc

from local_aws.lambda_functions.preparation import prepare
from local_aws.stacks.failures import service_error

Properties = dict[str, Any]
RESERVED = "ReservedConcurrentExecutions"


def create(create_function: Callable[..., Any]) -> Callable[..., Any]:
    """The creation of a function, with its reservation."""

    def created(logical_id: str, properties: Properties, stack_name: str) -> Any:
        made = create_function(logical_id, properties, stack_name)
        try:
            _reserve(made[0], properties)
        except ValueError:
            lambda_svc._functions.pop(made[0], None)
            raise
        prepare(made[0])
        return made

    return created


def update(update_function: Callable[..., Any]) -> Callable[..., Any]:
    """The update of a function, with its reservation."""

    def updated(name: str, old: Properties, new: Properties, stack_name: str, logical_id: str) -> Any:
        made = update_function(name, old, new, stack_name, logical_id)
        if old.get(RESERVED) != new.get(RESERVED):
            _reserve(made[0], new)
        return made

    return updated


def _reserve(name: str, properties: Properties) -> None:
    if properties.get(RESERVED) is None:
        lambda_svc._delete_function_concurrency(name)
        return
    status, _, body = lambda_svc._put_function_concurrency(name, {RESERVED: int(properties[RESERVED])})
    if status >= 400:
        raise service_error(json.loads(body)["message"], "Lambda", status, "InvalidRequest")
