"""States, on a started local AWS."""

import json
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.stepfunctions import scope as scopes
from local_aws.stepfunctions.installation import prepare
from local_aws.stepfunctions.walk import walk

Run = Callable[..., dict[str, Any]]
PASS = {"Type": "Pass", "End": True}


def test_succeed_evaluates_its_output(run_state: Run) -> None:
    assert run_state({"Type": "Succeed", "Output": "{% $states.input.a + 1 %}"}, {"a": 1})["output"] == 2


def test_parallel_output_sees_the_branches_results(run_state: Run) -> None:
    branches = [{"StartAt": name, "States": {name: {**PASS, "Output": value}}} for name, value in (("P", 1), ("Q", 2))]
    state = {"Type": "Parallel", "Branches": branches, "Output": {"sum": "{% $sum($states.result) %}"}}
    assert run_state(state)["output"] == {"sum": 3}


def test_choice_without_a_match_goes_with_the_states_own_output(run_machine: Run) -> None:
    choice = {
        "Type": "Choice",
        "Choices": [{"Condition": "{% false %}", "Next": "End"}],
        "Default": "End",
        "Output": {"chosen": "default"},
    }
    ended = run_machine({"StartAt": "Choose", "States": {"Choose": choice, "End": PASS}})
    assert ended["output"] == {"chosen": "default"}


def test_undefined_result_names_the_field(run_state: Run) -> None:
    ended = run_state({"Type": "Pass", "Output": {"x": "{% $states.input.missing %}"}})
    assert ended["error"] == "States.QueryEvaluationError"
    assert "specified for the field 'Output/x' returned nothing (undefined)." in ended["cause"]


def test_endless_expression_is_stopped(run_state: Run) -> None:
    endless = "{% ($f := function($n) { $f($n + 1) }; $f(0)) %}"
    assert run_state({"Type": "Pass", "Output": endless})["error"] == "States.QueryEvaluationError"


def test_null_is_a_value(run_state: Run) -> None:
    state = {"Type": "Pass", "Output": {"x": "{% $states.input.a %}", "y": "{% [$states.input.a] %}"}}
    assert run_state(state, {"a": None})["output"] == {"x": None, "y": [None]}


def test_variables_of_a_branch_do_not_escape(run_machine: Run) -> None:
    inner = {"StartAt": "P", "States": {"P": {**PASS, "Assign": {"own": 2}, "Output": "{% $outer %}"}}}
    states = {
        "Set": {"Type": "Pass", "Assign": {"outer": 1}, "Next": "Both"},
        "Both": {"Type": "Parallel", "Branches": [inner], "Next": "Look"},
        "Look": {**PASS, "Output": {"seen": "{% $states.input %}", "own": "{% $exists($own) %}"}},
    }
    assert run_machine({"StartAt": "Set", "States": states})["output"] == {"seen": [1], "own": False}


def test_result_over_256_kib_is_refused_past_states_all(run_machine: Run) -> None:
    big = {
        "Type": "Parallel",
        "Branches": [{"StartAt": "P", "States": {"P": {**PASS, "Output": "{% $pad('', 262145, 'x') %}"}}}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
        "End": True,
    }
    ended = run_machine({"StartAt": "Big", "States": {"Big": big, "Caught": PASS}})
    assert ended["error"] == "States.DataLimitExceeded"


def test_machine_times_out_while_a_state_waits(run_machine: Run) -> None:
    wait = {"Type": "Wait", "Seconds": 60, "End": True}
    ended = run_machine({"StartAt": "W", "States": {"W": wait}, "TimeoutSeconds": 1})
    assert ended["status"] == "TIMED_OUT"
    assert "error" not in ended


def test_stopped_execution_ends_at_once(
    start_machine: Callable[..., str], ended: Run, client: Callable[[str], Any]
) -> None:
    arn = start_machine({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": True}}})
    client("stepfunctions").stop_execution(executionArn=arn, error="Enough", cause="of it")
    execution = ended(arn)
    assert (execution["status"], execution["error"], execution["cause"]) == ("ABORTED", "Enough", "of it")


def test_context_object_holds_what_aws_puts_there(run_state: Run) -> None:
    output = run_state({"Type": "Pass", "Output": "{% $states.context %}"}, {"a": 1})["output"]
    assert set(output) == {"Execution", "StateMachine", "State"}
    assert set(output["Execution"]) == {"Id", "Input", "StartTime", "Name", "RoleArn", "RedriveCount"}
    assert output["Execution"]["Input"] == {"a": 1}
    assert set(output["State"]) == {"Name", "EnteredTime"}


def test_retry_counts_its_attempts_and_then_catches(run_machine: Run) -> None:
    failing = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Mine", "Cause": "why"}}}
    retrier = {
        "ErrorEquals": ["Mine"],
        "IntervalSeconds": 1,
        "MaxAttempts": 2,
        "MaxDelaySeconds": 1,
        "JitterStrategy": "FULL",
    }
    catcher = {
        "ErrorEquals": ["States.ALL"],
        "Next": "Caught",
        "Output": {
            "error": "{% $states.errorOutput.Error %}",
            "tries": "{% $states.context.State.RetryCount %}",
        },
    }
    state = {"Type": "Parallel", "Branches": [failing], "Retry": [retrier], "Catch": [catcher], "End": True}
    ended = run_machine({"StartAt": "Try", "States": {"Try": state, "Caught": PASS}})
    assert ended["output"] == {"error": "Mine", "tries": 2}


def test_child_failure_reaches_the_parent_as_json(run_state: Run, client: Callable[[str], Any], name: str) -> None:
    child = client("stepfunctions").create_state_machine(
        name=f"{name}-child",
        definition=json.dumps({"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Mine", "Cause": "why"}}}),
        roleArn="arn:aws:iam::000000000000:role/local",
    )
    ended = run_state(
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "Arguments": {"StateMachineArn": child["stateMachineArn"], "Input": {"a": 1}},
        }
    )
    assert ended["error"] == "States.TaskFailed"
    cause = json.loads(ended["cause"])
    assert (cause["Status"], cause["Error"], cause["Cause"], cause["Input"]) == (
        "FAILED",
        "Mine",
        "why",
        {"a": 1},
    )


def test_same_name_and_input_start_one_execution(client: Callable[[str], Any], name: str) -> None:
    machine = client("stepfunctions").create_state_machine(
        name=name,
        definition=json.dumps({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 20, "End": True}}}),
        roleArn="arn:aws:iam::000000000000:role/local",
    )["stateMachineArn"]
    start = client("stepfunctions").start_execution
    first = start(stateMachineArn=machine, name="one", input="{}")
    assert start(stateMachineArn=machine, name="one", input="{}")["executionArn"] == first["executionArn"]
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        start(stateMachineArn=machine, name="one", input='{"a": 1}')
    client("stepfunctions").stop_execution(executionArn=first["executionArn"])


@pytest.mark.parametrize(
    ("text", "error"), [("{", "InvalidExecutionInput"), (json.dumps("x" * 262_143), "ValidationException")]
)
def test_input_that_no_execution_can_have_is_refused(
    client: Callable[[str], Any], name: str, text: str, error: str
) -> None:
    machine = client("stepfunctions").create_state_machine(
        name=name,
        definition=json.dumps({"StartAt": "P", "States": {"P": PASS}}),
        roleArn="arn:aws:iam::000000000000:role/local",
    )["stateMachineArn"]
    with pytest.raises(ClientError, match=error):
        client("stepfunctions").start_execution(stateMachineArn=machine, input=text)


def test_express_execution_returns_its_output(client: Callable[[str], Any], name: str) -> None:
    machine = client("stepfunctions").create_state_machine(
        name=name,
        type="EXPRESS",
        definition=json.dumps({"StartAt": "P", "States": {"P": PASS}}),
        roleArn="arn:aws:iam::000000000000:role/local",
    )["stateMachineArn"]
    answer = client("stepfunctions").start_sync_execution(stateMachineArn=machine, input='{"a": 1}')
    assert json.loads(answer["output"]) == {"a": 1}
    assert ":express:" in answer["executionArn"]


def test_timestamps_in_the_past_do_not_wait(run_state: Run) -> None:
    waited: list[float] = []

    class Watched(scopes.Clock):
        def wait(self, seconds: float, stopped: Event) -> None:
            waited.append(seconds)

    prepare()
    state = {"Type": "Wait", "Timestamp": "2020-01-01T00:00:00Z", "End": True}
    run = scopes.Run({}, {}, scopes.History([]), Watched())
    scope = scopes.Scope(run, "JSONata", {})
    assert walk({"W": state}, "W", {"a": 1}, scope) == {"a": 1}
    assert waited == []
    assert run_state(state)["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("a b", "Label contains invalid character: ' '"),
        ("", "Label cannot be empty"),
        ("x" * 41, "exceed 40"),
    ],
)
def test_label_that_no_map_run_can_have_is_refused(
    start_machine: Callable[..., str], label: str, expected: str
) -> None:
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "P",
        "States": {"P": PASS},
    }
    state = {"Type": "Map", "Label": label, "ItemProcessor": processor, "End": True}
    with pytest.raises(ClientError, match=expected):
        start_machine({"StartAt": "M", "States": {"M": state}})
