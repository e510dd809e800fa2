"""What a Task state calls, with the results and error names that Step Functions gives them."""

from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions as service

from local_aws.stepfunctions import (
    athena_calls,
    callbacks,
    dynamodb_calls,
    lambda_calls,
    message_calls,
    nested,
    sdk_calls,
)
from local_aws.stepfunctions.authorization import authorize
from local_aws.stepfunctions.scope import Scope

Call = Callable[[str, Any, Scope], Any]
# Seconds that a task may take, and between its heartbeats.
Limits = tuple[int | None, int | None]

# By the beginning of the Task's resource; the first that fits is called.
INTEGRATIONS: dict[str, Call] = {
    "arn:aws:lambda:": lambda resource, given, scope: lambda_calls.call_function(resource, given),
    "arn:aws:states:::lambda:invoke": lambda resource, given, scope: lambda_calls.invoke_function(given),
    "arn:aws:states:::states:startExecution": nested.start_execution,
    "arn:aws:states:::dynamodb:": lambda resource, given, scope: dynamodb_calls.call(resource, given),
    "arn:aws:states:::athena:": athena_calls.call,
    "arn:aws:states:::sqs:sendMessage": message_calls.call,
    "arn:aws:states:::sns:publish": message_calls.call,
    "arn:aws:states:::events:putEvents": lambda resource, given, scope: message_calls.put_events(given, scope),
    "arn:aws:states:::aws-sdk:": lambda resource, given, scope: sdk_calls.call(resource, given, scope.run.role_arn),
}


def invoke(resource: str, given: Any, scope: Scope) -> Any:
    """The result of the call. Raises StateError."""
    authorize(resource, given, scope)
    for beginning, call in INTEGRATIONS.items():
        if resource.startswith(beginning):
            return call(resource, given, scope)
    return service._invoke_resource(resource, given)


def invoke_with_token(resource: str, given: Any, token: str, limits: Limits, scope: Scope) -> Any:
    """Call, then wait for SendTaskSuccess or SendTaskFailure with the token. Raises StateError, StoppedError."""
    callbacks.begin(token)
    try:
        scope.submitted(invoke(resource.removesuffix(".waitForTaskToken"), given, scope))
        return callbacks.answer(token, *limits, scope)
    finally:
        callbacks.end(token)
