"""table_transform, in place and into another table."""

from __future__ import annotations

from typing import Any

from tests.local.deployed import Deployed
from tests.permissions.exercises.runs import call, event_of, run, update


def _table(stack: Deployed, items: int = 1) -> str:
    table = stack.new_table()
    stack.put_items(table, [{"id": {"S": str(number)}} for number in range(items)])
    return table


def _document(stack: Deployed, **fields: Any) -> dict[str, Any]:
    return {"table": _table(stack), "mapping": {"state": "seen"}, "segments": 1, **fields}


def _apply(stack: Deployed, **fields: Any) -> dict[str, Any]:
    return _document(stack, mode="apply", withoutBackup=True, **fields)


def _with_backup(stack: Deployed) -> dict[str, Any]:
    return _document(stack, mode="apply")


def _filtered(stack: Deployed) -> dict[str, Any]:
    """PlanTransform reads an item with the filter, to have DynamoDB check it."""
    return _document(stack, where={"expression": "id < :id", "values": {":id": {"S": "5"}}})


def _into(stack: Deployed, **fields: Any) -> dict[str, Any]:
    return _apply(stack, target=stack.new_table(), mapping={"id": "{id}", "state": "seen"}, **fields)


def _resumed(stack: Deployed) -> dict[str, Any]:
    document = _apply(stack)
    return {**document, "resume": {"run": stack.run("table_transform", document).name}}


def _undone(stack: Deployed) -> dict[str, Any]:
    """An undo reads the items that it takes back."""
    return {"undo": {"run": stack.run("table_transform", _apply(stack)).name}, "mode": "apply"}


def _differing(stack: Deployed) -> dict[str, Any]:
    """A verification of items that somebody has changed after the run."""
    document = _apply(stack, verify={"sample": 10})
    event = event_of(stack, "VerifySample", "table_transform", document)
    stack.put_items(document["table"], [{"id": {"S": "0"}, "state": {"S": "wrong"}}])
    return event


def _failed_map_run(stack: Deployed) -> dict[str, Any]:
    """The summary of a run, as if its Map Run had failed."""
    error = {"name": "States.ExceedToleratedFailureThreshold", "message": "The specified threshold was exceeded."}
    event = event_of(stack, "SummarizeTransform", "table_transform", _document(stack))
    return event | {"mapRun": None, "error": error}


EXERCISES = (
    update("table_transform"),
    run("table_transform", _document),
    run("table_transform", _filtered),
    run("table_transform", _with_backup),
    run("table_transform", _apply),
    run("table_transform", lambda stack: _apply(stack, maxWriteUnitsPerSecond=1_000)),
    run("table_transform", lambda stack: _apply(stack, verify={"sample": 10}, maxReadUnitsPerSecond=1_000)),
    run("table_transform", _into),
    run("table_transform", lambda stack: _into(stack, onConflict="keep")),
    run("table_transform", lambda stack: _into(stack, deleteSource=True)),
    run("table_transform", _resumed),
    run("table_transform", _undone),
    call("VerifySample", _differing),
    call("SummarizeTransform", _failed_map_run),
)
