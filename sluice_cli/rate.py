"""What `sluice rate` does: shows a run's limits, and changes them while it runs."""

import json
from argparse import Namespace
from collections.abc import Mapping

from sluice_cli import run as runs
from sluice_cli.arguments import JSON
from sluice_cli.aws import Aws
from sluice_cli.exit_code import BadInputError, ExitCode
from sluice_cli.progress import RUNNING
from sluice_cli.run import Run
from sluice_cli.run_item import READS, WORKERS, WRITES, RunItem, read_item, set_limits
from sluice_cli.stack import describe_stack
from sluice_cli.surroundings import Surroundings
from sluice_cli.where import explaining, target_of


def rate(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Change the limits that are given, and print those that hold then."""
    requested = {READS: options.read_units, WRITES: options.write_units}
    limits = {name: units for name, units in requested.items() if units is not None}
    target = target_of(options, surroundings)
    with explaining(target):
        aws = surroundings.connect(target)
        stack = describe_stack(aws, options.stack_name)
        table, found = stack.run_table, runs.find(aws, stack, options.run)
        if limits:
            change_limits(aws, table, found, limits)
        item = read_limits(aws, table, found)
    if limits:
        surroundings.say(f"the workers of {found.workflow} {found.name} keep to it within seconds")
    if options.output == JSON:
        surroundings.print(json.dumps({name: item.numbers.get(name) for name in (READS, WRITES, WORKERS)}))
    else:
        surroundings.print("\n".join(limit_lines(item)))
    return ExitCode.SUCCEEDED


def read_limits(aws: Aws, table: str, run: Run) -> RunItem:
    """The run's item. Raises BadInputError when it has no limits."""
    item = read_item(aws, table, run)
    if item is None or not {READS, WRITES} & item.numbers.keys():
        raise _has_no_limits(run)
    return item


def change_limits(aws: Aws, table: str, run: Run, limits: Mapping[str, int]) -> None:
    """Set the limits. Raises BadInputError for a run that has ended, or has no limits."""
    status = aws.stepfunctions.describe_execution(executionArn=run.execution_arn)["status"]
    if status != RUNNING:
        raise BadInputError(f"{run.workflow} {run.name} has ended: {status}")
    if not set_limits(aws, table, run, limits):
        raise _has_no_limits(run)


def limit_lines(item: RunItem) -> list[str]:
    """The run's limits and workers, a line each."""
    numbers = item.numbers
    lines = [("reads", _limit(numbers.get(READS))), ("writes", _limit(numbers.get(WRITES)))]
    # A fraction while a worker that was killed is being counted out.
    lines.append(("workers", f"{max(0, round(numbers.get(WORKERS, 0))):,}"))
    return [f"{name:<8} {text}" for name, text in lines]


def _limit(units: float | None) -> str:
    return "no limit" if units is None else f"{units:,.10g} units per second"


def _has_no_limits(run: Run) -> BadInputError:
    return BadInputError(
        f"{run.workflow} {run.name} has no limits: it was started without maxReadUnitsPerSecond and "
        "maxWriteUnitsPerSecond, has not planned yet, or ended long ago"
    )
