"""What each command does, from parsed options to exit code."""

from argparse import Namespace
from datetime import UTC, datetime

from local_aws.lifecycle import LocalAws
from sluice_cli import local
from sluice_cli import run as runs
from sluice_cli.aws import Aws
from sluice_cli.display import open_display
from sluice_cli.exit_code import ExitCode
from sluice_cli.follow import follow, saying_how_to_continue, start_and_follow
from sluice_cli.input_checks import check_input
from sluice_cli.resume import input_going_on
from sluice_cli.run import Run
from sluice_cli.run_input import apply_settings, fill_placeholders, parse_setting, read_input
from sluice_cli.run_item import rows_reader
from sluice_cli.stack import Stack, describe_stack
from sluice_cli.surroundings import Surroundings
from sluice_cli.undo import input_undoing
from sluice_cli.watch import watch
from sluice_cli.where import command_line, explaining, target_of


def local_up(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Start local AWS; without --detach stay until it ends or Ctrl-C ends it."""
    aws, is_new = local.up(
        surroundings.root,
        port=options.port,
        bind_host=options.bind,
        outlive_caller=options.detach,
        lambda_concurrency=options.lambda_concurrency,
        data=options.data,
    )
    try:
        surroundings.say(f"local AWS {'is ready' if is_new else 'is already running'} at {aws.endpoint_url}")
        for line in local.remarks(surroundings.root, is_new=is_new):
            surroundings.say(line)
        _print_exports(aws, surroundings)
        if is_new and not options.detach:
            surroundings.say("Ctrl-C stops it")
            local.wait(aws, surroundings.clock)
    except KeyboardInterrupt:
        surroundings.say("stopping local AWS")
    finally:
        if is_new and not options.detach:
            local.end(surroundings.root, aws)
    return ExitCode.SUCCEEDED


def local_down(_options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Stop local AWS."""
    surroundings.say(local.down(surroundings.root).value)
    return ExitCode.SUCCEEDED


def local_status(_options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Tell whether local AWS runs, where, and how to use it."""
    aws = local.require(surroundings.root)
    surroundings.say(f"local AWS is running at {aws.endpoint_url}, process {aws.pid}, log {aws.log}")
    for line in local.remarks(surroundings.root, is_new=False):
        surroundings.say(line)
    _print_exports(aws, surroundings)
    return ExitCode.SUCCEEDED


def run(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Start a workflow and follow it to its end."""
    document = read_input(options.input, surroundings.stdin)
    document = apply_settings(document, [parse_setting(text) for text in options.set])
    name = runs.new_name(datetime.now(UTC)) if options.name is None else runs.check_name(options.name)
    target = target_of(options, surroundings)
    with explaining(target):
        aws = surroundings.connect(target)
        stack = describe_stack(aws, options.stack_name)
        started = runs.planned_run(stack, options.workflow, name)
        document = fill_placeholders(document, stack.outputs)
        check_input(stack, started, document)
        surroundings.say(f"starting {started.workflow} on {aws}: {started.name}")
        return start_and_follow(aws, stack, started, options, surroundings, document=document)


def resume_run(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Go on with a run that ended early, and follow the run that does."""
    target = target_of(options, surroundings)
    with explaining(target):
        aws = surroundings.connect(target)
        stack = describe_stack(aws, options.stack_name)
        earlier = runs.find(aws, stack, options.run)
        _await_stop(aws, stack, earlier, surroundings)
        document = input_going_on(aws, earlier, command_line(options, "stop", earlier.name))
        started = runs.planned_run(stack, earlier.workflow, runs.new_name(datetime.now(UTC)))
        surroundings.say(f"going on with {earlier.workflow} {earlier.name} on {aws}: {started.name}")
        return start_and_follow(aws, stack, started, options, surroundings, document=document)


def undo_run(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Show what an undo of a run would do, or undo it, and follow the run that does."""
    settings = [parse_setting(text) for text in options.set]
    target = target_of(options, surroundings)
    with explaining(target):
        aws = surroundings.connect(target)
        stack = describe_stack(aws, options.stack_name)
        undone = runs.find(aws, stack, options.run)
        document = input_undoing(aws, undone, command_line(options, "stop", undone.name), applies=options.apply)
        started = runs.planned_run(stack, undone.workflow, runs.new_name(datetime.now(UTC)))
        doing = "undoing" if options.apply else "what an undo would do to"
        surroundings.say(f"{doing} {undone.workflow} {undone.name} on {aws}: {started.name}")
        document = apply_settings(document, settings)
        exit_code = start_and_follow(aws, stack, started, options, surroundings, document=document)
    if exit_code is ExitCode.SUCCEEDED and not options.apply:
        surroundings.say(f"nothing is changed; to undo it: {command_line(options, 'undo', undone.name)} --apply")
    return exit_code


def _await_stop(aws: Aws, stack: Stack, run: Run, surroundings: Surroundings) -> None:
    """A run that is stopping has to end before it is continued."""
    item = rows_reader(aws, stack, run)()
    if item and item.is_stopped:
        with open_display(surroundings) as display:
            watch(aws, run.execution_arn, display, surroundings.clock)


def watch_run(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Follow a run that was started before."""
    target = target_of(options, surroundings)
    with explaining(target):
        aws = surroundings.connect(target)
        stack = describe_stack(aws, options.stack_name)
        found = runs.find(aws, stack, options.run)
        with saying_how_to_continue(found, options, surroundings):
            surroundings.say(f"watching {found.workflow} on {aws}: {found.name}")
            return follow(aws, stack, found, options, surroundings)


def _print_exports(aws: LocalAws, surroundings: Surroundings) -> None:
    surroundings.print("\n".join(local.exports(aws)))
