"""Executions that a Task state starts."""

import json
from typing import Any

from ministack.services import stepfunctions as service

from local_aws.stepfunctions import callbacks
from local_aws.stepfunctions.authorization import may_stop_execution
from local_aws.stepfunctions.errors import StoppedError, state_error
from local_aws.stepfunctions.executions import running, stop
from local_aws.stepfunctions.operations import redrive_fields
from local_aws.stepfunctions.operations import start_execution as start
from local_aws.stepfunctions.scope import Record, Scope, compact_json
from local_aws.stepfunctions.sdk_metadata import optimised_cause, with_metadata

POLL_SECONDS = 0.25


def start_execution(resource: str, given: dict[str, Any], scope: Scope) -> Any:
    """`states:startExecution`, which `.sync` and `.sync:2` wait for, or for their token. Raises States.TaskFailed."""
    status, _, body = start(_request(given))
    answer = json.loads(body)
    if status >= 400:
        code = answer["__type"].rsplit("#", 1)[-1]
        message = answer.get("message", "")
        if code == "StateMachineDoesNotExist":
            message = f"State Machine Does Not Exist: '{given.get('StateMachineArn')}'"
        name = code if code.endswith("Exception") else f"{code}Exception"
        raise state_error(f"StepFunctions.{name}", optimised_cause(message, "AWSStepFunctions", status, code))
    if ".sync" not in resource:
        return with_metadata({"ExecutionArn": answer["executionArn"], "StartDate": answer["startDate"]})
    scope.submitted(with_metadata({"ExecutionArn": answer["executionArn"], "StartDate": answer["startDate"]}))
    record = service._executions[answer["executionArn"]]
    token = scope.extra["Task"]["Token"]
    callbacks.begin(token)
    try:
        _wait(record, scope, token)
        if callbacks.is_answered(token):
            return callbacks.answer(token, None, None, scope)
    finally:
        callbacks.end(token)
    shown = _shown(record, is_parsed=resource.endswith(".sync:2"))
    if record["status"] != "SUCCEEDED":
        raise state_error("States.TaskFailed", compact_json(shown))
    return shown


def _request(given: dict[str, Any]) -> Record:
    data = given.get("Input")
    request = {
        "stateMachineArn": given.get("StateMachineArn", ""),
        "input": data if isinstance(data, str) else compact_json({} if data is None else data),
    }
    return request | ({"name": given["Name"]} if given.get("Name") else {})


def _wait(record: Record, scope: Scope, token: str) -> None:
    """Until the child has ended or the token is answered; a parent that is stopped stops it, where its role may."""
    while record["status"] == "RUNNING" and not callbacks.is_answered(token):
        run = running.get(record["executionArn"])
        if run is None:
            scope.run.sleep(0.01)
            continue
        run.ended.wait(POLL_SECONDS)
        if record["status"] == "RUNNING":
            try:
                scope.run.check()
            except StoppedError:
                if may_stop_execution(scope, record["executionArn"]):
                    stop(run, None, None)
                raise


def _shown(record: Record, *, is_parsed: bool) -> Record:
    """DescribeExecution in Step Functions' own spelling."""
    shown: Record = {
        "ExecutionArn": record["executionArn"],
        "InputDetails": {"Included": True},
        "Name": record["name"],
        "OutputDetails": {"Included": True},
        "RedriveCount": 0,
        "StartDate": record["startDate"],
        "StateMachineArn": record["stateMachineArn"],
        "Status": record["status"],
        "StopDate": record["stopDate"],
    }
    shown |= {f"R{name[1:]}": value for name, value in redrive_fields(record).items()}
    for name in ("input", "output", "error", "cause"):
        if record.get(name) is not None:
            value = record[name]
            is_json = is_parsed and name in ("input", "output")
            shown[name.capitalize()] = json.loads(value) if is_json else value
    return dict(sorted(shown.items()))
