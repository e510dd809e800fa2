"""Step Functions: state machines, executions and Map Runs. What was running cannot continue: it has failed."""

from collections.abc import Iterator
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as service

from local_aws.saved_state.bodies import LoadedBodies, SavedBodies
from local_aws.saved_state.stores import chunks, fill_stores, stores_of
from local_aws.stepfunctions.errors import RUNTIME
from local_aws.stepfunctions.machine_deletion import DELETING
from local_aws.stepfunctions.scope import History, Record

# Callbacks that running executions wait for.
PASSING = ("_activity_tasks", "_sfn_mock_config", "_task_tokens")
CAUSE = "Local AWS ended while the execution was running."


def records(_bodies: SavedBodies) -> Iterator[tuple[str, Any]]:
    """All stores, the executions in parts."""
    yield "stores", stores_of(service, besides=("_executions", *PASSING))
    for part in chunks(service._executions._data):
        yield "stores", {"_executions": part}


def restore(_kind: str, content: Any, _bodies: LoadedBodies) -> None:
    """Put stores back."""
    fill_stores(service, content)


def finish() -> None:
    """End what was running, and delete the state machines that waited for it."""
    for execution in service._executions.all_values():
        if execution["status"] == "RUNNING":
            _fail(execution)
    for map_run in service._map_runs.all_values():
        if map_run["status"] == "RUNNING":
            map_run.update(status="ABORTED", stopDate=now_iso())
    machines = service._state_machines._data
    for scope in [scope for scope, machine in machines.items() if machine["status"] == DELETING]:
        del machines[scope]


def _fail(execution: Record) -> None:
    reason = {"error": RUNTIME, "cause": CAUSE}
    if "events" in execution:
        History(execution["events"]).add("ExecutionFailed", **reason)
    execution.update(reason, status="FAILED", stopDate=now_iso())
