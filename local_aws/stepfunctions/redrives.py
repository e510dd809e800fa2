"""RedriveExecution: a Standard execution continues at the state in which it failed, was stopped or timed out."""

import asyncio
import contextvars
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from ministack.core.responses import error_response_json, json_response, now_iso
from ministack.services import stepfunctions as service

from local_aws.replacements import replace
from local_aws.stepfunctions.executions import REDRIVE_COUNT, run_execution, running
from local_aws.stepfunctions.scope import MAXIMUM_HISTORY_EVENTS, History, Record

Response = tuple[int, dict[str, str], bytes]
Handle = Callable[..., Awaitable[Response]]

ACTION = "RedriveExecution"
REDRIVABLE = ("FAILED", "ABORTED", "TIMED_OUT")
REDRIVEN_FOR = "redrivenFor"

_redriving = threading.Lock()
_original: dict[str, Handle] = {}


def install() -> None:
    """Serve the operation, which ministack does not have."""
    parameters = ("method", "path", "headers", "body", "query_params")
    _original["handle"] = replace(service, "handle_request", parameters, handle_request)


async def handle_request(method: str, path: str, headers: Record, body: bytes, query_params: Any) -> Response:
    """A request to Step Functions."""
    if headers.get("x-amz-target", "").rpartition(".")[2] != ACTION:
        return await _original["handle"](method, path, headers, body, query_params)
    try:
        data = json.loads(body)
    except ValueError:
        return _error("SerializationException", "Invalid JSON")
    # It may wait for a state that runs in this process and needs the event loop.
    return service._finalize_response(await asyncio.to_thread(redrive_execution, data))  # type: ignore[no-any-return]


def redrive_execution(data: Record) -> Response:
    """RedriveExecution. The same client token again gives the redrive that it has started."""
    arn = str(data.get("executionArn", ""))
    if not arn.startswith("arn:"):
        return _error("InvalidArn", f"Invalid Arn: 'Invalid ARN prefix: {arn}'")
    record = service._executions.get(arn)
    if record is None:
        return _error("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
    with _redriving:
        token = data.get("clientToken")
        if token is None or record.get(REDRIVEN_FOR) != token:
            fault = _fault(record)
            if fault is not None:
                return _error("ExecutionNotRedrivable", fault)
            _begin_again(record, token)
    return json_response({"redriveDate": record["redriveDate"]})  # type: ignore[no-any-return]


def _fault(record: Record) -> str | None:
    """Why the execution cannot be redriven."""
    if "mapRunArn" in record:
        return "Execution was started by a Map Run and is redriven with it"
    if record["status"] not in REDRIVABLE or "events" not in record:
        return f"Execution is {record['status']} and cannot be redriven"
    if record["stateMachineArn"] not in service._state_machines:
        return "The state machine of the execution was deleted"
    if len(record["events"]) >= MAXIMUM_HISTORY_EVENTS - 1:
        return "Execution history event limit exceeded"
    return None


def _begin_again(record: Record, token: str | None) -> None:
    before = running.get(record["executionArn"])
    if before is not None:
        # Stopped, and not yet at its end: a state that could not be interrupted finishes first.
        before.ended.wait()
    for name in ("error", "cause"):
        record.pop(name, None)
    count = record.get(REDRIVE_COUNT, 0) + 1
    record |= {
        "status": "RUNNING",
        "stopDate": None,
        REDRIVE_COUNT: count,
        "redriveDate": now_iso(),
        REDRIVEN_FOR: token,
    }
    events = record["events"]
    History(events, last=len(events)).add("ExecutionRedriven", redriveCount=count)
    service._emit_execution_status_event(record)
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run_execution, record["executionArn"]), daemon=True).start()


def _error(code: str, message: str) -> Response:
    return error_response_json(code, message, 400)  # type: ignore[no-any-return]
