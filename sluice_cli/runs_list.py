"""`sluice runs`: the newest runs of the stack's workflows."""

import json
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from sluice_cli.arguments import JSON
from sluice_cli.aws import Aws
from sluice_cli.exit_code import ExitCode
from sluice_cli.load.view import table_lines
from sluice_cli.progress import duration_text
from sluice_cli.run import Run
from sluice_cli.run_item import RUN_TABLE, read_item
from sluice_cli.stack import Stack, describe_stack
from sluice_cli.surroundings import Surroundings
from sluice_cli.where import explaining, target_of

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import ExecutionListItemTypeDef

TITLES = ("run", "workflow", "status", "rows", "age")
SECONDS_PER_DAY = 86_400
PAGE_MAX = 1_000


@dataclass(frozen=True)
class ListedRun:
    """A run as Step Functions lists it. `rows`: those that it has read, if its item says so."""

    run: Run
    status: str
    started: datetime
    rows: int | None

    def cells(self, now: datetime) -> tuple[str, ...]:
        """The run's line."""
        rows = "" if self.rows is None else f"{self.rows:,}"
        return (self.run.name, self.run.workflow, self.status, rows, age_text((now - self.started).total_seconds()))

    def to_json(self) -> dict[str, Any]:
        """The run with the names that its summary has."""
        return {
            "execution": self.run.name,
            "workflow": self.run.workflow,
            "status": self.status,
            "started": self.started.isoformat(),
            "rows": self.rows,
        }


def list_runs(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Print the newest runs, of all workflows or of one."""
    target = target_of(options, surroundings)
    with explaining(target):
        aws = surroundings.connect(target)
        stack = describe_stack(aws, options.stack_name)
        workflows = [options.workflow] if options.workflow else list(stack.workflows)
        newest = _newest(aws, stack, workflows, options.limit)
        listed = [_listed(aws, stack, run, found) for run, found in newest]
    if options.output == JSON:
        surroundings.print(json.dumps([each.to_json() for each in listed], indent=2))
    elif listed:
        surroundings.print("\n".join(table_lines([TITLES, *(each.cells(stack.described_at) for each in listed)])))
    else:
        surroundings.say(f"stack {stack.name} has no runs yet")
    return ExitCode.SUCCEEDED


def age_text(seconds: float) -> str:
    """`8 s`, `2 min 5 s`, `3 h 20 min`, `4 days`."""
    if seconds < 2 * SECONDS_PER_DAY:
        return duration_text(max(0, seconds))
    return f"{seconds // SECONDS_PER_DAY:,.0f} days"


def _newest(aws: Aws, stack: Stack, workflows: list[str], limit: int) -> list[tuple[Run, "ExecutionListItemTypeDef"]]:
    runs = [
        (Run(workflow, found["name"], found["executionArn"]), found)
        for workflow in workflows
        for found in islice(_executions(aws, stack.state_machine_arn(workflow), limit), limit)
    ]
    return sorted(runs, key=lambda each: each[1]["startDate"], reverse=True)[:limit]


def _executions(aws: Aws, state_machine_arn: str, limit: int) -> Iterator["ExecutionListItemTypeDef"]:
    """Newest first, as Step Functions lists them."""
    pages = aws.stepfunctions.get_paginator("list_executions").paginate(
        stateMachineArn=state_machine_arn, PaginationConfig={"PageSize": min(limit, PAGE_MAX)}
    )
    return (found for page in pages for found in page["executions"])


def _listed(aws: Aws, stack: Stack, run: Run, found: "ExecutionListItemTypeDef") -> ListedRun:
    table = stack.outputs.get(RUN_TABLE)
    item = None if table is None else read_item(aws, table, run)
    return ListedRun(run, found["status"], found["startDate"], item.rows if item else None)
