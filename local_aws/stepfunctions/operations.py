"""The API's operations on executions and Map Runs."""

import contextvars
import json
import threading
from typing import Any

from ministack.core.responses import (
    error_response_json,
    get_account_id,
    get_region,
    json_response,
    new_uuid,
    now_iso,
)
from ministack.services import stepfunctions as service

from local_aws.stepfunctions.errors import MAXIMUM_PAYLOAD_BYTES
from local_aws.stepfunctions.execution_names import name_fault
from local_aws.stepfunctions.executions import EXPRESS, REDRIVE_COUNT, run_execution, running, stop
from local_aws.stepfunctions.scope import Record, compact_json

Response = tuple[int, dict[str, str], bytes]

_original: dict[str, Any] = {}
# Reentrant: a start is an event, which a rule may start another execution for.
_starting = threading.RLock()


def remember(name: str, function: Any) -> None:
    """Keep ministack's own operation, which one here builds on."""
    _original[name] = function


def start_execution(data: Record) -> Response:
    """StartExecution: a name in use gives the running execution back when its input is the same."""
    data = {**data, "input": _input_text(data)}
    fault = name_fault(data.get("name"))
    refusal = _error(*fault) if fault else _input_refusal(data["input"])
    if refusal is not None:
        return refusal
    machine = service._state_machines.get(data.get("stateMachineArn"))
    if machine is None or machine["type"] != EXPRESS:
        with _starting:
            return _named_execution(data) or _original["_start_execution"](data)
    record = _express_record(machine, data)
    service._executions[record["executionArn"]] = record
    threading.Thread(
        target=contextvars.copy_context().run,
        args=(_run_express, record["executionArn"]),
        daemon=True,
    ).start()
    return _json({"executionArn": record["executionArn"], "startDate": record["startDate"]})


def _input_text(data: Record) -> str:
    """Integrations may give the input as JSON that is not yet text."""
    given = data.get("input")
    return given if isinstance(given, str) else compact_json({} if given is None else given)


def _input_refusal(text: str) -> Response | None:
    if len(text.encode()) > MAXIMUM_PAYLOAD_BYTES:
        message = f"Member must have length less than or equal to {MAXIMUM_PAYLOAD_BYTES}"
        return _error(
            "ValidationException",
            f"1 validation error detected: Value at 'input' failed to satisfy constraint: {message}",
        )
    try:
        json.loads(text)
    except ValueError as error:
        return _error("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'")
    return None


def _named_execution(data: Record) -> Response | None:
    machine = service._state_machines.get(data.get("stateMachineArn"))
    if machine is None or not data.get("name"):
        return None
    arn = f"arn:aws:states:{get_region()}:{get_account_id()}:execution:{machine['name']}:{data['name']}"
    record = service._executions.get(arn)
    if record is None:
        return None
    if record["status"] != "RUNNING" or record["input"] != data["input"]:
        return _error("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")
    return _json({"executionArn": arn, "startDate": record["startDate"]})


def start_sync_execution(data: Record) -> Response:
    """StartSyncExecution of an Express workflow."""
    machine = service._state_machines.get(data.get("stateMachineArn", ""))
    if machine is None:
        arn = data.get("stateMachineArn", "")
        return _error("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
    if machine["type"] != EXPRESS:
        return _error("StateMachineTypeNotSupported", "This operation is not supported by this type of state machine")
    refusal = _input_refusal(_input_text(data))
    if refusal is not None:
        return refusal
    record = _express_record(machine, data)
    service._executions[record["executionArn"]] = record
    _run_express(record["executionArn"])
    names = (
        "executionArn",
        "stateMachineArn",
        "name",
        "startDate",
        "stopDate",
        "status",
        "error",
        "cause",
        "input",
        "inputDetails",
        "output",
        "outputDetails",
    )
    return _json({name: record[name] for name in names if record.get(name) is not None})


def _run_express(arn: str) -> None:
    """An Express execution cannot be described, so nothing of it is kept."""
    try:
        run_execution(arn)
    finally:
        service._executions.pop(arn, None)


def _express_record(machine: Record, data: Record) -> Record:
    name = data.get("name") or new_uuid()
    arn = f"arn:aws:states:{get_region()}:{get_account_id()}:express:{machine['name']}:{name}:{new_uuid()}"
    return {
        "executionArn": arn,
        "stateMachineArn": machine["stateMachineArn"],
        "name": name,
        "status": "RUNNING",
        "startDate": now_iso(),
        "stopDate": None,
        "input": _input_text(data),
        "inputDetails": {"included": True},
        "output": None,
        "outputDetails": {"included": True},
        "events": [],
    }


def stop_execution(data: Record) -> Response:
    """StopExecution: also aborts the Map Runs that the execution has open."""
    arn = data.get("executionArn", "")
    record = service._executions.get(arn)
    if record is None or record["status"] == "ABORTED":
        return _original["_stop_execution"](data)  # type: ignore[no-any-return]
    run = running.get(arn)
    if run is not None:
        stop(run, data.get("error"), data.get("cause"))
    elif record["status"] == "RUNNING" and "mapRunArn" not in record:
        return _original["_stop_execution"](data)  # type: ignore[no-any-return]
    return _json({"stopDate": record["stopDate"] or now_iso()})


def describe_execution(data: Record) -> Response:
    """DescribeExecution: without an output unless it succeeded."""
    arn = data.get("executionArn")
    if not str(arn).startswith("arn:"):
        return _error("InvalidArn", f"Invalid Arn: 'Invalid ARN prefix: {arn}'")
    record = service._executions.get(arn)
    if record is None:
        return _error("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
    names = (
        "executionArn",
        "stateMachineArn",
        "name",
        "status",
        "startDate",
        "stopDate",
        "input",
        "inputDetails",
        "output",
        "error",
        "cause",
        "mapRunArn",
        "itemCount",
        "redriveDate",
    )
    shown = {name: record[name] for name in names if record.get(name) is not None}
    if "output" in shown:
        shown["outputDetails"] = record["outputDetails"]
    return _json({**shown, REDRIVE_COUNT: record.get(REDRIVE_COUNT, 0), **redrive_fields(record)})


def redrive_fields(record: Record) -> dict[str, str]:
    """Whether DescribeExecution says that the execution can be redriven, and why not."""
    status = record["status"]
    if status in ("FAILED", "ABORTED", "TIMED_OUT"):
        by_map_run = "mapRunArn" in record
        return {"redriveStatus": "REDRIVABLE_BY_MAP_RUN" if by_map_run else "REDRIVABLE"}
    return {
        "redriveStatus": "NOT_REDRIVABLE",
        "redriveStatusReason": f"Execution is {status} and cannot be redriven",
    }


def list_executions(data: Record) -> Response:
    """ListExecutions: a Map Run's children carry their number of items; a state machine's list omits them."""
    status, headers, body = _original["_list_executions"](data)
    if status != 200 or not data.get("mapRunArn"):
        return status, headers, body
    answer = json.loads(body)
    for item in answer["executions"]:
        record = service._executions.get(item["executionArn"]) or {}
        if "itemCount" in record:
            item["itemCount"] = record["itemCount"]
    return _json(answer)


def _json(value: Record) -> Response:
    return json_response(value)  # type: ignore[no-any-return]


def _error(code: str, message: str) -> Response:
    return error_response_json(code, message, 400)  # type: ignore[no-any-return]
