"""The children of a Map Run: a bounded number at a time, each an execution of its own."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import new_uuid, now_iso

from local_aws.stepfunctions.distributed_map.batches import ChildInput
from local_aws.stepfunctions.distributed_map.map_run import MapRun
from local_aws.stepfunctions.distributed_map.workers import Workers
from local_aws.stepfunctions.errors import StateError, check_child_input
from local_aws.stepfunctions.executions import EXPRESS_SECONDS, run_child
from local_aws.stepfunctions.instant import is_instant
from local_aws.stepfunctions.scope import History, NoHistory, Record, Run, Scope, compact_json

# AWS runs up to 10,000 children at a time; here each holds a thread of the server.
MOST_THREADS = 200
THREADS_BY_DEFAULT = 40
THREADS_FOR_INSTANT_CHILDREN = 2


@dataclass
class Children:
    """Runs a Map Run's children. `ended` is called with the number of each child that ended."""

    map_run: MapRun
    processor: Record
    scope: Scope
    ended: Callable[[int, Record], None]

    def __post_init__(self) -> None:
        self._is_express = self.processor["ProcessorConfig"].get("ExecutionType") == "EXPRESS"
        self._is_instant = is_instant(self.processor)
        self._never_stopped = threading.Event()
        self._machine = {
            "Id": self.map_run.identity.state_machine_arn,
            "Name": self.map_run.identity.state_machine_arn.rpartition(":")[2],
        }

    def run_all(self, inputs: Iterator[ChildInput], is_over: Callable[[], bool]) -> ChildInput | None:
        """Run children until the inputs are used up or it is over; those that run are waited for.

        Returns the input that was taken but not started, if it was over before the end.
        """
        workers: Workers[tuple[int, ChildInput]] = Workers(self._run, self._concurrency)
        try:
            for task in enumerate(inputs):
                while not (workers.wait_for_idle() or workers.has_failed() or is_over()):
                    pass
                if workers.has_failed() or is_over():
                    return task[1]
                workers.submit(task)
        finally:
            workers.finish()
        return None

    def _concurrency(self) -> int:
        most = THREADS_FOR_INSTANT_CHILDREN if self._is_instant else MOST_THREADS
        return min(self.map_run.record["maxConcurrency"] or THREADS_BY_DEFAULT, most)

    def _run(self, task: tuple[int, ChildInput]) -> None:
        number, given = task
        child = self._record(given)
        self.map_run.child_started(child)
        status, result = self._outcome(child, given)
        child["stopDate"] = now_iso()
        if status == "SUCCEEDED":
            child["output"] = compact_json(result)
        else:
            child.update({k: v for k, v in (("error", result.error), ("cause", result.cause)) if v is not None})
        child["status"] = status
        self.ended(number, child)
        self.map_run.child_ended(child)

    def _outcome(self, child: Record, given: ChildInput) -> tuple[str, Any]:
        too_large = check_child_input(given.text)
        if too_large is not None:
            return "FAILED", too_large
        run = self._new_run(child, json.loads(given.text))
        run.history.add("ExecutionStarted", input=given.text, roleArn=run.role_arn)
        try:
            status, result = run_child(
                run, self.processor, run.context["Execution"]["Input"], self.scope.query_language
            )
        except Exception as error:  # noqa: BLE001  (a child fails, not the Map Run)
            return "FAILED", StateError("States.Runtime", f"{type(error).__name__}: {error}")
        event = {"SUCCEEDED": "Succeeded", "ABORTED": "Aborted"}.get(status, "Failed")
        run.history.add(f"Execution{event}")
        return status, result

    def _record(self, given: ChildInput) -> Record:
        name = new_uuid()
        arn = self.map_run.identity.child_arn(name, is_express=self._is_express)
        return {
            "executionArn": arn,
            "stateMachineArn": self.map_run.identity.state_machine_arn,
            "name": ":".join(arn.split(":")[7:]) if self._is_express else name,
            "status": "RUNNING",
            "startDate": now_iso(),
            "stopDate": None,
            "input": given.text,
            "inputDetails": {"included": True},
            "output": None,
            "outputDetails": {"included": True},
            "mapRunArn": self.map_run.identity.map_run_arn,
            "itemCount": given.item_count,
            "events": [],
        }

    def _new_run(self, child: Record, data: Any) -> Run:
        """An EXPRESS child cannot be stopped and has five minutes; a STANDARD one stops with its parent."""
        role_arn = self.scope.run.role_arn
        execution = {
            "Id": child["executionArn"],
            "Input": data,
            "StartTime": child["startDate"],
            "Name": child["name"].split(":")[0],
            "RoleArn": role_arn,
            "RedriveCount": 0,
        }
        return Run(
            record=child,
            context={"Execution": execution, "StateMachine": self._machine},
            history=NoHistory() if self._is_express else History(child["events"]),
            stopped=self._never_stopped if self._is_express else self.scope.run.stopped,
            deadline=time.monotonic() + EXPRESS_SECONDS if self._is_express else None,
            role_arn=role_arn,
        )
