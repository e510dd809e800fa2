"""What `sluice stop` does: it tells a run's workers to end, and with --now ends the execution as well."""

from argparse import Namespace

from sluice_cli import run as runs
from sluice_cli.exit_code import ExitCode
from sluice_cli.resume import RESUMABLE
from sluice_cli.run_item import set_stop
from sluice_cli.stack import describe_stack
from sluice_cli.surroundings import Surroundings
from sluice_cli.where import command_line, explaining, place_of

# Its work is done by AWS itself: there are no workers to tell. The next run watches the export that this one started.
WITHOUT_WORKERS = frozenset({"table_export"})


def stop_run(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Stop a run."""
    place = place_of(options, surroundings)
    with explaining(place):
        aws = surroundings.connect(place)
        stack = describe_stack(aws, options.stack_name)
        run = runs.find(aws, stack, options.run)
        name = f"{run.workflow} {run.name}"
        if not runs.is_running(aws, run):
            surroundings.say(f"{name} had ended already")
            return ExitCode.SUCCEEDED
        is_now = options.now or run.workflow in WITHOUT_WORKERS
        if run.workflow not in WITHOUT_WORKERS:
            set_stop(aws, stack.run_table, run)
        if is_now:
            runs.abort(aws, run)
    how = "stopped" if is_now else "is stopping: its workers finish what they have begun within seconds"
    surroundings.say(f"{name} {how}; what it has written stays")
    if not is_now:
        surroundings.say(f"to see it end: {command_line(options, 'watch', run.name)}")
    if run.workflow in RESUMABLE:
        surroundings.say(f"to continue it later: {command_line(options, 'resume', run.name)}")
    return ExitCode.SUCCEEDED
