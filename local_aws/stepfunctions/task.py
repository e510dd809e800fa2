"""Task states: attempts, events and timeouts. What they call is in `integrations`."""

import contextvars
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from ministack.core.responses import get_region, new_uuid

from local_aws.stepfunctions.argument_checks import check_arguments
from local_aws.stepfunctions.data_flow import arguments, finish, select_input
from local_aws.stepfunctions.errors import TIMEOUT, StateError, state_error
from local_aws.stepfunctions.instant import is_quick
from local_aws.stepfunctions.integrations import Limits, invoke, invoke_with_token
from local_aws.stepfunctions.lambda_calls import turn
from local_aws.stepfunctions.partitions import known_resource
from local_aws.stepfunctions.retries import with_retries
from local_aws.stepfunctions.scope import Scope, State, check_size, compact_json
from local_aws.stepfunctions.templates import integer_field

# The endings of resources whose tasks continue after their call.
WAITING = (".sync", ".sync:2", ".waitForTaskToken")


def run_task(state: State, data: Any, scope: Scope) -> tuple[Any, str | None]:
    """Task: call, with Retry, Catch and TimeoutSeconds."""
    return with_retries(state, data, scope, lambda: _attempt(state, data, scope))


def _attempt(state: State, data: Any, scope: Scope) -> tuple[Any, str | None]:
    resource = known_resource(state["Resource"], scope)
    if resource.endswith(WAITING):
        scope.extra = {**scope.extra, "Task": {"Token": new_uuid()}}
    given = arguments(state, data, scope)
    check_arguments(resource, given, scope)
    limits = _seconds(state, "TimeoutSeconds", data, scope), _seconds(state, "HeartbeatSeconds", data, scope)
    events = _Events(resource, scope)
    events.scheduled(given, limits)
    scope.submitted = events.submitted
    try:
        scope.run.check()
        with turn(resource, scope):
            result = _call(resource, given, limits, scope)
    except StateError as error:
        events.failed(error)
        raise
    text = compact_json(result)
    check_size(text, events.resource_type)
    events.succeeded(text)
    return finish(state, data, scope, result=result)


def _seconds(state: State, field: str, data: Any, scope: Scope) -> int | None:
    if field not in state and f"{field}Path" not in state:
        return None
    return int(integer_field(state, field, None, select_input(state, data, scope), scope))


def _call(resource: str, given: Any, limits: Limits, scope: Scope) -> Any:
    if scope.run.call is not None:
        return scope.run.call(resource, given, scope)
    if resource.endswith(".waitForTaskToken"):
        return invoke_with_token(resource, given, scope.extra["Task"]["Token"], limits, scope)
    timeout = limits[0]
    if timeout is None or is_quick(resource):
        return invoke(resource, given, scope)
    return _call_in_time(resource, given, timeout, scope)


def _call_in_time(resource: str, given: Any, timeout: int, scope: Scope) -> Any:
    """The call continues when the time is over; its result is dropped, as that of a Lambda function on AWS."""
    pool = ThreadPoolExecutor(max_workers=1)
    future: Future[Any] = pool.submit(contextvars.copy_context().run, invoke, resource, given, scope)
    pool.shutdown(wait=False)
    try:
        return future.result(timeout=timeout)
    except FutureTimeoutError:
        raise state_error(TIMEOUT, None) from None


class _Events:
    """The events of one attempt: a Lambda function's ARN as resource has names of its own."""

    def __init__(self, resource: str, scope: Scope) -> None:
        self._resource = resource
        self._history = scope.run.history
        self._is_function = ":function:" in resource
        self._prefix = "LambdaFunction" if self._is_function else "Task"
        version = ":2" if resource.endswith(":2") else ""
        parts = resource.removesuffix(version).split(":")
        self.resource_type = "lambda" if self._is_function else ":".join(parts[5:-1])
        named = {"resourceType": self.resource_type, "resource": f"{parts[-1]}{version}"}
        self._details = {} if self._is_function else named

    def scheduled(self, given: Any, limits: Limits) -> None:
        named = zip(("timeoutInSeconds", "heartbeatInSeconds"), limits, strict=True)
        details: dict[str, Any] = {name: seconds for name, seconds in named if seconds is not None}
        if self._is_function:
            details |= {"resource": self._resource, "input": compact_json(given)}
        else:
            details |= {**self._details, "region": get_region(), "parameters": compact_json(given)}
        self._history.add(f"{self._prefix}Scheduled", **details)
        self._history.add(f"{self._prefix}Started", **self._details)
        self._is_submitted = not self._resource.endswith(WAITING)

    def submitted(self, output: Any) -> None:
        """The call was made, and its job or its callback is waited for."""
        self._is_submitted = True
        self._history.add("TaskSubmitted", **self._details, output=compact_json(output))

    def succeeded(self, output: str) -> None:
        if not self._is_submitted:
            self._history.add("TaskSubmitted", **self._details)
        self._history.add(f"{self._prefix}Succeeded", **self._details, output=output)

    def failed(self, error: Any) -> None:
        kind = "TimedOut" if error.error == TIMEOUT else "Failed"
        named = {"error": error.error, "cause": error.cause}
        message = {name: value for name, value in named.items() if value is not None}
        self._history.add(f"{self._prefix}{kind}", **self._details, **message)
