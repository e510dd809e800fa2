"""Checks of a run's input that need no AWS, by the code of the run's Plan step, with the same messages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluice_cli.exit_code import BadInputError
from sluice_cli.run import Run
from sluice_cli.stack import DATA_BUCKET, Stack

if TYPE_CHECKING:
    from sluice.runs.paths import Run as RunPaths

# By environment variable of the functions: the parameter of the stack that it is made of.
PARAMETERS = {
    "PROCESSOR_FUNCTIONS": "ProcessorFunctions",
    "PROCESSOR_STATE_MACHINES": "ProcessorStateMachines",
    "ATHENA_WORK_GROUPS": "AthenaWorkGroups",
    "SOURCE_BUCKET_PATTERN": "SourceBucketPattern",
    "OUTPUT_BUCKET_PATTERN": "OutputBucketPattern",
    "DELETE_BUCKET_PATTERN": "DeleteBucketPattern",
}


def check_input(stack: Stack, run: Run, document: Mapping[str, Any]) -> None:
    """Raise BadInputError for an input that the run would refuse, with the message that it would end with.

    A workflow without such a check is left to itself, and so is a stack that lacks a parameter.
    """
    check = _CHECKS.get(run.workflow)
    if check is None:
        return
    # Here, because the command line is to start fast.
    from sluice.errors import InvalidInputError, SettingError
    from sluice.runs.paths import Run as RunPaths

    paths = RunPaths(run.workflow, run.name, run.execution_arn)
    try:
        check(document, _Known(paths, stack.outputs.get(DATA_BUCKET, ""), _environment(stack)))
    except SettingError:
        return
    except InvalidInputError as error:
        raise BadInputError(f"InvalidInputError: {error}") from error


@dataclass(frozen=True)
class _Known:
    """What a check may need beside the input. `environment`: the functions' variables that name what runs may use."""

    run: "RunPaths"
    bucket: str
    environment: Mapping[str, str]


Document = Mapping[str, Any]
Check = Callable[[Document, _Known], object]


def _environment(stack: Stack) -> dict[str, str]:
    return {
        name: stack.parameters[parameter] for name, parameter in PARAMETERS.items() if parameter in stack.parameters
    }


def _csv_load(document: Document, _known: _Known) -> object:
    from sluice.workflows.csv_load.input import LoadInput

    return LoadInput.from_input(document)


def _distinct_keys(document: Document, known: _Known) -> object:
    from sluice.settings import ProcessorSettings
    from sluice.workflows.distinct_keys.input import DistinctInput

    return DistinctInput.from_input(document, ProcessorSettings.from_env(known.environment))


def _athena_map(document: Document, known: _Known) -> object:
    from sluice.settings import QuerySettings
    from sluice.workflows.athena_map.input import MapInput

    return MapInput.from_input(document, known.bucket, QuerySettings.from_env(known.environment))


def _export_process(document: Document, known: _Known) -> object:
    from sluice.workflows.export_process.input import ProcessInput

    return ProcessInput.from_input(document, known.bucket)


def _object_aggregate(document: Document, known: _Known) -> object:
    from sluice.workflows.object_aggregate.input import AggregationInput

    return AggregationInput.from_input(document, known.run, known.bucket)


def _object_map(document: Document, known: _Known) -> object:
    from sluice.settings import ObjectSettings
    from sluice.workflows.object_map.input import ObjectMapInput

    return ObjectMapInput.from_input(document, known.run, known.bucket, ObjectSettings.from_env(known.environment))


def _table_export(document: Document, known: _Known) -> object:
    from sluice.workflows.table_export.input import ExportInput

    return ExportInput.from_input(document, known.bucket)


def _table_transform(document: Document, _known: _Known) -> object:
    from sluice.workflows.table_transform.input import TransformInput

    return TransformInput.from_input(document)


_CHECKS: Mapping[str, Check] = {
    "athena_map": _athena_map,
    "csv_load": _csv_load,
    "distinct_keys": _distinct_keys,
    "export_process": _export_process,
    "object_aggregate": _object_aggregate,
    "object_map": _object_map,
    "table_export": _table_export,
    "table_transform": _table_transform,
}
