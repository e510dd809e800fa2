"""What `sluice rate` does: shows a run's limits, and changes them while it runs."""

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from sluice_cli import run as runs
from sluice_cli.aws import Aws, error_code
from sluice_cli.exit_code import BadInputError, ExitCode
from sluice_cli.progress import RUNNING
from sluice_cli.run import Run
from sluice_cli.stack import describe_stack
from sluice_cli.surroundings import Surroundings
from sluice_cli.where import explaining, place_of

READS, WRITES, WORKERS = "readUnitsPerSecond", "writeUnitsPerSecond", "workers"


def rate(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Change the limits that are given, and print what they are then."""
    asked = {READS: options.read_units, WRITES: options.write_units}
    limits = {name: units for name, units in asked.items() if units is not None}
    place = place_of(options, surroundings)
    with explaining(place):
        aws = surroundings.connect(place)
        stack = describe_stack(aws, options.stack_name)
        table, found = stack.run_table, runs.find(aws, stack, options.run)
        item = change_limits(aws, table, found, limits) if limits else read_limits(aws, table, found)
    if limits:
        surroundings.say(f"the workers of {found.workflow} {found.name} keep to it within seconds")
    surroundings.print("\n".join(limit_lines(item)))
    return ExitCode.SUCCEEDED


def read_limits(aws: Aws, table: str, run: Run) -> Mapping[str, Any]:
    """The run's item. Raises BadInputError when it has none."""
    answer = aws.dynamodb.get_item(TableName=table, Key=_key(run), ConsistentRead=True)
    if "Item" not in answer:
        raise _has_no_limits(run)
    return answer["Item"]


def change_limits(aws: Aws, table: str, run: Run, limits: Mapping[str, int]) -> Mapping[str, Any]:
    """Set the limits, and return the item. Raises BadInputError for a run that has ended, or has no limits."""
    status = aws.stepfunctions.describe_execution(executionArn=run.execution_arn)["status"]
    if status != RUNNING:
        raise BadInputError(f"{run.workflow} {run.name} has ended: {status}")
    try:
        answer = aws.dynamodb.update_item(
            TableName=table,
            Key=_key(run),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in limits),
            ConditionExpression="attribute_exists(#run)",
            ExpressionAttributeNames={"#run": "run"} | {f"#{name}": name for name in limits},
            ExpressionAttributeValues={f":{name}": {"N": str(units)} for name, units in limits.items()},
            ReturnValues="ALL_NEW",
        )
    except ClientError as error:
        if error_code(error) == "ConditionalCheckFailedException":
            raise _has_no_limits(run) from error
        raise
    return answer["Attributes"]


def limit_lines(item: Mapping[str, Any]) -> list[str]:
    """The run's limits and workers, a line each."""
    numbers = {name: float(value["N"]) for name, value in item.items() if "N" in value}
    lines = [("reads", _limit(numbers.get(READS))), ("writes", _limit(numbers.get(WRITES)))]
    # A fraction while a worker that was killed is being counted out.
    lines.append(("workers", f"{max(0, round(numbers.get(WORKERS, 0))):,}"))
    return [f"{name:<8} {text}" for name, text in lines]


def _limit(units: float | None) -> str:
    return "no limit" if units is None else f"{units:,.10g} units per second"


def _key(run: Run) -> dict[str, Any]:
    return {"run": {"S": f"{run.workflow}/{run.name}"}}


def _has_no_limits(run: Run) -> BadInputError:
    return BadInputError(
        f"{run.workflow} {run.name} has no limits: it was started without maxReadUnitsPerSecond and "
        "maxWriteUnitsPerSecond, has not planned yet, or ended long ago"
    )
