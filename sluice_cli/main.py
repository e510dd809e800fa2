"""`sluice`: parses the command line and hands it to the command."""

import os
import pkgutil
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sluice_cli.arguments import (
    Parser,
    ShowVersion,
    add_command,
    add_output,
    add_settings,
    add_stack_name,
    add_started_run,
    add_where,
    port,
    positive,
    units,
)
from sluice_cli.exit_code import CommandError, ExitCode
from sluice_cli.load.arguments import add_draft, add_load
from sluice_cli.surroundings import Surroundings

if TYPE_CHECKING:
    from sluice_cli.arguments import Commands

# The script of `sluice completion` sets it when a shell asks for the words that fit.
COMPLETES = "_ARGCOMPLETE"
SHELLS = ("bash", "zsh", "fish")


def main(arguments: Sequence[str] | None = None, surroundings: Surroundings | None = None) -> int:
    """Run one command and return its exit code."""
    surroundings = surroundings or Surroundings()
    try:
        try:
            return _run(arguments, surroundings)
        finally:
            # What is still to be written may find that nobody reads it: better here than when Python ends.
            surroundings.stdout.flush()
    except BrokenPipeError:
        _discard_output(surroundings)
        return ExitCode.BROKEN_PIPE


def _discard_output(surroundings: Surroundings) -> None:
    """Python flushes its streams when it ends, and would complain of the pipe again."""
    for stream in (surroundings.stdout, surroundings.stderr):
        if stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _run(arguments: Sequence[str] | None, surroundings: Surroundings) -> int:
    parser = build_parser()
    if COMPLETES in surroundings.environment:
        # Only then, so that other commands start as fast as they can.
        from sluice_cli.completion import complete

        complete(parser)
    options = parser.parse_args(arguments)
    try:
        # By name, so that the parser needs none of what the commands import.
        command = pkgutil.resolve_name(options.command)
        return int(command(options, surroundings))
    except CommandError as error:
        surroundings.say(f"sluice: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def build_parser() -> Parser:
    """The parser of the whole command line."""
    parser = Parser(
        prog="sluice",
        description="Bulk data workflows around DynamoDB and S3: run and watch them, on AWS or on a laptop.",
        epilog="exit codes: 0 succeeded, 1 failed, 2 bad input, 3 not deployed, 130 interrupted",
    )
    parser.add_argument("--version", action=ShowVersion)
    level = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_load(level)
    _add_draft(level)
    _add_run(level)
    _add_runs(level)
    _add_watch(level)
    _add_stop(level)
    _add_resume(level)
    _add_undo(level)
    _add_rate(level)
    _add_rejects(level)
    _add_logs(level)
    _add_console(level)
    _add_report(level)
    _add_transform(level)
    _add_export(level)
    _add_local(level)
    _add_completion(level)
    return parser


def _add_load(level: "Commands") -> None:
    parser = add_command(
        level,
        "load",
        "load a file or S3 objects into a table, with the types that their values have",
        "sluice load orders.csv --table orders --create --key customer_id,order_id --local",
    )
    add_load(parser)
    add_where(parser)
    add_output(parser)
    parser.set_defaults(command="sluice_cli.load.command:load")


def _add_draft(level: "Commands") -> None:
    parser = add_command(
        level,
        "draft",
        "print the csv_load input for a file, with the mapping spelled out, to edit",
        "sluice draft orders.csv > load.json",
    )
    add_draft(parser)
    add_where(parser)
    parser.set_defaults(command="sluice_cli.load.draft:draft")


def _add_run(level: "Commands") -> None:
    parser = add_command(
        level,
        "run",
        "start a workflow and follow it to its end",
        "sluice run csv_load --local --input events/workflows/csv_load.json --set source.delimiter=';'",
    )
    parser.add_argument("workflow", metavar="WORKFLOW", help="the workflow's name, such as csv_load")
    parser.add_argument(
        "--input",
        metavar="FILE",
        required=True,
        help="a JSON file, - for stdin; ${OutputKey} in its strings becomes that output of the stack",
    )
    add_settings(parser, "change the input: a.b=1, list.0=x; JSON when it parses as JSON, else text")
    parser.add_argument("--name", help="the execution's name; generated if omitted")
    add_where(parser)
    add_output(parser)
    parser.set_defaults(command="sluice_cli.commands:run")


def _add_runs(level: "Commands") -> None:
    parser = add_command(level, "runs", "list runs, the newest first", "sluice runs --local")
    parser.add_argument("--workflow", metavar="NAME", help="only runs of this workflow")
    parser.add_argument("--limit", metavar="N", type=positive, default=20, help="how many runs (default: 20)")
    add_where(parser)
    add_output(parser)
    parser.set_defaults(command="sluice_cli.runs_list:list_runs")


def _add_rejects(level: "Commands") -> None:
    parser = add_command(
        level,
        "rejects",
        "show the rows that a run rejected, and why",
        "sluice rejects 20260102T030405Z-1a2b3c --reason RowRagged --local",
    )
    add_started_run(parser)
    parser.add_argument("--reason", metavar="NAME", help="only rejects for this reason, such as NumberInvalid")
    parser.add_argument("--limit", metavar="N", type=positive, default=20, help="how many rejects (default: 20)")
    add_where(parser)
    add_output(parser)
    parser.set_defaults(command="sluice_cli.reject_lines:show_rejects")


def _add_logs(level: "Commands") -> None:
    parser = add_command(
        level, "logs", "show the log lines that name a run", "sluice logs 20260102T030405Z-1a2b3c --local"
    )
    add_started_run(parser)
    parser.add_argument("--limit", metavar="N", type=positive, default=1_000, help="how many lines (default: 1,000)")
    add_where(parser)
    add_output(parser)
    parser.set_defaults(command="sluice_cli.run_logs:show_logs")


def _add_console(level: "Commands") -> None:
    parser = add_command(
        level, "console", "print a run's address in the AWS console", "sluice console 20260102T030405Z-1a2b3c"
    )
    add_started_run(parser)
    add_where(parser)
    parser.set_defaults(command="sluice_cli.console:show_console")


def _add_watch(level: "Commands") -> None:
    parser = add_command(
        level,
        "watch",
        "follow a run that was started before, or read how it ended",
        "sluice watch 20260102T030405Z-1a2b3c --local",
    )
    add_started_run(parser)
    add_where(parser)
    add_output(parser)
    parser.set_defaults(command="sluice_cli.commands:watch_run")


def _add_stop(level: "Commands") -> None:
    parser = add_command(level, "stop", "stop a run", "sluice stop 20260102T030405Z-1a2b3c --local")
    add_started_run(parser)
    parser.add_argument(
        "--now", action="store_true", help="stop the execution as well: it ends at once, and without a summary"
    )
    add_where(parser)
    add_output(parser)
    parser.set_defaults(command="sluice_cli.stop:stop_run")


def _add_resume(level: "Commands") -> None:
    parser = add_command(
        level,
        "resume",
        "continue a run of csv_load, export_process or table_transform that was stopped or failed",
        "sluice resume 20260102T030405Z-1a2b3c --local",
    )
    add_started_run(parser)
    add_where(parser)
    add_output(parser)
    parser.set_defaults(command="sluice_cli.commands:resume_run")


def _add_undo(level: "Commands") -> None:
    parser = add_command(
        level,
        "undo",
        "take back what a run of table_transform did, or show what that would do",
        "sluice undo 20260102T030405Z-1a2b3c --local",
    )
    add_started_run(parser)
    parser.add_argument("--apply", action="store_true", help="undo it; without this nothing is changed")
    add_settings(parser, "change the input, such as maxWriteUnitsPerSecond=100")
    add_where(parser)
    add_output(parser)
    parser.set_defaults(command="sluice_cli.commands:undo_run")


def _add_rate(level: "Commands") -> None:
    parser = add_command(
        level,
        "rate",
        "change a run's limits while it runs, or show them",
        "sluice rate 20260102T030405Z-1a2b3c --write-units 500 --local",
    )
    add_started_run(parser)
    for kind in ("read", "write"):
        parser.add_argument(
            f"--{kind}-units",
            metavar="N",
            type=units,
            help=f"{kind} units per second for all workers of the run together; unchanged if omitted",
        )
    add_where(parser)
    add_output(parser)
    parser.set_defaults(command="sluice_cli.rate:rate")


def _add_report(level: "Commands") -> None:
    parser = add_command(
        level,
        "report",
        "make a page that shows how a run went, also of a run that died",
        "sluice report 20260102T030405Z-1a2b3c --local --open",
    )
    add_started_run(parser)
    parser.add_argument("--output", metavar="FILE", help="where to write the page (default: RUN.html)")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    add_where(parser)
    parser.set_defaults(command="sluice_cli.html_report:write_report")


def _add_transform(level: "Commands") -> None:
    parser = level.add_parser(
        "transform",
        help="your transforms",
        description="Your transforms, in functions/transforms.",
        epilog="example:\n  sluice transform test airports_geohash --sample airports.jsonl",
        formatter_class=RawDescriptionHelpFormatter,
    )
    transform_level = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    test = add_command(
        transform_level,
        "test",
        "call a transform with some items on this machine, and show what it makes of them; nothing is written",
        "sluice transform test airports_geohash --table airports --local",
    )
    test.add_argument("name", metavar="NAME", help="the transform's name: functions/transforms/NAME.py")
    given = test.add_mutually_exclusive_group(required=True)
    given.add_argument("--sample", metavar="FILE", help="a CSV file, or JSON Lines: plain, or items in DynamoDB JSON")
    given.add_argument("--table", metavar="TABLE", help="read the items of a table")
    test.add_argument("--limit", metavar="N", type=positive, default=10, help="how many items (default: 10)")
    add_where(test)
    test.set_defaults(command="sluice_cli.transform_test:run_test")


def _add_export(level: "Commands") -> None:
    parser = level.add_parser(
        "export",
        help="a table's scheduled exports",
        description="A table's scheduled exports: how they stand; pause them, resume them, start over.",
        epilog="example:\n  sluice export status --table airports",
        formatter_class=RawDescriptionHelpFormatter,
    )
    export_level = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_export_status(export_level)
    for name, what, command in (
        ("pause", "let no run start an export of the table", "sluice_cli.export_commands:pause"),
        ("resume", "let runs start exports of the table again", "sluice_cli.export_commands:resume"),
        (
            "reset",
            "make the next export a full one, from which incremental ones continue",
            "sluice_cli.export_commands:reset",
        ),
    ):
        each = add_command(export_level, name, what, f"sluice export {name} --table airports --local")
        each.add_argument("--table", metavar="TABLE", required=True, help="the exported table's name")
        add_where(each)
        add_output(each)
        each.set_defaults(command=command)


def _add_export_status(level: "Commands") -> None:
    parser = add_command(
        level,
        "status",
        "show the state of the exports, what is running and what to do next",
        "sluice export status --table airports --local",
    )
    parser.add_argument("--table", metavar="TABLE", help="one table in detail; one line per table if omitted")
    add_where(parser)
    add_output(parser)
    parser.set_defaults(command="sluice_cli.export_commands:status")


def _add_local(level: "Commands") -> None:
    parser = level.add_parser(
        "local",
        help="AWS on a laptop",
        description="AWS on a laptop: start it, deploy to it, stop it.",
        epilog="example:\n  sluice local up --detach && sluice local deploy",
        formatter_class=RawDescriptionHelpFormatter,
    )
    local_level = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_local_up(local_level)
    _add_local_deploy(local_level)
    add_command(local_level, "status", "tell whether local AWS runs, and where", "sluice local status").set_defaults(
        command="sluice_cli.commands:local_status"
    )
    add_command(
        local_level,
        "down",
        "stop local AWS and remove what it or a killed one left; harmless when it does not run",
        "sluice local down",
    ).set_defaults(command="sluice_cli.commands:local_down")


def _add_local_up(level: "Commands") -> None:
    parser = add_command(
        level,
        "up",
        "start local AWS, until Ctrl-C or in the background",
        'eval "$(sluice local up --detach)"',
    )
    parser.add_argument("--port", type=port, help="the port to listen on; a free one if omitted")
    parser.add_argument(
        "--bind",
        metavar="ADDRESS",
        help="an address to listen on besides loopback, for containers; off by default",
    )
    parser.add_argument(
        "--lambda-concurrency",
        metavar="N",
        type=positive,
        help="throttle Lambda beyond N executions at a time, as AWS does; invocations wait otherwise",
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help="keep tables, objects and the stack in this directory between starts; nothing is kept otherwise",
    )
    parser.add_argument("--detach", action="store_true", help="leave it running in the background")
    parser.set_defaults(command="sluice_cli.commands:local_up")


def _add_local_deploy(level: "Commands") -> None:
    parser = add_command(
        level,
        "deploy",
        "build the stack and deploy it to local AWS, never to AWS",
        "sluice local deploy --verbose",
    )
    add_stack_name(parser)
    parser.add_argument(
        "--parameter",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="one of the template's parameters; may be given several times",
    )
    parser.add_argument("--watch", action="store_true", help="deploy again whenever a file changes, until Ctrl-C")
    parser.add_argument(
        "--verbose", action="store_true", help="show what sam prints, uploads and stack events, not only failures"
    )
    parser.set_defaults(command="sluice_cli.local_deploy:local_deploy")


def _add_completion(level: "Commands") -> None:
    parser = add_command(
        level,
        "completion",
        "print the script that makes a shell complete commands, options and workflows",
        'eval "$(sluice completion bash)"',
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    parser.set_defaults(command="sluice_cli.completion:print_script")


if __name__ == "__main__":
    sys.exit(main())
