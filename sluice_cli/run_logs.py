"""`sluice logs RUN`: what the stack's functions and state machines logged about a run, in the order of time."""

import json
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sluice_cli import run as runs
from sluice_cli.arguments import JSON
from sluice_cli.aws import Aws
from sluice_cli.exit_code import ExitCode
from sluice_cli.run import Run
from sluice_cli.stack import describe_stack
from sluice_cli.surroundings import Surroundings
from sluice_cli.where import explaining, target_of

LOG_GROUP = "AWS::Logs::LogGroup"
# Clocks differ, and the last lines of a run come after its end.
MARGIN = timedelta(minutes=5)
# Of Lambda's JSON lines: what is shown apart from the rest, and what says nothing about the run.
SHOWN_APART = frozenset({"level", "message", "timestamp", "run", "exception"})
HIDDEN = frozenset({"location", "service", "sampling_rate", "xray_trace_id", "exception_name", "stack_trace"})


@dataclass(frozen=True, order=True)
class LogLine:
    """`timestamp` in milliseconds; `group` is the log group's name."""

    timestamp: int
    group: str
    message: str

    def text(self) -> str:
        """`12:00:01.250 plan_load INFO planned rows=5`, or the line as it is."""
        at = datetime.fromtimestamp(self.timestamp / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
        return f"{at} {self.group.rpartition('/')[2]} {_readable(self.message.rstrip())}"

    def to_json(self) -> dict[str, Any]:
        """The line as CloudWatch Logs has it."""
        return {"timestamp": self.timestamp, "logGroup": self.group, "message": self.message}


def show_logs(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Print the lines that name the run."""
    target = target_of(options, surroundings)
    with explaining(target):
        aws = surroundings.connect(target)
        stack = describe_stack(aws, options.stack_name)
        run = runs.find(aws, stack, options.run)
        begin, end = _window(aws, run)
        lines = sorted(line for group in _groups(aws, stack.name) for line in _lines(aws, group, run, begin, end))
    for line in islice(lines, options.limit):
        surroundings.print(json.dumps(line.to_json(), ensure_ascii=False) if options.output == JSON else line.text())
    if not lines:
        surroundings.say(f"no log line names {run.name}; lines arrive within seconds, and are kept for a limited time")
    elif len(lines) > options.limit:
        surroundings.say(f"{len(lines) - options.limit:,} more lines; --limit {len(lines)} shows all")
    return ExitCode.SUCCEEDED


def _window(aws: Aws, run: Run) -> tuple[datetime, datetime]:
    found = aws.stepfunctions.describe_execution(executionArn=run.execution_arn)
    return found["startDate"] - MARGIN, found.get("stopDate", datetime.now(UTC)) + MARGIN


def _groups(aws: Aws, stack: str) -> list[str]:
    pages = aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    resources = [each for page in pages for each in page["StackResourceSummaries"]]
    return [each["PhysicalResourceId"] for each in resources if each["ResourceType"] == LOG_GROUP]


def _lines(aws: Aws, group: str, run: Run, begin: datetime, end: datetime) -> Iterator[LogLine]:
    pages = (
        aws.logs()
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=group,
            startTime=int(begin.timestamp() * 1000),
            endTime=int(end.timestamp() * 1000),
            filterPattern=f'"{run.name}"',
        )
    )
    return (LogLine(each["timestamp"], group, each["message"]) for page in pages for each in page["events"])


def _readable(message: str) -> str:
    """A line of JSON as level, message and fields."""
    try:
        line = json.loads(message)
    except ValueError:
        return message
    if not isinstance(line, dict) or "message" not in line:
        return message
    fields = [
        f"{name}={value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)}"
        for name, value in line.items()
        if name not in SHOWN_APART | HIDDEN and not name.startswith("function_") and name != "cold_start"
    ]
    parts = [str(line.get("level", "")), str(line["message"]), *fields]
    exception = line.get("exception")
    return " ".join(filter(None, parts)) + (f"\n{exception}" if exception else "")
