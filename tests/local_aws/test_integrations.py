"""What Task states call: results, conditions, error names, and arguments that no call is made with."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.local_aws.conftest import Client, Run

DYNAMODB = "arn:aws:states:::dynamodb:"
DESCRIBE_EXECUTION = "arn:aws:states:::aws-sdk:sfn:describeExecution"
DESCRIBE_TABLE = "arn:aws:states:::aws-sdk:dynamodb:describeTable"
START_EXECUTION = "arn:aws:states:::states:startExecution"
MISSING = "arn:aws:states:us-east-1:000000000000:execution:missing:one"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z")
PASS = {"StartAt": "Only", "States": {"Only": {"Type": "Pass", "End": True}}}
FAIL = {"StartAt": "Only", "States": {"Only": {"Type": "Fail", "Error": "Never", "Cause": "no"}}}
WAIT = {"StartAt": "Only", "States": {"Only": {"Type": "Wait", "Seconds": 600, "End": True}}}
KEY = {"pk": {"S": "airports"}}

Call = Callable[[str, dict[str, Any]], dict[str, Any]]


@pytest.fixture
def call(run_state: Run) -> Call:
    """Runs a Task of this resource and these arguments; its output, or how it failed."""

    def run(resource: str, arguments: dict[str, Any]) -> dict[str, Any]:
        ended = run_state({"Type": "Task", "Resource": resource, "Arguments": arguments})
        if "output" not in ended:
            return {"error": ended["error"], "cause": ended["cause"]}
        return {name: value for name, value in ended["output"].items() if not name.startswith("Sdk")}

    return run


@pytest.mark.parametrize(
    ("definition", "expected"), [(PASS, {"Output": "{}"}), (FAIL, {"Error": "Never", "Cause": "no"})]
)
def test_an_execution_is_described(
    call: Call, start_machine: Callable[..., str], ended: Run, definition: dict[str, Any], expected: dict[str, str]
) -> None:
    arn = start_machine(definition)
    status = ended(arn)["status"]
    found = call(DESCRIBE_EXECUTION, {"ExecutionArn": arn})
    assert (found["ExecutionArn"], found["Status"], found["Input"]) == (arn, status, "{}")
    assert {name: found[name] for name in ("Output", "Error", "Cause") if name in found} == expected
    assert ("OutputDetails" in found) == ("Output" in expected)
    assert TIME.fullmatch(found["StartDate"])
    assert TIME.fullmatch(found["StopDate"])


def test_a_running_execution_has_no_end(call: Call, client: Client, start_machine: Callable[..., str]) -> None:
    arn = start_machine(WAIT)
    found = call(DESCRIBE_EXECUTION, {"ExecutionArn": arn})
    client("stepfunctions").stop_execution(executionArn=arn)
    assert found["Status"] == "RUNNING"
    assert not {"StopDate", "Output", "OutputDetails"} & set(found)


@pytest.mark.parametrize(
    ("arn", "error"), [(MISSING, "Sfn.ExecutionDoesNotExistException"), ("missing", "Sfn.InvalidArnException")]
)
def test_an_execution_that_is_not_there_has_an_error_of_its_own(call: Call, arn: str, error: str) -> None:
    found = call(DESCRIBE_EXECUTION, {"ExecutionArn": arn})
    assert found["error"] == error
    assert arn in found["cause"]


def test_an_execution_is_started_once_under_a_name(
    call: Call, client: Client, start_machine: Callable[..., str]
) -> None:
    states = client("stepfunctions")
    running = start_machine(WAIT)
    machine = states.describe_execution(executionArn=running)["stateMachineArn"]
    arguments = {"StateMachineArn": machine, "Name": "only", "Input": {"export": "one"}}
    first = call(START_EXECUTION, arguments)
    assert first["ExecutionArn"].endswith(":only")
    assert TIME.fullmatch(first["StartDate"])
    assert call(START_EXECUTION, arguments) == first
    other = call(START_EXECUTION, {**arguments, "Input": {"export": "two"}})
    assert other["error"] == "StepFunctions.ExecutionAlreadyExistsException"
    assert f"Execution Already Exists: '{first['ExecutionArn']}'" in other["cause"]
    for each in (running, first["ExecutionArn"]):
        states.stop_execution(executionArn=each)
    assert call(START_EXECUTION, arguments)["error"] == "StepFunctions.ExecutionAlreadyExistsException"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("2026-11-21T00:00:00Z", "InvalidNameException"),
        ("a b", "InvalidNameException"),
        ("a" * 81, "ValidationException"),
    ],
)
def test_names_that_no_execution_has_are_refused(
    call: Call, client: Client, start_machine: Callable[..., str], name: str, error: str
) -> None:
    machine = client("stepfunctions").describe_execution(executionArn=start_machine(PASS))["stateMachineArn"]
    found = call(START_EXECUTION, {"StateMachineArn": machine, "Name": name})
    assert found["error"] == f"StepFunctions.{error}"
    assert name in found["cause"]


def test_a_table_is_described(call: Call, table: str) -> None:
    found = call(DESCRIBE_TABLE, {"TableName": table})["Table"]
    assert found["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"}]
    assert (found["TableStatus"], found["TableArn"].rpartition("/")[2]) == ("ACTIVE", table)
    assert TIME.fullmatch(found["CreationDateTime"])
    assert call(DESCRIBE_TABLE, {"TableName": f"{table}-not"})["error"] == "DynamoDb.ResourceNotFoundException"


def test_nested_expressions_become_a_nested_item(call: Call, table: str) -> None:
    item = {
        "pk": KEY["pk"],
        "attempt": {"N": "{% $string(1 + 1) %}"},
        "current": {"M": {"to": {"S": "{% 'n' & 'ow' %}"}, "parts": {"L": "{% [1, 2].{'N': $string($)} %}"}}},
        "other": {"M": "{% {'done': {'BOOL': true}} %}"},
    }
    assert call(f"{DYNAMODB}putItem", {"TableName": table, "Item": item}) == {}
    found = call(f"{DYNAMODB}getItem", {"TableName": table, "Key": KEY, "ConsistentRead": True})
    assert found["Item"] == {
        "pk": KEY["pk"],
        "attempt": {"N": "2"},
        "current": {"M": {"to": {"S": "now"}, "parts": {"L": [{"N": "1"}, {"N": "2"}]}}},
        "other": {"M": {"done": {"BOOL": True}}},
    }
    assert call(f"{DYNAMODB}getItem", {"TableName": table, "Key": {"pk": {"S": "other"}}}) == {}


def lease(table: str, owner: str, returned: str) -> dict[str, Any]:
    return {
        "TableName": table,
        "Key": KEY,
        "UpdateExpression": "SET leaseOwner = :me, #status = :running REMOVE ended ADD version :one",
        "ConditionExpression": "attribute_not_exists(leaseOwner) OR leaseOwner = :me",
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {":me": {"S": owner}, ":running": {"S": "RUNNING"}, ":one": {"N": "1"}},
        "ReturnValues": returned,
    }


def test_a_conditional_update_returns_what_is_requested(call: Call, table: str) -> None:
    update = f"{DYNAMODB}updateItem"
    mine = {"leaseOwner": {"S": "me"}, "status": {"S": "RUNNING"}}
    assert call(update, lease(table, "me", "ALL_NEW"))["Attributes"] == {**KEY, **mine, "version": {"N": "1"}}
    assert call(update, lease(table, "me", "ALL_OLD"))["Attributes"] == {**KEY, **mine, "version": {"N": "1"}}
    assert call(update, lease(table, "me", "UPDATED_NEW"))["Attributes"] == {**mine, "version": {"N": "3"}}
    assert call(update, lease(table, "me", "NONE")) == {}


@pytest.mark.parametrize(
    ("resource", "prefix"), [(DYNAMODB, "DynamoDB"), ("arn:aws:states:::aws-sdk:dynamodb:", "DynamoDb")]
)
def test_a_condition_that_does_not_hold_has_a_name(call: Call, table: str, resource: str, prefix: str) -> None:
    call(f"{resource}updateItem", lease(table, "me", "NONE"))
    found = call(f"{resource}updateItem", lease(table, "other", "ALL_NEW"))
    assert found["error"] == f"{prefix}.ConditionalCheckFailedException"
    put = {"TableName": table, "Item": KEY, "ConditionExpression": "attribute_not_exists(pk)"}
    assert call(f"{resource}putItem", put)["error"] == f"{prefix}.ConditionalCheckFailedException"


@pytest.mark.parametrize(
    ("resource", "arguments", "expected"),
    [
        (f"{DYNAMODB}putItem", {"Item": {"n": {"N": 5}}}, "The value for the field 'N' must be a STRING"),
        (f"{DYNAMODB}putItem", {"Item": {"m": {"M": {"s": {"S": {}}}}}}, "The value for the field 'S' must be"),
        (f"{DYNAMODB}getItem", {"ConsistantRead": True}, "The field 'ConsistantRead' is not supported"),
        (DESCRIBE_EXECUTION, {"executionArn": MISSING}, "The field 'executionArn' is not supported"),
        (START_EXECUTION, {"ExecutionName": "n"}, "The field 'ExecutionName' is not supported by Step Functions"),
        ("arn:aws:states:::lambda:invoke", {"TaskToken": "t", "Payload": 1}, "The field 'TaskToken' is not"),
    ],
)
def test_no_call_is_made_with_arguments_that_it_does_not_take(
    run_state: Run, resource: str, arguments: dict[str, Any], expected: str
) -> None:
    # What an expression gives is checked when the task runs.
    found = run_state({"Type": "Task", "Resource": resource, "Arguments": "{% $states.input %}"}, arguments)
    assert found["error"] == "States.Runtime"
    assert found["cause"].startswith("An error occurred while executing the state 'Only' (entered at the event id #2).")
    assert f"could not be used to start the Task: [{expected}" in found["cause"]
