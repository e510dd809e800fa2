"""`sluice local deploy`: what it does for which change, and that what it did is live."""

from __future__ import annotations

import fcntl
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sluice_cli import local
from sluice_cli.local_state import STATE_DIRECTORY
from sluice_cli.main import main
from sluice_cli.sandbox import empty_sandbox
from sluice_cli.surroundings import Surroundings
from tests.local.deployed import Deployed

DEADLINE_SECONDS = 120
HANDLER = Path("functions", "plan_load", "handler.py")
DEFINITION = Path("statemachines", "csv_load.asl.json")
UP_TO_DATE = "sluice is up to date"
DEPLOYED = "deployed sluice"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A copy of the project on a local AWS of its own, deployed once."""
    with empty_sandbox(tmp_path_factory.mktemp("project")) as empty:
        assert empty.deploy() == 0
        yield Deployed(empty.surroundings, empty.aws)


@pytest.fixture
def without_sam(stack: Deployed) -> Surroundings:
    """The surroundings of a command that finds no SAM."""
    return replace(stack.surroundings, sam=Path("/nonexistent/sam"), stderr=io.StringIO())


def deploy(surroundings: Surroundings, *options: str) -> str:
    """Deploy; returns what the command said."""
    assert main(["local", "deploy", *options], surroundings) == 0, said(surroundings)
    return said(surroundings)


def said(surroundings: Surroundings) -> str:
    stream = surroundings.stderr
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answer_of_plan_load(stack: Deployed) -> dict[str, Any]:
    """The answer of the deployed function to an empty event."""
    found = stack.client("lambda").invoke(FunctionName=stack.outputs["PlanLoadFunctionName"], Payload=b"{}")
    answer: dict[str, Any] = json.loads(found["Payload"].read())
    return answer


def let_plan_load_answer(stack: Deployed, text: str) -> None:
    code = f"def lambda_handler(event, context):\n    return {{'answer': {text!r}}}\n"
    (stack.surroundings.root / HANDLER).write_text(code)


def comment_of_csv_load(stack: Deployed) -> str:
    found = stack.stepfunctions.describe_state_machine(stateMachineArn=stack.machine_arn("csv_load"))
    comment: str = json.loads(found["definition"])["Comment"]
    return comment


def let_csv_load_say(stack: Deployed, comment: str) -> None:
    path = stack.surroundings.root / DEFINITION
    path.write_text(json.dumps(json.loads(path.read_text()) | {"Comment": comment}, indent=2))


def last_change(stack: Deployed) -> tuple[Any, int]:
    """When the stack changed last, and how many change sets it has."""
    cloudformation = stack.client("cloudformation")
    (found,) = cloudformation.describe_stacks(StackName="sluice")["Stacks"]
    return found.get("LastUpdatedTime"), len(cloudformation.list_change_sets(StackName="sluice")["Summaries"])


def test_nothing_happens_when_nothing_changed(stack: Deployed, without_sam: Surroundings) -> None:
    deploy(without_sam)
    before = last_change(stack)

    assert UP_TO_DATE in deploy(without_sam)
    assert last_change(stack) == before


def test_changed_function_is_live_without_a_build(stack: Deployed, without_sam: Surroundings) -> None:
    let_plan_load_answer(stack, "changed")

    assert DEPLOYED in deploy(without_sam)
    assert answer_of_plan_load(stack) == {"answer": "changed"}


def test_changed_definition_is_live_without_a_build(stack: Deployed, without_sam: Surroundings) -> None:
    let_csv_load_say(stack, "changed")

    assert DEPLOYED in deploy(without_sam)
    assert comment_of_csv_load(stack) == "changed"


def test_changed_template_is_built_and_live(stack: Deployed) -> None:
    template = stack.surroundings.root / "template.yaml"
    template.write_text(template.read_text().replace("MemorySize: 1769", "MemorySize: 1770", 1))

    assert stack.deploy() == 0
    found = stack.client("lambda").get_function_configuration(FunctionName=stack.outputs["PlanLoadFunctionName"])
    assert found["MemorySize"] == 1770


def test_parameter_keeps_its_value_until_it_is_given_again(stack: Deployed, without_sam: Surroundings) -> None:
    def level() -> str:
        name = stack.outputs["PlanLoadFunctionName"]
        found = stack.client("lambda").get_function_configuration(FunctionName=name)
        return str(found["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"])

    deploy(without_sam, "--parameter", "LogLevel=DEBUG")
    assert level() == "DEBUG"
    let_csv_load_say(stack, "with another level")
    deploy(without_sam)
    assert (level(), comment_of_csv_load(stack)) == ("DEBUG", "with another level")
    deploy(without_sam, "--parameter", "LogLevel=INFO")
    assert level() == "INFO"


def test_refused_parameter_fails_the_command(without_sam: Surroundings) -> None:
    assert main(["local", "deploy", "--parameter", "NoSuchParameter=x"], without_sam) == 1
    assert "NoSuchParameter" in said(without_sam)


def test_failed_first_deployment_tells_why_and_does_not_block_the_next(
    stack: Deployed, without_sam: Surroundings
) -> None:
    own = ("--stack-name", "second")
    broken = ("--parameter", "ExportTables=orders", "--parameter", "ExportProcess={")
    assert main(["local", "deploy", *own, *broken], without_sam) == 1
    assert "second ended as ROLLBACK_COMPLETE" in said(without_sam)
    assert "CREATE_FAILED AWS::Scheduler::Schedule ExportScheduleFororders: " in said(without_sam)
    assert "it must be well-formed JSON" in said(without_sam)

    assert "deployed second" in deploy(without_sam, *own)
    (found,) = stack.client("cloudformation").describe_stacks(StackName="second")["Stacks"]
    assert found["StackStatus"] == "CREATE_COMPLETE"


def test_deployments_take_turns(stack: Deployed, without_sam: Surroundings) -> None:
    ended: list[int] = []
    with (stack.surroundings.root / STATE_DIRECTORY / "deploy.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=lambda: ended.append(main(["local", "deploy"], without_sam)))
        thread.start()
        wait_for(lambda: "another `sluice local deploy` is running" in said(without_sam))
        assert "is up to date" not in said(without_sam)
    thread.join(DEADLINE_SECONDS)
    assert ended == [0]


def test_watched_changes_go_live_until_local_aws_ends(tmp_path: Path) -> None:
    with empty_sandbox(tmp_path) as empty:
        stack = Deployed(empty.surroundings, empty.aws)
        watching = replace(stack.surroundings, stderr=io.StringIO())
        ended: list[int] = []
        thread = threading.Thread(target=lambda: ended.append(main(["local", "deploy", "--watch"], watching)))
        thread.start()
        wait_for(lambda: "watching for changes" in said(watching))
        let_plan_load_answer(stack, "watched")
        wait_for(lambda: answer_of_plan_load(stack) == {"answer": "watched"})
        definition = stack.surroundings.root / DEFINITION
        intact = definition.read_text()
        definition.write_text("{")
        wait_for(lambda: "sluice: " in said(watching))
        definition.write_text(intact)
        let_csv_load_say(stack, "watched")
        wait_for(lambda: comment_of_csv_load(stack) == "watched")
        local.end(stack.surroundings.root, stack.aws)
        thread.join(DEADLINE_SECONDS)
    assert ended == [3]
    assert "local AWS has ended" in said(watching)
