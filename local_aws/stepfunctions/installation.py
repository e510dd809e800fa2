"""Installs this package instead of ministack's execution engine."""

from collections.abc import Callable

import jsonata
from ministack.services import cloudwatch_logs
from ministack.services import stepfunctions as service

from local_aws.replacements import check, replace, require
from local_aws.stepfunctions import callbacks, execution_logs, machine_deletion, operations, redrives
from local_aws.stepfunctions.branches import run_parallel
from local_aws.stepfunctions.creation_checks import checked_creation, checked_update, machine_arn
from local_aws.stepfunctions.definition_checks.validation import checked_definition, definition_refusal, validate
from local_aws.stepfunctions.executions import on_end, run_execution
from local_aws.stepfunctions.history_events import with_details
from local_aws.stepfunctions.jsonata_expressions import lookup
from local_aws.stepfunctions.map_run_lag import with_lag
from local_aws.stepfunctions.map_run_machines import with_children
from local_aws.stepfunctions.maps import run_map
from local_aws.stepfunctions.simple_states import run_choice, run_fail, run_pass, run_succeed, run_wait
from local_aws.stepfunctions.task import run_task
from local_aws.stepfunctions.walk import HANDLERS

USED = (
    "_ExecutionError",
    "_emit_execution_status_event",
    "_exec_intrinsic",
    "_executions",
    "_invoke_resource",
    "_map_runs",
    "_parse_intrinsic_call",
    "_state_machines",
    "_task_tokens",
)


def prepare() -> None:
    """What walking through a definition needs, without ministack's server."""
    replace(jsonata.Jsonata.Frame, "lookup", ("self", "name"), lookup)
    HANDLERS.update(
        Pass=run_pass,
        Succeed=run_succeed,
        Fail=run_fail,
        Wait=run_wait,
        Choice=run_choice,
        Task=run_task,
        Parallel=run_parallel,
        Map=run_map,
    )


def install() -> None:
    """Replace the execution engine and the operations on executions."""
    require(service, *USED)
    prepare()
    callbacks.install()
    replace(service, "_validate_definition_jsonata", ("definition_str",), definition_refusal)
    replace(service, "_validate_state_machine_definition", ("data",), validate)
    replace(service, "_run_execution", ("exec_arn",), run_execution)
    names = ("_list_map_runs", "_describe_map_run")
    for name, operation in zip(names, with_lag(*(check(service, each, ("data",)) for each in names)), strict=True):
        replace(service, name, ("data",), operation)
    for name in (
        "_start_execution",
        "_start_sync_execution",
        "_stop_execution",
        "_describe_execution",
        "_list_executions",
    ):
        operations.remember(name, replace(service, name, ("data",), getattr(operations, name.removeprefix("_"))))
    replace(
        service, "_get_execution_history", ("data",), with_details(check(service, "_get_execution_history", ("data",)))
    )
    name = "_describe_state_machine_for_execution"
    replace(service, name, ("data",), with_children(check(service, name, ("data",))))
    _install_machine_operations()
    require(cloudwatch_logs, "_log_groups")
    check(cloudwatch_logs, "_append_log_events", ("stream", "events"))
    on_end.append(execution_logs.write)
    redrives.install()


def _install_machine_operations() -> None:
    """Replace what creates, updates and deletes state machines."""

    def wrap(name: str, wrapper: Callable[[machine_deletion.Operation], machine_deletion.Operation]) -> None:
        replace(service, name, ("data",), wrapper(check(service, name, ("data",))))

    machine_deletion.prepare()
    wrap("_create_state_machine", checked_creation)
    wrap("_create_state_machine", checked_definition)
    wrap("_create_state_machine", lambda create: machine_deletion.unless_deleting(create, machine_arn))
    wrap("_update_state_machine", checked_update)
    wrap("_update_state_machine", checked_definition)
    for name in ("_update_state_machine", "_start_execution", "_start_sync_execution"):
        wrap(
            name,
            lambda operation: machine_deletion.unless_deleting(operation, lambda data: data.get("stateMachineArn", "")),
        )
    wrap("_delete_state_machine", machine_deletion.deletion)
