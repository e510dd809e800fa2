"""The optimised DynamoDB integration: getItem, putItem, updateItem and deleteItem."""

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from ministack.services import dynamodb as service
from ministack.services.stepfunctions import _service_model

from local_aws.stepfunctions.errors import state_error
from local_aws.stepfunctions.sdk_metadata import optimised_cause, with_metadata

TABLE_NAME = re.compile(r"[a-zA-Z0-9_.-]+")
OPERATIONS: dict[str, str] = {
    "getItem": "_get_item",
    "putItem": "_put_item",
    "updateItem": "_update_item",
    "deleteItem": "_delete_item",
}


def call(resource: str, given: dict[str, Any]) -> dict[str, Any]:
    """The operation's output with request metadata. Raises StateError named `DynamoDB.<error>`."""
    action = resource.rpartition(":")[2]
    invalid = invalid_member(action, given)
    if invalid is not None:
        raise _failure(action, "ValidationException", invalid, 400)
    function: Callable[[dict[str, Any]], tuple[int, Any, bytes]] = getattr(service, OPERATIONS[action])
    status, _, body = function(given)
    answer = json.loads(body) if body else {}
    if status >= 400:
        code = answer.get("__type", "").rsplit("#", 1)[-1]
        raise _failure(action, code, answer.get("message", answer.get("Message", "")), status)
    return with_metadata(answer)


def _failure(action: str, code: str, message: str, status: int) -> Exception:
    """Errors that the operation's model lacks all have the service's own name."""
    name = code if code in modelled_errors(action) else "AmazonDynamoDBException"
    return state_error(f"DynamoDB.{name}", optimised_cause(message, "AmazonDynamoDBv2", status, code))


@cache
def modelled_errors(action: str) -> frozenset[str]:
    """The errors that botocore's model lists for an operation."""
    operation = _operation(action)
    return frozenset(shape.name for shape in operation.error_shapes) if operation else frozenset()


@cache
def _operation(action: str) -> Any:
    model = _service_model("dynamodb")
    name = action[0].upper() + action[1:]
    return model.operation_model(name) if model is not None and name in model.operation_names else None


def invalid_member(action: str, given: dict[str, Any]) -> str | None:
    """What is wrong with the request's members before any table is looked at."""
    problems = []
    for name in _operation(action).input_shape.required_members if _operation(action) else ():
        if given.get(name) is None:
            member = name[0].lower() + name[1:]
            problems.append(f"Value null at '{member}' failed to satisfy constraint: Member must not be null")
    table = given.get("TableName")
    if isinstance(table, str) and not TABLE_NAME.fullmatch(table.split("/")[-1] if table.startswith("arn:") else table):
        rule = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
        problems.append(f"Value '{table}' at 'tableName' failed to satisfy constraint: {rule}")
    if not problems:
        return None
    count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected"
    return f"{count}: {'; '.join(problems)}"
