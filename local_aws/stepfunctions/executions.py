"""Running an execution from start to end, and stopping it."""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as service

from local_aws.stepfunctions.errors import RUNTIME, TIMEOUT, StateError, StoppedError
from local_aws.stepfunctions.scope import History, NoHistory, Record, Run, Scope, compact_json
from local_aws.stepfunctions.walk import walk

EXPRESS_SECONDS = 300
EXPRESS = "EXPRESS"
# In an execution's record: the state that it has entered last, with its input and variables, and its redrives.
ENTERED, REDRIVE_COUNT = "enteredState", "redriveCount"

running: dict[str, Run] = {}
on_end: list[Callable[[Run], None]] = []
_ending = threading.Lock()


def run_execution(execution_arn: str) -> None:
    """Walk an execution to its end; it may be stopped or time out meanwhile."""
    record = service._executions.get(execution_arn)
    machine = service._state_machines.get(record["stateMachineArn"]) if record else None
    if record is None or machine is None:
        return
    definition = json.loads(machine["definition"])
    run = new_run(record, machine, json.loads(record["input"]))
    running[execution_arn] = run
    timer = _start_timer(run, definition, machine)
    try:
        _walk_to_end(run, definition)
    finally:
        if timer is not None:
            timer.cancel()
        running.pop(execution_arn, None)
        for each in on_end:
            each(run)
        run.ended.set()


def new_run(record: Record, machine: Record, data: Any) -> Run:
    """The execution with its context object; an Express one has no history and no redrives."""
    is_express = machine["type"] == EXPRESS
    execution = {
        "Id": record["executionArn"],
        "Input": data,
        "StartTime": record["startDate"],
        "Name": record["name"],
        "RoleArn": machine["roleArn"],
    }
    events = record.get("events", [])
    redrives = record.get(REDRIVE_COUNT, 0)
    if not is_express:
        execution["RedriveCount"] = redrives
    if redrives:
        execution["RedriveTime"] = record["redriveDate"]
    return Run(
        record=record,
        context={
            "Execution": execution,
            "StateMachine": {"Id": machine["stateMachineArn"], "Name": machine["name"]},
        },
        history=NoHistory() if is_express else History(events, last=len(events) if redrives else 0),
        role_arn=machine["roleArn"],
    )


def _walk_to_end(run: Run, definition: Record) -> None:
    first = {"state": definition["StartAt"], "input": run.context["Execution"]["Input"], "variables": {}, "bytes": {}}
    begin = run.record.get(ENTERED) or first
    language = definition.get("QueryLanguage", "JSONPath")
    scope = Scope(run, language, dict(begin["variables"]), variable_bytes=dict(begin["bytes"]))

    def remember(name: str, data: Any) -> None:
        variables, sizes = dict(scope.variables), dict(scope.variable_bytes)
        run.record[ENTERED] = {"state": name, "input": data, "variables": variables, "bytes": sizes}

    try:
        output = walk(definition["States"], begin["state"], begin["input"], scope, remember)
    except StoppedError:
        return
    except StateError as error:
        _fail(run, error)
    except Exception as error:  # noqa: BLE001  (the thread's end: AWS reports its own faults so, too)
        service.logger.exception("execution %s broke", run.record["executionArn"])
        _fail(run, StateError(RUNTIME, f"{type(error).__name__}: {error}"))
    else:
        text = compact_json(output)
        run.record.pop(ENTERED, None)
        end(run, "SUCCEEDED", "ExecutionSucceeded", {"output": text}, output=text)


def _fail(run: Run, error: Any) -> None:
    details = {name: value for name, value in (("error", error.error), ("cause", error.cause)) if value is not None}
    end(run, "FAILED", "ExecutionFailed", details, **details)


def end(run: Run, status: str, event: str, details: Record, **fields: Any) -> bool:
    """Give the execution its final status; false when it already has one."""
    with _ending:
        if run.record["status"] != "RUNNING":
            return False
        run.record.update(fields, stopDate=now_iso())
        with contextlib.suppress(StateError):
            run.history.add(event, **details)
        run.record["status"] = status
    if "mapRunArn" not in run.record and not isinstance(run.history, NoHistory):
        service._emit_execution_status_event(run.record)
    return True


def _start_timer(run: Run, definition: Record, machine: Record) -> threading.Timer | None:
    limits = [definition["TimeoutSeconds"]] if "TimeoutSeconds" in definition else []
    if machine["type"] == EXPRESS:
        limits.append(EXPRESS_SECONDS)
    if not limits:
        return None
    timer = threading.Timer(min(limits), _time_out, args=(run,))
    timer.daemon = True
    timer.start()
    return timer


def _time_out(run: Run) -> None:
    if end(run, "TIMED_OUT", "ExecutionTimedOut", {}):
        run.stopped.set()


def stop(run: Run, error: str | None, cause: str | None) -> None:
    """Abort: states that wait end at once, a running Lambda function's result is dropped."""
    details = {name: value for name, value in (("error", error), ("cause", cause)) if value is not None}
    if end(run, "ABORTED", "ExecutionAborted", details, **details):
        run.stopped.set()


def run_child(run: Run, definition: Record, data: Any, query_language: str) -> tuple[str, Any]:
    """Run a Map Run's child on the calling thread: its final status, and its output or error."""
    scope = Scope(run, definition.get("QueryLanguage", query_language), {})
    try:
        return "SUCCEEDED", walk(definition["States"], definition["StartAt"], data, scope)
    except StoppedError:
        return "ABORTED", StateError(None, None)
    except StateError as error:
        is_late = run.deadline is not None and time.monotonic() > run.deadline
        if is_late and getattr(error, "error", None) == TIMEOUT:
            return "TIMED_OUT", error
        return "FAILED", error
