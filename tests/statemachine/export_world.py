"""All that table_export deals with, simulated: its executions, the ledger, exports, and export_process."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from enum import Enum
from importlib import import_module
from types import TracebackType
from typing import Any

from local_aws.stepfunctions.errors import StateError, StoppedError, state_error
from local_aws.stepfunctions.scope import Scope, compact_json
from tests.statemachine.definitions import ROOT
from tests.statemachine.export_checks import Checks
from tests.statemachine.export_ledgers import Ledger, LocalLedger, plain
from tests.statemachine.export_processes import PROCESS_MACHINE, Processes
from tests.statemachine.export_service import DAY, HOUR, ExportService, seconds
from tests.statemachine.export_stage import Execution, Stage
from tests.unit.lambda_context import Context

YEAR = 366 * DAY
STALL_SECONDS = 2 * HOUR
START = seconds("2026-11-21T03:00:00.250Z")
USUAL = {"table": "airports", "pollSeconds": 600}
WITH_PROCESS = {**USUAL, "process": {"sink": {"table": "{table}-copy", "guard": "newerOnly"}}}
DEFINITION = ROOT / "statemachines" / "table_export.asl.json"


class Fault(Enum):
    """What happens at a call; an answer is lost after the call has had its effect."""

    KILLED_BEFORE = "killed before"
    KILLED_AFTER = "killed after"
    ANSWER_LOST = "answer lost"
    CONNECTION_LOST = "connection lost"
    THROTTLED = "throttled"
    # For longer than a lease lasts.
    STALLED_BEFORE = "stalled before"
    STALLED_AFTER = "stalled after"


# By the number of a call, or by the name of a state for every call that it makes.
Faults = Mapping[int | str, Fault]


class World:
    """`with World() as world:` starts with point-in-time recovery on for ten days, and nothing exported yet."""

    def __init__(self, ledger: Ledger | None = None, table: str = "airports") -> None:
        self.ledger = ledger or LocalLedger()
        self.stage = Stage(definition_with(self.ledger.name), self._call, START)
        self.service = ExportService(lambda: self.stage.now, table)
        self.processes = Processes(lambda: self.stage.now, self._queue)
        self.checks = Checks(self)
        self.faults: dict[Execution, Faults] = {}
        self.calls: dict[Execution, list[str]] = {}
        self._plan = _plan_export()

    def __enter__(self) -> World:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stage.close()
        self.ledger.close()

    @property
    def now(self) -> float:
        """AWS's time."""
        return self.stage.now

    @property
    def state(self) -> dict[str, Any]:
        """The table's state item in plain values; empty when there is none."""
        return self.checks.state

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The runs' items in plain values, in the order of their keys."""
        return self._items("RUN#")

    @property
    def windows(self) -> list[dict[str, Any]]:
        """The items of windows to process, in the order of the windows; one may be too many, before it is queued."""
        return self._items("PROCESS#")

    @property
    def processed(self) -> int:
        """How many windows the copy holds, by the ledger."""
        return next((int(each["processed"]) for each in self._items("COPY")), 0)

    def _items(self, prefix: str) -> list[dict[str, Any]]:
        items = [plain(each) for each in self.ledger.items()]
        return [each for each in items if each["entry"].startswith(prefix)]

    def _queue(self) -> list[str]:
        return [each["exportArn"] for each in self.windows[: int(self.state.get("queued", 0))]]

    def start(self, document: Any = USUAL, *, skew: float = 0.0, faults: Faults | None = None) -> Execution:
        """An execution that begins when time continues."""
        execution = self.stage.start(document, skew)
        self.faults[execution], self.calls[execution] = faults or {}, []
        return execution

    def pass_time(self, seconds: float) -> None:
        """Let executions continue for so long."""
        self.stage.run_until(self.stage.now + seconds)

    def run(self, document: Any = USUAL, *, skew: float = 0.0, faults: Faults | None = None) -> Execution:
        """An execution from start to end, together with those that are running."""
        execution = self.start(document, skew=skew, faults=faults)
        self.stage.run_until(self.now + YEAR, ending=execution)
        return execution

    def set_flag(self, name: str, *, value: bool) -> None:
        """As `sluice export pause`, `resume` and `reset` do."""
        self.set_attribute(name, {"BOOL": value})

    def set_attribute(self, name: str, value: dict[str, Any]) -> None:
        """Somebody else's write to the state item."""
        self.ledger.call(
            "updateItem",
            {
                "TableName": self.ledger.name,
                "Key": {"table": {"S": self.service.table}, "entry": {"S": "STATE"}},
                "UpdateExpression": "SET #name = :value ADD #version :one",
                "ExpressionAttributeNames": {"#name": name, "#version": "version"},
                "ExpressionAttributeValues": {":value": value, ":one": {"N": "1"}},
            },
        )
        self.checks.after_operator()

    def _call(self, execution: Execution, resource: str, given: Any, scope: Scope) -> Any:
        faults = self.faults[execution]
        fault = faults.get(len(self.calls[execution]), faults.get(scope.name))
        self.calls[execution].append(scope.name)
        if fault is Fault.KILLED_BEFORE:
            raise StoppedError
        if fault is Fault.THROTTLED:
            raise state_error(f"{_prefix(resource)}.{_throttling(resource)}", "Rate exceeded")
        if fault is Fault.STALLED_BEFORE:
            execution.sleep(STALL_SECONDS)
        exports_before = len(self.service.exports)
        try:
            answer = json.loads(compact_json(self._answer(resource, given)))
        except StateError as error:
            raise StoppedError if fault is Fault.KILLED_AFTER else error from error
        self.checks.after_call(execution, resource, given, is_export_new=len(self.service.exports) > exports_before)
        if fault is Fault.STALLED_AFTER:
            execution.sleep(STALL_SECONDS)
        if fault is Fault.KILLED_AFTER:
            raise StoppedError
        if fault is Fault.ANSWER_LOST:
            raise state_error("States.Timeout", None)
        if fault is Fault.CONNECTION_LOST:
            raise state_error(f"{_prefix(resource)}.SdkClientException", "Connection reset")
        return answer

    def _answer(self, resource: str, given: Any) -> Any:
        kind, _, action = resource.removeprefix("arn:${Partition}:states:::").rpartition(":")
        if kind == "aws-sdk:dynamodb":
            return getattr(self.service, _snake(action))(given)
        if kind == "dynamodb":
            return self.ledger.call(action, given)
        if resource.endswith(":sfn:describeExecution"):
            return self._describe_execution(given)
        if resource.endswith(":states:startExecution"):
            return self.processes.start(given)
        assert resource.endswith(":lambda:invoke"), resource
        return {"Payload": self._invoke(given["Payload"])}

    def _describe_execution(self, given: dict[str, Any]) -> dict[str, Any]:
        if ":sluice-export_process:" in given["ExecutionArn"]:
            return self.processes.describe(given["ExecutionArn"])
        owner = next((each for each in self.stage.executions if each.arn == given["ExecutionArn"]), None)
        if owner is None or (owner.ended_at is not None and self.now > owner.ended_at + 90 * DAY):
            raise state_error("Sfn.ExecutionDoesNotExistException", "Execution Does Not Exist")
        return {"ExecutionArn": owner.arn, "Status": owner.status}

    def _invoke(self, payload: Any) -> Any:
        try:
            return self._plan(json.loads(compact_json(payload)), Context())
        except Exception as error:
            name, message = type(error).__name__, str(error)
            raise state_error(name, json.dumps({"errorMessage": message, "errorType": name})) from error


def _plan_export() -> Any:
    os.environ.setdefault("DATA_BUCKET", "sluice-data-000000000000-us-east-1")
    os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "sluice")
    os.environ.setdefault("RUN_TABLE", "runs-table")
    os.environ.setdefault("EXPORT_LEDGER_TABLE", "export-ledger")
    return import_module("plan_export.handler").lambda_handler


def definition_with(ledger_name: str) -> dict[str, Any]:
    """The state machine's definition as it is deployed."""
    filled = DEFINITION.read_text().replace("${ExportLedgerTable}", ledger_name)
    filled = filled.replace("${PlanExportFunction}", "plan_export").replace("${RunTable}", "budgets")
    parsed: dict[str, Any] = json.loads(filled.replace("${ExportProcessStateMachine}", PROCESS_MACHINE))
    return parsed


def _prefix(resource: str) -> str:
    prefixes = {
        "arn:${Partition}:states:::dynamodb": "DynamoDB",
        "arn:${Partition}:states:::aws-sdk:dynamodb": "DynamoDb",
        "arn:${Partition}:states:::aws-sdk:sfn": "Sfn",
        "arn:${Partition}:states:::states": "StepFunctions",
        "arn:${Partition}:states:::lambda": "Lambda",
    }
    return prefixes[resource.rpartition(":")[0]]


def _throttling(resource: str) -> str:
    return "TooManyRequestsException" if resource.endswith(":lambda:invoke") else "ThrottlingException"


def _snake(action: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in action)
