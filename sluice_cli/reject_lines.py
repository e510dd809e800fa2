"""`sluice rejects RUN`: the rows that a run has rejected, with their reasons."""

import json
from argparse import Namespace
from collections.abc import Iterator
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from sluice_cli import run as runs
from sluice_cli.arguments import JSON
from sluice_cli.aws import Aws, error_code
from sluice_cli.exit_code import BadInputError, ExitCode
from sluice_cli.guesses import guess
from sluice_cli.report import stored_summary
from sluice_cli.run import Run
from sluice_cli.stack import describe_stack
from sluice_cli.stored_lines import first_lines
from sluice_cli.surroundings import Surroundings
from sluice_cli.where import command_line, explaining, target_of

RECORD_CHARACTERS = 200
REJECTS_SHOWN = 3
UNKNOWN_OBJECT = frozenset({"404", "NoSuchKey"})


def show_rejects(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Print rejects: where the row is and why, and the row itself; with --output json the lines of the file."""
    target = target_of(options, surroundings)
    with explaining(target):
        aws = surroundings.connect(target)
        stack = describe_stack(aws, options.stack_name)
        run = runs.find(aws, stack, options.run)
        summary = stored_summary(aws, stack, run)
        if summary is None:
            raise BadInputError(_no_summary(aws, run, command_line(options, "watch", run.name)))
        rejects = summary.get("rejects")
        if not rejects:
            surroundings.say(f"{run.workflow} {run.name} rejected nothing")
            return ExitCode.SUCCEEDED
        _check_reason(options.reason, rejects["reasons"])
        bucket, key = summary["results"]["bucket"], rejects["key"]
        shown = 0
        for line in islice(_lines(aws, bucket, key, options.reason), options.limit):
            shown += 1
            for text in [line.decode()] if options.output == JSON else reject_lines(json.loads(line)):
                surroundings.print(text)
    total = rejects["reasons"].get(options.reason) if options.reason else sum(rejects["reasons"].values())
    if shown < total:
        surroundings.say(f"{total - shown:,} more in s3://{bucket}/{key}; --limit {total} shows all")
    return ExitCode.SUCCEEDED


def first_rejects(aws: Aws, summary: dict[str, Any]) -> list[str]:
    """The first rejects of a run with this summary; none if it has none, or they may not be read."""
    rejects = summary.get("rejects")
    if not rejects:
        return []
    lines = first_lines(aws, summary["results"]["bucket"], rejects["key"])[:REJECTS_SHOWN]
    return ["", *(text for line in lines for text in reject_lines(json.loads(line)))]


def reject_lines(reject: dict[str, Any]) -> list[str]:
    """One reject: `row 7 of FILE: RowRagged: message`, and below it the record."""
    where = f"row {reject['row']}" if "row" in reject else json.dumps(reject.get("key"), ensure_ascii=False)
    if "file" in reject:
        where += f" of {reject['file']}"
    record = json.dumps(reject.get("record"), ensure_ascii=False)
    if len(record) > RECORD_CHARACTERS:
        record = record[:RECORD_CHARACTERS] + "..."
    return [f"{where}: {reject['error']}: {reject['message']}", f"  {record}"]


def _lines(aws: Aws, bucket: str, key: str, reason: str | None) -> Iterator[bytes]:
    try:
        body = aws.s3.get_object(Bucket=bucket, Key=key)["Body"]
    except ClientError as error:
        if error_code(error) in UNKNOWN_OBJECT:
            raise BadInputError(f"s3://{bucket}/{key} is missing: results are kept for a limited time") from error
        raise
    return (line for line in body.iter_lines() if reason is None or json.loads(line)["error"] == reason)


def _check_reason(reason: str | None, reasons: dict[str, int]) -> None:
    if reason is not None and reason not in reasons:
        raise BadInputError(f"--reason {reason}: the reasons are {', '.join(sorted(reasons))}{guess(reason, reasons)}")


def _no_summary(aws: Aws, run: Run, watch_command: str) -> str:
    if runs.running_input(aws, run) is not None:
        return f"{run.workflow} {run.name} has not ended; its rejects are collected at its end: {watch_command}"
    return f"{run.workflow} {run.name} has left no summary, or you may not read it"
