"""What `sluice stop` does: it tells a run's workers to end, and with --now ends the execution as well."""

import json
from argparse import Namespace
from typing import Any

from sluice_cli import run as runs
from sluice_cli.arguments import JSON
from sluice_cli.exit_code import ExitCode
from sluice_cli.resume import RESUMABLE
from sluice_cli.run import Run
from sluice_cli.run_item import RUN_TABLE, set_stop
from sluice_cli.stack import describe_stack
from sluice_cli.surroundings import Surroundings
from sluice_cli.where import command_line, explaining, target_of

# Step Functions itself does their work, or functions of yours do: no worker would see the flag.
WITHOUT_WORKERS = frozenset({"athena_map", "csv_load_direct", "table_export"})


def stop_run(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Stop a run."""
    target = target_of(options, surroundings)
    with explaining(target):
        aws = surroundings.connect(target)
        stack = describe_stack(aws, options.stack_name)
        run = runs.find(aws, stack, options.run)
        name = f"{run.workflow} {run.name}"
        document = runs.running_input(aws, run)
        if document is None:
            surroundings.say(f"{name} had ended already")
            return _ended(run, "ENDED", options, surroundings)
        table = None if run.workflow in WITHOUT_WORKERS else stack.outputs.get(RUN_TABLE)
        is_now = options.now or table is None or _calls_processors(run.workflow, document)
        if table is not None:
            set_stop(aws, table, run)
        if is_now:
            runs.abort(aws, run)
    how = "stopped" if is_now else "is stopping: its workers finish what they have begun within seconds"
    surroundings.say(f"{name} {how}; what it has written stays")
    if not is_now:
        surroundings.say(f"to see it end: {command_line(options, 'watch', run.name)}")
    if run.workflow in RESUMABLE:
        surroundings.say(f"to continue it later: {command_line(options, 'resume', run.name)}")
    return _ended(run, "STOPPED" if is_now else "STOPPING", options, surroundings)


def _ended(run: Run, status: str, options: Namespace, surroundings: Surroundings) -> ExitCode:
    if options.output == JSON:
        surroundings.print(json.dumps({"workflow": run.workflow, "execution": run.name, "status": status}))
    return ExitCode.SUCCEEDED


def _calls_processors(workflow: str, document: Any) -> bool:
    """Whether distinct_keys calls functions or state machines that are not Sluice's."""
    return workflow == "distinct_keys" and isinstance(document, dict) and isinstance(document.get("processor"), dict)
