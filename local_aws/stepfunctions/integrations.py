"""What a Task state calls, with the results and error names that Step Functions gives them."""

from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions as service

from local_aws.stepfunctions import dynamodb_calls, lambda_calls, nested, sdk_calls
from local_aws.stepfunctions.authorization import authorize
from local_aws.stepfunctions.scope import Scope

LAMBDA_INVOKE = "arn:aws:states:::lambda:invoke"
START_EXECUTION = "arn:aws:states:::states:startExecution"
DYNAMODB = "arn:aws:states:::dynamodb:"
AWS_SDK = "arn:aws:states:::aws-sdk:"

OTHER_INTEGRATIONS: dict[str, Callable[[str, Any, Scope], Any]] = {}


def invoke(resource: str, given: Any, scope: Scope) -> Any:
    """The result of the call. Raises StateError."""
    authorize(resource, given, scope)
    if ":function:" in resource:
        return lambda_calls.call_function(resource, given)
    if resource == LAMBDA_INVOKE:
        return lambda_calls.invoke_function(given)
    if resource.startswith(START_EXECUTION):
        return nested.start_execution(resource, given, scope)
    if resource.startswith(DYNAMODB):
        return dynamodb_calls.call(resource.removeprefix(DYNAMODB), given)
    if resource in OTHER_INTEGRATIONS:
        return OTHER_INTEGRATIONS[resource](resource, given, scope)
    if resource.startswith(AWS_SDK):
        return sdk_calls.call(resource, given)
    return service._invoke_resource(resource, given)


def invoke_with_token(resource: str, given: Any, token: str, timeout: int | None, scope: Scope) -> Any:
    """Call, then wait for SendTaskSuccess or SendTaskFailure with the token. Raises StateError, States.Timeout."""
    authorize(resource.removesuffix(".waitForTaskToken"), given, scope)
    limits = {} if timeout is None else {"TimeoutSeconds": timeout}
    return service._invoke_with_callback(resource, given, token, limits)
