"""The optimised DynamoDB integration: getItem, putItem, updateItem and deleteItem."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

from ministack.services import dynamodb as service
from ministack.services.stepfunctions import _service_model

from local_aws.stepfunctions.errors import RUNTIME, state_error
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


def with_epoch_times(action: str, given: Any) -> Any:
    """The request with its ISO 8601 times as seconds since 1970, as DynamoDB wants them. Raises StateError."""
    operation = _operation(action)
    return _times(given, operation.input_shape, _epoch_seconds) if operation else given


def with_short_times(action: str, answer: Any) -> Any:
    """The answer with times as the Java SDK writes them: milliseconds only where there are any."""
    operation = _operation(action)
    return _times(answer, operation.output_shape, lambda text: text.replace(".000Z", "Z")) if operation else answer


def _times(value: Any, shape: Any, change: Callable[[str], Any]) -> Any:
    """The value with each text that its shape calls a timestamp changed."""
    if shape.type_name == "timestamp" and isinstance(value, str):
        return change(value)
    if shape.type_name == "structure" and isinstance(value, dict):
        members = shape.members
        return {key: _times(each, members[key], change) if key in members else each for key, each in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [_times(each, shape.member, change) for each in value]
    return value


def _epoch_seconds(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise state_error(RUNTIME, f"'{text}' is not a time in ISO 8601 with an offset")
    return moment.timestamp()
