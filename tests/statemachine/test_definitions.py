"""What the template's linter does not see, since it does not follow DefinitionUri."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonata import Jsonata

from sluice import errors
from tests.statemachine.definitions import (
    NAMES,
    ROOT,
    all_states,
    definition,
    machine_resource,
    resources,
    strings,
)

OWN_ERRORS = {name for name, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, Exception)}
AWS_ERRORS = re.compile(r"(States|Lambda|Runtime|Sandbox|StepFunctions|DynamoDB|DynamoDb|S3|Sfn|Athena)\.[A-Za-z0-9.]+")
# Fields that take a JSONata string, where cfn-lint's schema knows a number only.
NUMBERS = {"MaxConcurrency", "ToleratedFailurePercentage", "ToleratedFailureCount", "MaxItemsPerBatch"}

machines = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def lint(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What cfn-lint says of each definition; most of its time is its start, so it reads them all in one run."""
    folder = tmp_path_factory.mktemp("lint")
    paths = {name: folder / f"{name}.json" for name in NAMES}
    for name, path in paths.items():
        path.write_text(json.dumps(_template_of(name)))
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    command = [str(each) for each in (cfn_lint, "--format", "json", *paths.values())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    findings = json.loads(done.stdout)
    assert bool(findings) == bool(done.returncode), done.stderr
    found = {name: [each for each in findings if each["Filename"] == str(path)] for name, path in paths.items()}
    assert sum(map(len, found.values())) == len(findings)
    return found


def _template_of(name: str) -> dict[str, Any]:
    # cfn-lint reads a resource's ARN before it applies the substitutions.
    filled = json.loads(json.dumps(definition(name)).replace("${Partition}", "aws"))
    properties = {
        "RoleArn": "arn:aws:iam::111122223333:role/sluice",
        "Definition": _with_numbers(filled),
        "DefinitionSubstitutions": dict.fromkeys(machine_resource(name)["DefinitionSubstitutions"], "value"),
    }
    resources = {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}


@machines
def test_cfn_lint_accepts_the_definition(name: str, lint: dict[str, list[Any]]) -> None:
    assert lint[name] == []


def _with_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: 1 if key in NUMBERS and isinstance(each, str) else _with_numbers(each) for key, each in value.items()
        }
    return [_with_numbers(each) for each in value] if isinstance(value, list) else value


@machines
def test_every_expression_compiles(name: str) -> None:
    expressions = [each for each in strings(definition(name)) if each.startswith("{%")]
    assert expressions
    for each in expressions:
        assert each.endswith("%}")
        Jsonata(each.removeprefix("{%").removesuffix("%}"))


@machines
def test_placeholders_are_those_that_the_template_fills(name: str) -> None:
    text = "".join(strings(definition(name)))
    assert set(re.findall(r"\$\{(\w+)\}", text)) == set(machine_resource(name)["DefinitionSubstitutions"])


@machines
def test_every_task_has_timeout_retry_and_catch(name: str) -> None:
    for state_name, state in all_states(definition(name)):
        if state["Type"] == "Task":
            missing = {"TimeoutSeconds", "Retry", "Catch"} - set(state)
            assert not missing, f"{state_name} has no {missing}"


@machines
def test_every_retry_names_its_errors_and_is_capped(name: str) -> None:
    for state_name, state in all_states(definition(name)):
        for retry in state.get("Retry", []):
            assert "States.ALL" not in retry["ErrorEquals"], state_name
            assert {"MaxAttempts", "MaxDelaySeconds"} <= set(retry), state_name
            assert retry["JitterStrategy"] == "FULL", state_name


@machines
def test_catch_all_stands_last_and_alone(name: str) -> None:
    for state_name, state in all_states(definition(name)):
        for position, catch in enumerate(state.get("Catch", []), 1):
            if "States.ALL" in catch["ErrorEquals"]:
                assert catch["ErrorEquals"] == ["States.ALL"], state_name
                assert position == len(state["Catch"]), state_name


@machines
def test_error_names_are_ours_or_those_of_aws(name: str) -> None:
    for state_name, state in all_states(definition(name)):
        for each in [*state.get("Retry", []), *state.get("Catch", [])]:
            for error in each["ErrorEquals"]:
                assert error in OWN_ERRORS or AWS_ERRORS.fullmatch(error), f"{state_name}: {error}"


@machines
def test_every_state_is_reached(name: str) -> None:
    for machine in _machines(definition(name)):
        reached = {machine["StartAt"]}
        for state in machine["States"].values():
            reached |= {value for key, value in _links(state) if key in ("Next", "Default")}
        assert reached == set(machine["States"])


def _machines(machine: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [each["ItemProcessor"] for each in machine["States"].values() if "ItemProcessor" in each]
    return [machine, *(found for each in inner for found in _machines(each))]


def _links(state: dict[str, Any]) -> list[tuple[str, Any]]:
    own = [(key, value) for key, value in state.items() if key != "ItemProcessor"]
    nested = [each for key, value in own if isinstance(value, list) for each in value if isinstance(each, dict)]
    return own + [link for each in nested for link in each.items()]


@machines
def test_workflow_has_an_event(name: str) -> None:
    assert json.loads((ROOT / "events" / "workflows" / f"{name}.json").read_text())


def test_every_function_has_one_name_everywhere() -> None:
    functions = {
        logical_id: each["Properties"]["Handler"]
        for logical_id, each in resources().items()
        if each["Type"] == "AWS::Serverless::Function"
    }
    assert functions
    for logical_id, handler in functions.items():
        folder = handler.removesuffix(".handler.lambda_handler")
        assert logical_id == "".join(part.capitalize() for part in folder.split("_")) + "Function"
        assert (ROOT / "functions" / folder / "handler.py").is_file()
        assert (ROOT / "tests" / "unit" / f"test_{folder}.py").is_file()
        assert list((ROOT / "events" / folder).glob("*.json"))


@machines
def test_resources_are_in_the_partition_of_the_stack(name: str) -> None:
    """In GovCloud and China arn:aws: fails."""
    assert "arn:aws" not in (ROOT / "statemachines" / f"{name}.asl.json").read_text()
    assert machine_resource(name)["DefinitionSubstitutions"]["Partition"] == {"Ref": "AWS::Partition"}
