"""Tasks that wait for their token: SendTaskSuccess, SendTaskFailure, SendTaskHeartbeat, and what ends the wait."""

import json
import threading
import time
from collections import OrderedDict
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import stepfunctions as service

from local_aws.replacements import replace
from local_aws.stepfunctions.errors import MAXIMUM_PAYLOAD_BYTES, TIMEOUT, state_error
from local_aws.stepfunctions.scope import Scope

Response = tuple[int, dict[str, str], bytes]

POLL_SECONDS = 0.25
# Tokens of tasks that ended are distinguished from unknown tokens while they are among the most recent.
REMEMBERED_TOKENS = 10_000

_ended: OrderedDict[str, None] = OrderedDict()


def install() -> None:
    """Replace the three operations."""
    for name, operation in (("success", success), ("failure", failure), ("heartbeat", heartbeat)):
        replace(service, f"_send_task_{name}", ("data",), operation)


def begin(token: str) -> None:
    """Take answers for this token from now on."""
    service._task_tokens[token] = {
        "event": threading.Event(),
        "result": None,
        "error": None,
        "heartbeat": None,
        "heartbeat_at": time.monotonic(),
    }


def end(token: str) -> None:
    """Take no more answers for this token."""
    service._task_tokens.pop(token, None)
    _ended[token] = None
    while len(_ended) > REMEMBERED_TOKENS:
        _ended.popitem(last=False)


def answer(token: str, timeout: float | None, heartbeat_seconds: float | None, scope: Scope) -> Any:
    """Wait for the token's answer: the output. Raises StateError, with States.Timeout when it is late; StoppedError."""
    entry = service._task_tokens[token]
    until = float("inf") if timeout is None else time.monotonic() + timeout
    while not entry["event"].wait(POLL_SECONDS):
        scope.run.check()
        heartbeat_until = float("inf") if heartbeat_seconds is None else entry["heartbeat_at"] + heartbeat_seconds
        if time.monotonic() > min(until, heartbeat_until):
            raise state_error(TIMEOUT, None)
    if entry["error"] is not None:
        raise state_error(entry["error"].get("Error"), entry["error"].get("Cause"))
    return json.loads(entry["result"])


def is_answered(token: str) -> bool:
    """Whether there is an answer for this token already."""
    return bool(service._task_tokens[token]["event"].is_set())


def success(data: dict[str, Any]) -> Response:
    """SendTaskSuccess: its output must be JSON."""
    output = data.get("output", "{}")
    return _output_refusal(data, output) or _answered(data, "result", output)


def _output_refusal(data: dict[str, Any], output: str) -> Response | None:
    if len(output.encode()) > MAXIMUM_PAYLOAD_BYTES:
        rule = f"Member must have length less than or equal to {MAXIMUM_PAYLOAD_BYTES}"
        message = f"1 validation error detected: Value at 'output' failed to satisfy constraint: {rule}"
        return _error("ValidationException", message)
    if data.get("taskToken") not in service._task_tokens:
        return _unknown(data)
    try:
        json.loads(output)
    except ValueError as error:
        return _error("InvalidOutput", f"Invalid Output: '{error}'")
    return None


def failure(data: dict[str, Any]) -> Response:
    """SendTaskFailure: error and cause may both be absent."""
    message = {"Error": data.get("error"), "Cause": data.get("cause")}
    return _answered(data, "error", message)


def heartbeat(data: dict[str, Any]) -> Response:
    """SendTaskHeartbeat."""
    entry = service._task_tokens.get(data.get("taskToken"))
    if entry is None:
        return _unknown(data)
    entry["heartbeat_at"] = time.monotonic()
    return json_response({})  # type: ignore[no-any-return]


def _answered(data: dict[str, Any], field: str, value: Any) -> Response:
    entry = service._task_tokens.get(data.get("taskToken"))
    if entry is None or entry["event"].is_set():
        return _unknown(data)
    entry[field] = value
    entry["event"].set()
    return json_response({})  # type: ignore[no-any-return]


def _unknown(data: dict[str, Any]) -> Response:
    token = data.get("taskToken")
    if token in _ended or token in service._task_tokens:
        return _error("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
    return _error("InvalidToken", "Invalid Token: 'Invalid token'")


def _error(code: str, message: str) -> Response:
    return error_response_json(code, message, 400)  # type: ignore[no-any-return]
