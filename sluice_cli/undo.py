"""Undoing a run of table_transform: whether it can be done, and with which input."""

from typing import Any

from sluice_cli.aws import Aws
from sluice_cli.exit_code import BadInputError
from sluice_cli.run import Run
from sluice_cli.watch import NOT_ENDED

UNDOABLE = "table_transform"


def input_undoing(aws: Aws, run: Run, stop_command: str, *, applies: bool) -> dict[str, Any]:
    """The input of a run that takes this one back. Raises BadInputError when none can."""
    if run.workflow != UNDOABLE:
        raise BadInputError(f"{run.name} is a run of {run.workflow}, and only runs of {UNDOABLE} can be undone")
    status = aws.stepfunctions.describe_execution(executionArn=run.execution_arn)["status"]
    if status in NOT_ENDED:
        raise BadInputError(f"{run.name} has not ended; stop it first: {stop_command}")
    return {"undo": {"run": run.name}, "mode": "apply" if applies else "dryRun"}
