"""Starting, finding and stopping runs: executions of the stack's state machines."""

import json
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sluice_cli.aws import Aws, error_code, explained
from sluice_cli.exit_code import BadInputError
from sluice_cli.progress import RUNNING
from sluice_cli.stack import Stack

# Narrower than what Step Functions takes: the name is part of S3 keys and of the hints' command lines.
EXECUTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
REFUSED = frozenset({"ExecutionAlreadyExists", "InvalidExecutionInput", "InvalidName", "ValidationException"})
# The error of a run that was stopped.
STOPPED = "StoppedError"
UNKNOWN_EXECUTION = "ExecutionDoesNotExist"


@dataclass(frozen=True)
class Run:
    """One execution of a workflow."""

    workflow: str
    name: str
    execution_arn: str


def new_name(now: datetime) -> str:
    """A name that sorts by time and is not given twice."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def check_name(name: str) -> str:
    """Raises BadInputError for a name that no execution may have."""
    if not EXECUTION_NAME.fullmatch(name):
        raise BadInputError(f"--name {name or '(empty)'}: expected 1 to 80 letters, digits, hyphens and underscores")
    return name


def planned_run(stack: Stack, workflow: str, name: str) -> Run:
    """The run as it will be known once it is started. Raises NotDeployedError for an unknown workflow."""
    return Run(workflow, name, execution_arn(stack.state_machine_arn(workflow), name))


def start(aws: Aws, stack: Stack, run: Run, document: dict[str, Any]) -> None:
    """Start the execution. Raises BadInputError for a name or input that is refused, else CommandError."""
    try:
        aws.stepfunctions.start_execution(
            stateMachineArn=stack.state_machine_arn(run.workflow),
            name=run.name,
            input=json.dumps(document, ensure_ascii=False),
        )
    except (BotoCoreError, ClientError) as error:
        if isinstance(error, ClientError) and error_code(error) in REFUSED:
            raise BadInputError(f"Step Functions refused the run: {error}") from error
        raise explained(error, aws.target) from error


def find(aws: Aws, stack: Stack, name_or_arn: str) -> Run:
    """The run of that name among the stack's workflows. Raises BadInputError when there is none."""
    for workflow, state_machine_arn in stack.workflows.items():
        arn = execution_arn(state_machine_arn, name_or_arn.rpartition(":")[2])
        if name_or_arn in (arn, arn.rpartition(":")[2]) and _exists(aws, arn):
            return Run(workflow, arn.rpartition(":")[2], arn)
    raise BadInputError(f"stack {stack.name} has no run named {name_or_arn}")


def running_input(aws: Aws, run: Run) -> Any:
    """The input of an execution that has not ended; None when it has."""
    found = aws.stepfunctions.describe_execution(executionArn=run.execution_arn)
    return json.loads(found.get("input", "{}")) if found["status"] == RUNNING else None


def abort(aws: Aws, run: Run) -> None:
    """Stop the execution itself: nothing of it begins any more, and it leaves no summary."""
    aws.stepfunctions.stop_execution(executionArn=run.execution_arn, error=STOPPED, cause="sluice stop")


def execution_arn(state_machine_arn: str, name: str) -> str:
    """The ARN of the state machine's execution of that name."""
    return f"{state_machine_arn.replace(':stateMachine:', ':execution:', 1)}:{name}"


def _exists(aws: Aws, arn: str) -> bool:
    try:
        aws.stepfunctions.describe_execution(executionArn=arn)
    except ClientError as error:
        if error_code(error) in (UNKNOWN_EXECUTION, "InvalidArn", "ValidationException"):
            return False
        raise
    return True
