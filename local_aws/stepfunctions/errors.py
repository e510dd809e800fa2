"""How states fail, and which errors a Retry or Catch matches."""

from typing import Any

from ministack.services import stepfunctions as service

StateError: type[Exception] = service._ExecutionError

RUNTIME = "States.Runtime"
DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"
TIMEOUT = "States.Timeout"
QUERY_EVALUATION = "States.QueryEvaluationError"

MAXIMUM_PAYLOAD_BYTES = 262_144
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MAXIMUM_CAUSE_CHARACTERS = 32_768


class StoppedError(Exception):
    """The execution was stopped or timed out: what still runs of it ends without a trace."""


def state_error(error: str, cause: str | None) -> Exception:
    """An error as a state reports it: a name, and a cause that may be absent."""
    return StateError(error, cause)


def result_too_large(state_name: str) -> Exception:
    """The error of a state's output, or a task's result, over 256 KiB."""
    message = f"The state/task '{state_name}' returned a result with a size exceeding the maximum number of bytes"
    return state_error(DATA_LIMIT_EXCEEDED, f"{message} service limit.")


def is_matched(error_equals: list[str], error: str | None) -> bool:
    """Whether a retrier or catcher that lists these names takes this error."""
    if error == RUNTIME:
        return False
    if error in error_equals:
        return True
    if "States.ALL" in error_equals:
        return error != DATA_LIMIT_EXCEEDED
    return "States.TaskFailed" in error_equals and error != TIMEOUT


def error_output(error: Any) -> dict[str, Any]:
    """What a Catch makes of an error."""
    return {"Error": error.error, "Cause": "" if error.error == TIMEOUT and error.cause is None else error.cause}


def check_child_input(text: str) -> Exception | None:
    """The error of a child whose input is over 256 KiB."""
    if len(text.encode()) <= MAXIMUM_PAYLOAD_BYTES:
        return None
    return state_error(
        DATA_LIMIT_EXCEEDED,
        "The input of the child execution exceeds the maximum number of bytes service limit.",
    )
