"""What is deployed: the stack's outputs, and the workflows that they name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from sluice_cli.aws import Aws, error_code
from sluice_cli.exit_code import NotDeployedError
from sluice_cli.guesses import guess
from sluice_cli.run_item import RUN_TABLE

STATE_MACHINE_SUFFIX = "StateMachineArn"
DATA_BUCKET = "DataBucket"
EXPORT_LEDGER_TABLE = "ExportLedgerTable"
SLUICE_OUTPUTS = frozenset({DATA_BUCKET, "CsvLoadStateMachineArn"})


@dataclass(frozen=True)
class Stack:
    """A deployed stack: output key to value, parameter key to value, and AWS's time when it was described."""

    name: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str] = field(default_factory=dict)
    described_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def workflows(self) -> dict[str, str]:
        """State machine ARN by workflow name, sorted by name."""
        arns = {
            _snake_case(key.removesuffix(STATE_MACHINE_SUFFIX)): arn
            for key, arn in self.outputs.items()
            if key.endswith(STATE_MACHINE_SUFFIX)
        }
        return dict(sorted(arns.items()))

    def state_machine_arn(self, workflow: str) -> str:
        """Raises NotDeployedError, which lists the workflows there are."""
        try:
            return self.workflows[workflow]
        except KeyError:
            known = ", ".join(self.workflows) or "none"
            raise NotDeployedError(
                f"stack {self.name} has no workflow named {workflow}; it has: {known}{guess(workflow, self.workflows)}"
            ) from None

    @property
    def export_ledger(self) -> str:
        """The name of the ledger of table_export. Raises NotDeployedError when the stack has none."""
        return self._table(EXPORT_LEDGER_TABLE, "table_export")

    @property
    def run_table(self) -> str:
        """The name of the table of runs. Raises NotDeployedError when the stack has none."""
        return self._table(RUN_TABLE, "this command")

    def _table(self, output: str, workflow: str) -> str:
        try:
            return self.outputs[output]
        except KeyError:
            raise NotDeployedError(
                f"stack {self.name} has no output {output}: what is deployed is older than {workflow}"
            ) from None


def describe_stack(aws: Aws, name: str) -> Stack:
    """Read the stack's outputs. Raises NotDeployedError, which names the stacks that there are, if this one is none."""
    try:
        answer = aws.cloudformation.describe_stacks(StackName=name)
    except ClientError as error:
        if error_code(error) == "ValidationError" and "does not exist" in str(error):
            raise _not_deployed(name, aws) from error
        raise
    stacks = answer["Stacks"]
    if not stacks:
        raise _not_deployed(name, aws)
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}
    if not outputs:
        raise NotDeployedError(f"stack {name} on {aws} has no outputs: it is {stacks[0]['StackStatus']}")
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in stacks[0].get("Parameters", [])}
    return Stack(name, outputs, parameters, _time_of(answer))


def _time_of(answer: Mapping[str, Any]) -> datetime:
    """AWS's clock, which leases and windows go by; the laptop's may be wrong."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(date) if date else datetime.now(UTC)


def _not_deployed(name: str, aws: Aws) -> NotDeployedError:
    how = (
        "deploy it with `sluice local deploy`"
        if aws.target.local
        else "deploy it with `sam build && sam deploy`, or add --local to use the one on local AWS"
    )
    others = _sluice_stacks(aws)
    if others:
        how = f"name one with --stack-name: {', '.join(others)}"
    return NotDeployedError(f"there is no stack named {name} on {aws}; {how}")


def _sluice_stacks(aws: Aws) -> list[str]:
    """The stacks that have what a stack of Sluice has; none if the user may not see them."""
    try:
        pages = aws.cloudformation.get_paginator("describe_stacks").paginate()
        stacks = [stack for page in pages for stack in page["Stacks"]]
    except ClientError:
        return []
    return sorted(
        each["StackName"]
        for each in stacks
        if {output["OutputKey"] for output in each.get("Outputs", [])} >= SLUICE_OUTPUTS
    )


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
