"""Continuing a run that ended early: whether it can be done, and with which input."""

import json
from typing import TYPE_CHECKING, Any

from sluice_cli.aws import Aws
from sluice_cli.exit_code import BadInputError
from sluice_cli.run import Run
from sluice_cli.watch import NOT_ENDED, Ended

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

RESUMABLE = frozenset({"csv_load", "export_process", "object_map", "table_transform"})


def input_going_on(aws: Aws, run: Run, stop_command: str) -> dict[str, Any]:
    """The input of a run that continues this one. Raises BadInputError when none can, or none is needed."""
    if run.workflow not in RESUMABLE:
        raise BadInputError(
            f"{run.name} is a run of {run.workflow}, and only {', '.join(sorted(RESUMABLE))} can be resumed; "
            "start it again with the same input"
        )
    description = aws.stepfunctions.describe_execution(executionArn=run.execution_arn)
    _check_end(description, run, stop_command)
    document = json.loads(description["input"])
    if not isinstance(document, dict):
        raise BadInputError(f"the input of {run.name} is not an object; no run can continue it")
    return document | {"resume": {"run": run.name}}


def _check_end(description: "DescribeExecutionOutputTypeDef", run: Run, stop_command: str) -> None:
    if description["status"] in NOT_ENDED:
        raise BadInputError(f"{run.name} has not ended; stop it first: {stop_command}")
    ended = Ended.from_description(description)
    if ended.status == "SUCCEEDED" and json.loads(ended.output).get("status") == "COMPLETE":
        raise BadInputError(f"{run.name} is complete; there is nothing to resume")
