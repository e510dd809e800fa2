"""The optimised Athena integration: starting queries, with `.sync` waiting for them, and asking about them."""

import json
from collections.abc import Callable
from typing import Any

from ministack.services import athena as service

from local_aws.athena.operations import describe
from local_aws.athena.queries import SUCCEEDED, Query
from local_aws.exports.permissions import acting_as
from local_aws.stepfunctions.authorization import may_stop_query
from local_aws.stepfunctions.errors import StoppedError, state_error
from local_aws.stepfunctions.scope import Scope, compact_json
from local_aws.stepfunctions.sdk_metadata import optimised_cause, with_metadata

POLL_SECONDS = 0.25
BEGINNING = "arn:aws:states:::athena:"
OPERATIONS = {
    "startQueryExecution": "_start_query_execution",
    "stopQueryExecution": "_stop_query_execution",
    "getQueryExecution": "_get_query_execution",
    "getQueryResults": "_get_query_results",
}
MODELLED = ("InternalServerException", "InvalidRequestException", "TooManyRequestsException")


def call(resource: str, given: dict[str, Any], scope: Scope) -> dict[str, Any]:
    """The operation's output; of `.sync` that of GetQueryExecution. Raises StateError, StoppedError."""
    action = resource.removeprefix(BEGINNING)
    with acting_as(scope.run.role_arn):
        answer = _answer(OPERATIONS[action.removesuffix(".sync")], given or {})
    if action.endswith(".sync"):
        scope.submitted(with_metadata(answer))
        return _wait(service._executions[answer["QueryExecutionId"]], scope)
    return with_metadata(answer if action != "getQueryExecution" else _in_milliseconds(answer))


def _answer(name: str, given: dict[str, Any]) -> dict[str, Any]:
    function: Callable[[dict[str, Any]], tuple[int, Any, bytes]] = getattr(service, name)
    status, _, body = function(given)
    answer: dict[str, Any] = json.loads(body) if body else {}
    if status < 400:
        return answer
    code = answer.get("__type", "")
    name = code if code in MODELLED else "AmazonAthenaException"
    raise state_error(f"Athena.{name}", optimised_cause(answer.get("Message", ""), "AmazonAthena", status, code))


def _wait(query: Query, scope: Scope) -> dict[str, Any]:
    """Until the query has ended; an execution that is stopped cancels it, where its role may."""
    while not query.ended.wait(POLL_SECONDS):
        try:
            scope.run.check()
        except StoppedError:
            if may_stop_query(scope, query.request.work_group):
                query.stop()
            raise
    shown = _in_milliseconds({"QueryExecution": describe(query)})
    if query.state != SUCCEEDED:
        raise state_error("States.TaskFailed", compact_json(shown))
    return shown


def _in_milliseconds(answer: dict[str, Any]) -> dict[str, Any]:
    """The times of a query as this integration tells them."""
    shown = dict(answer["QueryExecution"])
    times = ("SubmissionDateTime", "CompletionDateTime")
    status = shown["Status"]
    shown["Status"] = {name: round(value * 1_000) if name in times else value for name, value in status.items()}
    return {"QueryExecution": dict(sorted(shown.items()))}
