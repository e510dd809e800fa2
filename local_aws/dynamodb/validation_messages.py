"""Texts of ValidationExceptions in which ministack and DynamoDB's recorded answers differ."""

import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import dynamodb as service

from local_aws.dynamodb.json_text import Response
from local_aws.replacements import check, replace

Operation = Callable[[dict[str, Any]], Response]

ENVELOPE = "1 validation error detected: "
# What stands in the envelope: a member of the request that breaks a constraint of the service's model.
CONSTRAINT = " failed to satisfy constraint: "
INVALID = "One or more parameter values were invalid"
WITHOUT_EXPRESSIONS = "ExpressionAttributeValues can only be specified when using expressions"

# What the text ends with when values come without any of the operation's expressions.
SINGLE_WRITES = {
    "_put_item": "ConditionExpression is null",
    "_update_item": "UpdateExpression and ConditionExpression are null",
    "_delete_item": "ConditionExpression is null",
}
BATCHES = {"_batch_get_item": "BatchGetItem", "_batch_write_item": "BatchWriteItem"}

_original: dict[str, Callable[..., Any]] = {}


def install() -> None:
    """Replace the texts, and the checks behind them."""
    for name, lacking in SINGLE_WRITES.items():
        replace(service, name, ("data",), without_envelope(check(service, name, ("data",)), lacking))
    for name, operation in BATCHES.items():
        replace(service, name, ("data",), with_required_items(operation, check(service, name, ("data",))))
    _original["set"] = replace(service, "_duplicate_set_message", ("vtype", "members"), duplicate_members)
    _original["enums"] = replace(
        service, "_check_per_op_param_enums", ("data", "rv_allowed", "first_only"), all_wrong_enums
    )
    check(service, "_transact_member_enum_failures", ("data",))
    check(service, "_multi_validation_error", ("failures",))


def without_envelope(operation: Operation, lacking: str) -> Operation:
    """The operation, whose errors stand in the envelope only where a member breaks a constraint."""

    def run(data: dict[str, Any]) -> Response:
        response = operation(data)
        if response[0] != 400 or ENVELOPE.encode() not in response[2]:
            return response
        message = str(json.loads(response[2]).get("message", ""))
        if not message.startswith(ENVELOPE) or CONSTRAINT in message:
            return response
        text = message.removeprefix(ENVELOPE)
        return _refused(f"{text}: {lacking}" if text == WITHOUT_EXPRESSIONS else text)

    return run


def with_required_items(operation: str, function: Operation) -> Operation:
    """The batch operation, which says in its own words that RequestItems is empty."""

    def run(data: dict[str, Any]) -> Response:
        if data.get("RequestItems") != {}:
            return function(data)
        enums: Response | None = service._multi_validation_error(service._transact_member_enum_failures(data))
        return enums or _refused(f"The requestItems parameter is required for {operation}")

    return run


def duplicate_members(kind: str, members: list[Any]) -> str | None:
    """What is wrong with a set that has a member twice: strings and binaries are listed without quotes."""
    message: str | None = _original["set"](kind, members)
    if message is None or kind == "NS":
        return message
    end = "of type BS contains duplicates." if kind == "BS" else " contains duplicates."
    return f"{INVALID}: Input collection [{', '.join(map(str, members))}]{end}"


def all_wrong_enums(data: dict[str, Any], allowed: set[str] | None, first_only: bool = False) -> Any:
    """Every enum that is wrong, in UpdateItem as in the other operations."""
    return _original["enums"](data, allowed, False)  # noqa: FBT003


def _refused(message: str) -> Response:
    return error_response_json("ValidationException", message, 400)  # type: ignore[no-any-return]
