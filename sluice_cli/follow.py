"""Starting a run and following it to its end."""

import json
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sluice_cli import report
from sluice_cli import run as runs
from sluice_cli.arguments import JSON
from sluice_cli.aws import Aws
from sluice_cli.display import open_display
from sluice_cli.exit_code import ExitCode
from sluice_cli.progress import duration_text
from sluice_cli.result_view import result_lines
from sluice_cli.run import Run
from sluice_cli.run_item import rows_reader
from sluice_cli.sample_view import sample_lines
from sluice_cli.stack import Stack
from sluice_cli.surroundings import Surroundings
from sluice_cli.watch import watch
from sluice_cli.where import command_line


def start_and_follow(
    aws: Aws, stack: Stack, run: Run, options: Namespace, surroundings: Surroundings, *, document: dict[str, Any]
) -> ExitCode:
    """Start the run with this input, follow it and print its summary. Raises CommandError if it cannot be started."""
    with saying_how_to_continue(run, options, surroundings):
        runs.start(aws, stack, run, document)
        return follow(aws, stack, run, options, surroundings)


def follow(aws: Aws, stack: Stack, run: Run, options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Show the run's progress, then how it ended and its summary."""
    with open_display(surroundings) as display:
        ended = watch(aws, run.execution_arn, display, surroundings.clock, rows_reader(aws, stack, run))
    outcome = ended.status.lower().replace("_", " ")
    surroundings.say(f"{run.workflow} {run.name} {outcome} after {duration_text(ended.seconds)}")
    if ended.error or ended.cause:
        surroundings.say(f"{ended.error}: {report.readable_cause(ended.cause)}")
    summary = report.read_summary(aws, stack, run, ended)
    if options.output == JSON:
        surroundings.print(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        surroundings.print("\n".join(report.summary_lines(summary)))
        if shown := sample_lines(aws, summary) + result_lines(aws, summary):
            surroundings.print("\n".join(shown))
    return report.exit_code(ended)


@contextmanager
def saying_how_to_continue(run: Run, options: Namespace, surroundings: Surroundings) -> Iterator[None]:
    """However watching ends, the run continues."""
    try:
        yield
    except (KeyboardInterrupt, BotoCoreError, ClientError):
        surroundings.say(
            f"the run continues. To watch it again: {command_line(options, 'watch', run.name)}\n"
            f"To stop it: {command_line(options, 'stop', run.name)}"
        )
        raise
