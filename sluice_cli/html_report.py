"""What `sluice report` does: makes the page about a run, also of a run that died."""

import json
import webbrowser
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sluice.report.facts import ItemFacts, RunFacts, read_facts
from sluice.report.page import render
from sluice.runs.paths import Run as RunPaths
from sluice_cli import run as runs
from sluice_cli.aws import Aws
from sluice_cli.exit_code import CommandError, ExitCode
from sluice_cli.export_ledger import Ledger
from sluice_cli.export_state import time_text
from sluice_cli.report import readable_cause, stored_summary
from sluice_cli.run import Run
from sluice_cli.run_item import RUN_TABLE, read_shards
from sluice_cli.stack import DATA_BUCKET, EXPORT_LEDGER_TABLE, Stack, describe_stack
from sluice_cli.surroundings import Surroundings
from sluice_cli.where import explaining, target_of

TABLE_EXPORT = "table_export"


def write_report(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Write the page, and open it in a browser on request."""
    target = target_of(options, surroundings)
    with explaining(target):
        aws = surroundings.connect(target)
        stack = describe_stack(aws, options.stack_name)
        run = runs.find(aws, stack, options.run)
        page = render(gather(aws, stack, run))
    path = Path(options.output or f"{run.name}.html")
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"--output: {path} cannot be written: {error.strerror}") from error
    surroundings.print(str(path))
    if options.open and not webbrowser.open(path.resolve().as_uri()):
        surroundings.say(f"there is no browser to open it with; open {path} yourself")
    return ExitCode.SUCCEEDED


def gather(aws: Aws, stack: Stack, run: Run) -> RunFacts:
    """All that is known of a run. Raises what the calls raise."""
    execution = aws.stepfunctions.describe_execution(executionArn=run.execution_arn)
    ended = execution["status"] == "SUCCEEDED"
    summary = json.loads(execution["output"]) if ended else stored_summary(aws, stack, run)
    error = None
    if execution.get("error") or execution.get("cause"):
        error = {
            "name": execution.get("error") or execution["status"],
            "message": readable_cause(execution.get("cause", "")),
        }
    table = stack.outputs.get(RUN_TABLE)
    item = ItemFacts.from_shards(read_shards(aws, table, run) if table else [])
    # The execution's own times: an item begins when the plan is made.
    stopped = execution.get("stopDate")
    item = replace(
        item,
        started_at=execution["startDate"].timestamp(),
        ended_at=stopped.timestamp() if stopped else item.ended_at,
    )
    return read_facts(
        aws.s3,
        stack.outputs[DATA_BUCKET],
        RunPaths(run.workflow, run.name, run.execution_arn),
        summary if isinstance(summary, dict) and "counts" in summary else None,
        item,
        status=execution["status"],
        error=error,
        windows=_windows(aws, stack, summary) if run.workflow == TABLE_EXPORT else (),
    )


def _windows(aws: Aws, stack: Stack, summary: Any) -> list[dict[str, Any]]:
    """The table's last export windows, newest first, with the gaps between them."""
    table = summary.get("table") if isinstance(summary, dict) else None
    ledger_table = stack.outputs.get(EXPORT_LEDGER_TABLE)
    if not table or not ledger_table:
        return []
    try:
        past = Ledger(aws.dynamodb, ledger_table).runs(table)
    except ClientError:
        return []
    return [
        {
            "type": each.type,
            "from": time_text(each.since) if each.since else None,
            "to": time_text(each.until),
            "status": each.failure or each.status,
            "seconds": None if each.since is None else (each.until - each.since).total_seconds(),
        }
        for each in past
    ]
