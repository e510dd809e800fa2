"""What `sluice export ...` does, from parsed options to exit code."""

import json
import re
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from sluice_cli.arguments import JSON
from sluice_cli.aws import Aws
from sluice_cli.exit_code import BadInputError, ExitCode
from sluice_cli.export_advice import COPY_WARNING, Seen, next_steps, start_now
from sluice_cli.export_ledger import (
    Ledger,
    no_such_table,
    owner_status,
    recovery,
    table_bytes,
    with_execution_status,
)
from sluice_cli.export_schedule import Schedule
from sluice_cli.export_state import Flag, TableState
from sluice_cli.export_view import detail_json, detail_lines, overview_json, overview_lines
from sluice_cli.stack import Stack, describe_stack
from sluice_cli.surroundings import Surroundings
from sluice_cli.where import command_line, explaining, target_of

TABLE_NAME = re.compile(r"[a-zA-Z0-9_.\-]{3,255}")


def status(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Tell how the exports of all tables stand, or those of one."""
    table = None if options.table is None else _table(options)
    with _ledger(options, surroundings) as (aws, stack, ledger):
        if table is None:
            _show_all(stack, ledger, options, surroundings)
        else:
            _show_one(_seen(aws, stack, ledger, table), options, surroundings)
    return ExitCode.SUCCEEDED


def pause(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Let no run start an export of the table."""
    table = _table(options)
    with _ledger(options, surroundings) as (aws, stack, ledger):
        table_bytes(aws, table)
        is_new = ledger.put_flag(table, Flag.PAUSED, value=True)
        state = ledger.state(table)
    surroundings.say(f"the exports of {table} {'are paused' if is_new else 'were paused already'}")
    if _has_lease(state, stack):
        surroundings.say("the running export continues")
    surroundings.say(f"to resume them: {command_line(options, 'export', 'resume', '--table', table)}")
    surroundings.say("a pause that outlasts point-in-time recovery ends with a new full export")
    return _changed(table, "PAUSED", options, surroundings)


def resume(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Let the runs start exports of the table again."""
    table = _table(options)
    with _ledger(options, surroundings) as (aws, _stack, ledger):
        table_bytes(aws, table)
        is_new = ledger.put_flag(table, Flag.PAUSED, value=False)
    surroundings.say(f"the exports of {table} {'continue with the next run' if is_new else 'are not paused'}")
    if is_new:
        surroundings.say(start_now(partial(command_line, options)))
    return _changed(table, "RESUMED", options, surroundings)


def reset(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Have the next run make a full export."""
    table = _table(options)
    with _ledger(options, surroundings) as (aws, stack, ledger):
        size = table_bytes(aws, table)
        is_new = ledger.put_flag(table, Flag.RESET_REQUESTED, value=True)
        state = ledger.state(table)
    reset_note = "a reset is requested" if is_new else "a reset was requested before"
    surroundings.say(f"{reset_note}: the next run makes a full export of {table}")
    surroundings.say(f"AWS charges a full export by the table's size, at the moment about {size:,} bytes")
    surroundings.say(COPY_WARNING)
    if _has_lease(state, stack):
        surroundings.say("the running export ends first")
    if state.is_paused:
        surroundings.say(
            f"the exports are paused; first: {command_line(options, 'export', 'resume', '--table', table)}"
        )
    return _changed(table, "RESET_REQUESTED", options, surroundings)


def _changed(table: str, status: str, options: Namespace, surroundings: Surroundings) -> ExitCode:
    if options.output == JSON:
        _print_json({"table": table, "status": status}, surroundings)
    return ExitCode.SUCCEEDED


@contextmanager
def _ledger(options: Namespace, surroundings: Surroundings) -> Iterator[tuple[Aws, Stack, Ledger]]:
    target = target_of(options, surroundings)
    with explaining(target):
        aws = surroundings.connect(target)
        stack = describe_stack(aws, options.stack_name)
        yield aws, stack, Ledger(aws.dynamodb, stack.export_ledger)


def _table(options: Namespace) -> str:
    """Raises BadInputError for a name that no table may have."""
    if not TABLE_NAME.fullmatch(options.table):
        raise BadInputError(f"--table {options.table}: expected a table's name, 3 to 255 letters, digits, _, - and .")
    return str(options.table)


def _seen(aws: Aws, stack: Stack, ledger: Ledger, table: str) -> Seen:
    """Raises BadInputError for a table that neither the ledger nor DynamoDB knows."""
    state = ledger.state(table)
    runs, reach = ledger.runs(table), recovery(aws, table)
    if reach is None and not runs and state == TableState(table):
        raise no_such_table(aws, table)
    owner = owner_status(aws, state.lease.owner) if state.lease else None
    processing = with_execution_status(aws, ledger.processing(state))
    windows = ledger.windows(table) if processing else {}
    return Seen(state, runs, reach, owner, Schedule.of(stack, table), stack.described_at, processing, windows)


def _has_lease(state: TableState, stack: Stack) -> bool:
    return state.lease is not None and not state.lease.is_expired(stack.described_at)


def _show_one(seen: Seen, options: Namespace, surroundings: Surroundings) -> None:
    steps = next_steps(seen, partial(command_line, options))
    if options.output == JSON:
        _print_json(detail_json(seen, steps), surroundings)
    else:
        surroundings.print("\n".join(detail_lines(seen, steps)))


def _show_all(stack: Stack, ledger: Ledger, options: Namespace, surroundings: Surroundings) -> None:
    states, now = [(state, ledger.processing(state)) for state in ledger.states()], stack.described_at
    if options.output == JSON:
        _print_json([overview_json(*each, now) for each in states], surroundings)
    elif states:
        surroundings.print("\n".join(overview_lines(states, now)))
    else:
        surroundings.say(f"no table has been exported yet; {start_now(partial(command_line, options))}")


def _print_json(document: Any, surroundings: Surroundings) -> None:
    surroundings.print(json.dumps(document, indent=2, ensure_ascii=False))
