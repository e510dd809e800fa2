"""The checks that the command line makes of an input are those of the deployed Plan steps."""

import json
from pathlib import Path
from typing import Any

import pytest

from sluice_cli.exit_code import BadInputError
from sluice_cli.input_checks import _CHECKS, PARAMETERS, check_input
from sluice_cli.run import Run
from sluice_cli.run_input import fill_placeholders
from sluice_cli.stack import Stack
from tests.statemachine.definitions import NAMES, template

ROOT = Path(__file__).parents[2]
FIXTURES = sorted((ROOT / "events" / "workflows").glob("*.json"))
GIVEN = {
    "AthenaWorkGroups": "primary",
    "ProcessorFunctions": "f,sluice-demo-thumbnails",
    "ProcessorStateMachines": "",
    "SourceBucketPattern": "*",
    "OutputBucketPattern": "*",
    "DeleteBucketPattern": "*",
}
STACK = Stack("sluice", {"DataBucket": "data"}, GIVEN)


def run_of(workflow: str) -> Run:
    return Run(workflow, "july", f"arn:aws:states:eu-west-1:111122223333:execution:sluice-{workflow}-1a:july")


def documents() -> list[Any]:
    outputs = {name: f"arn:aws:x:eu-west-1:1:{name}" for name in template()["Outputs"]} | {"DataBucket": "data"}
    found = []
    for path in FIXTURES:
        workflow = next(name for name in sorted(NAMES, key=len, reverse=True) if path.stem.startswith(name))
        if workflow in _CHECKS:
            document = fill_placeholders(json.loads(path.read_text()), outputs)
            found.append(pytest.param(workflow, document, id=path.stem))
    return found


@pytest.mark.parametrize(("workflow", "document"), documents())
def test_inputs_of_the_project_are_accepted(workflow: str, document: dict[str, Any]) -> None:
    check_input(STACK, run_of(workflow), document)


@pytest.mark.parametrize("workflow", sorted(_CHECKS))
def test_unknown_field_is_refused_in_every_workflow(workflow: str) -> None:
    with pytest.raises(BadInputError, match="InvalidInputError: no_such_field"):
        check_input(STACK, run_of(workflow), {"no_such_field": 1})


def test_workflow_without_a_check_is_left_to_itself() -> None:
    check_input(STACK, run_of("csv_load_direct"), {"no_such_field": 1})


def test_stack_without_the_parameters_is_left_to_itself() -> None:
    check_input(Stack("sluice", {"DataBucket": "data"}), run_of("athena_map"), {"no_such_field": 1})


def test_parameters_are_those_of_the_template() -> None:
    assert set(PARAMETERS.values()) <= template()["Parameters"].keys()
