"""Whether IAM allows an operation on items, as ministack evaluates it; what is allowed is remembered for moments."""

import time
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id

from local_aws.access.direct import Caller
from local_aws.access.installation import pin_verified_request
from local_aws.access.requests import Request
from local_aws.dynamodb.json_text import to_json
from local_aws.replacements import check
from local_aws.role_permissions import when_policies_change

SERVICE = "dynamodb"
# A policy of a role that changes takes effect at once, one of a user after this time.
REMEMBERED_SECONDS = 2.0
REMEMBERED_ANSWERS = 10_000
# The members of a request that policies know of.
NAMED = ("TableName", "IndexName", "Select", "AttributesToGet", "ProjectionExpression")

# The key is all that the answer depends on beside the policies; the value is when it is forgotten.
_allowed_until: dict[tuple[str, str, str, str, str, bytes], float] = {}


def install() -> None:
    """Check that ministack has what is used of it."""
    parameters = ("access_key_id", "iam_action", "service", "region", "resource_arn", "service_context")
    check(iam_evaluator, "enforce", parameters)
    check(iam_evaluator, "pin_request_caller", ("headers", "query_params"))
    check(iam_evaluator, "pin_request_origin", ("source_ip", "secure_transport"))
    check(iam_actions, "dynamodb_resource_arns", ("body", "region", "account_id"))
    check(iam_actions, "dynamodb_service_context", ("body",))
    when_policies_change(_allowed_until.clear)


def is_allowed(action: str, data: dict[str, Any], request: Request, caller: Caller) -> bool:
    """Whether the caller may do this to all tables that the request names."""
    essence = to_json(_essence(data))
    key = (caller.access_key_id, caller.region, caller.address, get_account_id(), action, essence)
    if time.monotonic() < _allowed_until.get(key, 0.0):
        return True
    if not _evaluate(action, essence, request, caller):
        return False
    if len(_allowed_until) >= REMEMBERED_ANSWERS:
        _allowed_until.clear()
    _allowed_until[key] = time.monotonic() + REMEMBERED_SECONDS
    return True


def _essence(data: dict[str, Any]) -> dict[str, Any]:
    """The request without its items and values."""
    essence = {name: data[name] for name in NAMED if name in data}
    if "ProjectionExpression" in data and "ExpressionAttributeNames" in data:
        essence["ExpressionAttributeNames"] = data["ExpressionAttributeNames"]
    if "RequestItems" in data:
        items = data["RequestItems"]
        essence["RequestItems"] = dict.fromkeys(items) if isinstance(items, dict) else None
    return essence


def _evaluate(action: str, essence: bytes, request: Request, caller: Caller) -> bool:
    headers = dict(request.headers)
    iam_evaluator.pin_request_origin(caller.address, True)  # noqa: FBT003
    iam_evaluator.pin_request_caller(headers, {})
    pin_verified_request(caller.access_key_id)
    context = iam_actions.dynamodb_service_context(essence)
    resources = iam_actions.dynamodb_resource_arns(essence, caller.region, get_account_id())
    denials = (
        iam_evaluator.enforce(
            caller.access_key_id, action, SERVICE, caller.region, resource_arn=resource, service_context=context
        )
        for resource in resources or ["*"]
    )
    return all(denial is None for denial in denials)
