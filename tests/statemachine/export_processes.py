"""The executions of export_process, in virtual time, and what must hold whenever one is started."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local_aws.stepfunctions.errors import state_error
from tests.statemachine.export_service import DAY, MINUTE, text
from tests.statemachine.export_stage import ACCOUNT

PROCESS_MACHINE = f"{ACCOUNT}:stateMachine:sluice-export_process"
METADATA_SECONDS = 90 * DAY
COUNTS = {"read": 7, "written": 6, "skipped": 1, "rejected": 0, "failed": 0}


@dataclass(frozen=True)
class ProcessOutcome:
    """How an execution of export_process ends, and after how long."""

    seconds: float = 2 * MINUTE
    end: str = "SUCCEEDED"
    # DescribeExecution is eventually consistent: for so long it does not know the execution.
    hidden_seconds: float = 0


@dataclass
class ProcessExecution:
    """One execution; `end` may be changed by somebody who stops or redrives it."""

    name: str
    given: dict[str, Any]
    start: float
    outcome: ProcessOutcome

    @property
    def export_arn(self) -> str:
        return str(self.given["export"])

    @property
    def end_time(self) -> float:
        return self.start + self.outcome.seconds

    def status(self, now: float) -> str:
        return self.outcome.end if now >= self.end_time else "RUNNING"

    def is_forgotten(self, now: float) -> bool:
        return now > self.end_time + METADATA_SECONDS


@dataclass
class Processes:
    """`queue` lists the exports of the queued windows in order; `outcomes` has what becomes of the next executions."""

    now: Callable[[], float]
    queue: Callable[[], list[str]]
    outcomes: deque[ProcessOutcome] = field(default_factory=deque)
    usual: ProcessOutcome = ProcessOutcome()
    refusal: str | None = None
    executions: dict[str, ProcessExecution] = field(default_factory=dict)

    @property
    def started(self) -> dict[str, dict[str, Any]]:
        """The inputs by the executions' names."""
        return {name: each.given for name, each in self.executions.items()}

    def start(self, given: dict[str, Any]) -> dict[str, Any]:
        """StartExecution: the same name and input find an execution that runs; a name that has ended is taken."""
        name = given["Name"]
        assert given["StateMachineArn"] == PROCESS_MACHINE
        assert 1 <= len(name) <= 80
        if self.refusal is not None:
            raise state_error(self.refusal, "refused")
        known = self.executions.get(name)
        if known is None or known.is_forgotten(self.now()):
            self._check_turn(given["Input"]["export"])
            outcome = self.outcomes.popleft() if self.outcomes else self.usual
            self.executions[name] = ProcessExecution(name, given["Input"], self.now(), outcome)
        elif known.status(self.now()) != "RUNNING" or known.given != given["Input"]:
            raise state_error("StepFunctions.ExecutionAlreadyExistsException", f"Execution Already Exists: '{name}'")
        return {"ExecutionArn": f"{ACCOUNT}:execution:sluice-export_process:{name}"}

    def describe(self, arn: str) -> dict[str, Any]:
        """DescribeExecution, as the aws-sdk integration answers it."""
        found = self.executions.get(arn.rpartition(":")[2])
        now = self.now()
        if found is None or found.is_forgotten(now) or now < found.start + found.outcome.hidden_seconds:
            raise state_error("Sfn.ExecutionDoesNotExistException", "Execution Does Not Exist")
        status = found.status(now)
        reported = {
            "ExecutionArn": arn,
            "Status": status,
            "Input": json.dumps(found.given),
            "StartDate": text(found.start),
        }
        if status == "SUCCEEDED":
            reported["Output"] = json.dumps({"status": "COMPLETE", "counts": COUNTS})
        if status == "FAILED":
            reported |= {"Error": "FilesFailedError", "Cause": 'the transform raised "KeyError"'}
        return reported

    def of_export(self, export_arn: str) -> list[ProcessExecution]:
        """Those that were given this export, the first one first."""
        return [each for each in self.executions.values() if each.export_arn == export_arn]

    def is_processed(self, export_arn: str) -> bool:
        """Whether one of them has succeeded."""
        return any(each.status(self.now()) == "SUCCEEDED" for each in self.of_export(export_arn))

    def _check_turn(self, export_arn: str) -> None:
        """One at a time, in the order of the windows, and none that is processed already."""
        now, queue = self.now(), self.queue()
        known = [each for each in self.executions.values() if not each.is_forgotten(now)]
        assert not [each for each in known if each.status(now) == "RUNNING"], "two at a time"
        assert export_arn in queue, "the watermark does not cover the window yet"
        assert all(self.is_processed(each) for each in queue[: queue.index(export_arn)]), "an earlier window is missing"
        again = [each for each in known if each.export_arn == export_arn and each.status(now) == "SUCCEEDED"]
        assert not again, "the window is processed already"
