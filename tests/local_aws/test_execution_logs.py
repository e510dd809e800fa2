"""What executions and functions leave in CloudWatch Logs."""

import base64
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from local_aws.stepfunctions.execution_logs import is_logged
from tests.local_aws.conftest import ROLE, Client, Run
from tests.local_aws.stack_operations import Stacks

DEADLINE_SECONDS = 30
FAILING = {
    "StartAt": "Prepare",
    "States": {
        "Prepare": {"Type": "Pass", "Next": "Give"},
        "Give": {"Type": "Fail", "Error": "Odd", "Cause": "no reason"},
    },
}


@pytest.fixture
def log_group(client: Client, name: str) -> str:
    client("logs").create_log_group(logGroupName=f"/{name}")
    return f"/{name}"


@pytest.fixture
def messages(client: Client) -> Callable[[str], list[str]]:
    """The messages of a log group, oldest first."""
    return lambda group: [each["message"] for each in client("logs").filter_log_events(logGroupName=group)["events"]]


def logging_to(group: str, level: str, *, is_full: bool) -> dict[str, Any]:
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{group}:*"
    destination = {"cloudWatchLogsLogGroup": {"logGroupArn": arn}}
    return {"level": level, "includeExecutionData": is_full, "destinations": [destination]}


def run_failing(client: Client, name: str, logging: dict[str, Any], ended: Run) -> str:
    """Run a state machine that fails; returns the execution's ARN."""
    machine = client("stepfunctions").create_state_machine(
        name=name, definition=json.dumps(FAILING), roleArn=ROLE, loggingConfiguration=logging
    )
    started = client("stepfunctions").start_execution(stateMachineArn=machine["stateMachineArn"], input='{"secret": 1}')
    ended(started["executionArn"])
    return str(started["executionArn"])


def logged(messages: Callable[[str], list[str]], group: str, last: str) -> list[dict[str, Any]]:
    """The events once this one, the execution's last, is among them."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    events: list[dict[str, Any]] = []
    while last not in [each["type"] for each in events]:
        assert time.monotonic() < deadline, events
        time.sleep(0.02)
        events = [json.loads(each) for each in messages(group)]
    return events


def test_errors_are_logged_without_execution_data(
    client: Client, name: str, log_group: str, messages: Callable[[str], list[str]], ended: Run
) -> None:
    execution = run_failing(client, name, logging_to(log_group, "ERROR", is_full=False), ended)
    entered, failed = logged(messages, log_group, "ExecutionFailed")
    assert entered["type"] == "FailStateEntered"
    assert entered["details"] == {"name": "Give"}
    assert failed["details"] == {"error": "Odd", "cause": "no reason"}
    assert failed["execution_arn"] == execution
    assert (failed["id"], failed["previous_event_id"], failed["redrive_count"]) == ("5", "4", "0")
    assert failed["event_timestamp"].isdecimal()
    (stream,) = client("logs").describe_log_streams(logGroupName=log_group)["logStreams"]
    assert stream["logStreamName"].startswith(f"states/{name}/")


def test_everything_is_logged_with_execution_data(
    client: Client, name: str, log_group: str, messages: Callable[[str], list[str]], ended: Run
) -> None:
    run_failing(client, name, logging_to(log_group, "ALL", is_full=True), ended)
    events = logged(messages, log_group, "ExecutionFailed")
    kinds = ["ExecutionStarted", "PassStateEntered", "PassStateExited", "FailStateEntered", "ExecutionFailed"]
    assert [each["type"] for each in events] == kinds
    assert json.loads(events[0]["details"]["input"]) == {"secret": 1}


def test_nothing_is_logged_when_logging_is_off(
    client: Client, name: str, log_group: str, messages: Callable[[str], list[str]], ended: Run
) -> None:
    logging = {"level": "OFF", "includeExecutionData": False}
    run_failing(client, name, logging, ended)
    run_failing(client, f"{name}-logged", logging_to(log_group, "FATAL", is_full=False), ended)
    (only,) = logged(messages, log_group, "ExecutionFailed")
    assert f":{name}-logged:" in only["execution_arn"]


@pytest.mark.parametrize(
    ("kind", "levels"),
    [
        ("ExecutionSucceeded", ["ALL"]),
        ("TaskFailed", ["ALL", "ERROR"]),
        ("MapRunAborted", ["ALL", "ERROR"]),
        ("FailStateEntered", ["ALL", "ERROR"]),
        ("ExecutionTimedOut", ["ALL", "ERROR", "FATAL"]),
    ],
)
def test_levels_log_what_the_documentation_lists(kind: str, levels: list[str]) -> None:
    assert [each for each in ("ALL", "ERROR", "FATAL", "OFF") if is_logged(kind, each)] == levels


def test_machine_of_a_stack_tells_its_logging_configuration(client: Client, name: str, log_group: str) -> None:
    stacks = Stacks(client("cloudformation"))

    def resources(level: str) -> dict[str, Any]:
        arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{log_group}:*"
        properties = {
            "RoleArn": ROLE,
            "DefinitionString": json.dumps(FAILING),
            "LoggingConfiguration": {
                "Level": level,
                "IncludeExecutionData": False,
                "Destinations": [{"CloudWatchLogsLogGroup": {"LogGroupArn": arn}}],
            },
        }
        return {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}

    def described() -> dict[str, Any]:
        arn = stacks.physical_id(name, "Machine")
        found: dict[str, Any] = client("stepfunctions").describe_state_machine(stateMachineArn=arn)
        return dict(found["loggingConfiguration"])

    assert stacks.create(name, resources("ERROR")) == "CREATE_COMPLETE"
    assert described() == logging_to(log_group, "ERROR", is_full=False)
    assert stacks.update(name, resources("ALL")) == "UPDATE_COMPLETE"
    assert described() == logging_to(log_group, "ALL", is_full=False)


def test_exception_of_a_function_is_in_its_log(
    client: Client, function: Callable[..., str], messages: Callable[[str], list[str]]
) -> None:
    source = "def handler(e, c):\n    print('before')\n    raise KeyError('x')"
    name = function(source)
    answer = client("lambda").invoke(FunctionName=name, Payload=b"{}", LogType="Tail")
    tail = base64.b64decode(answer["LogResult"]).decode()
    found = messages(f"/aws/lambda/{name}")
    for text in ("before", "[ERROR] KeyError: 'x'", "Traceback (most recent call last):", "raise KeyError('x')"):
        assert text in tail
        assert any(text in each for each in found), text


def test_import_that_fails_is_in_the_functions_log(
    client: Client, function: Callable[..., str], messages: Callable[[str], list[str]]
) -> None:
    name = function("import no_such_module")
    client("lambda").invoke(FunctionName=name, Payload=b"{}")
    expected = "[ERROR] Runtime.ImportModuleError: Unable to import module 'index': No module named 'no_such_module'"
    assert expected in messages(f"/aws/lambda/{name}")


def test_nested_template_is_transformed(client: Client, bucket: str, name: str) -> None:
    queue = {"Type": "AWS::Serverless::SimpleTable"}
    nested = {"Transform": "AWS::Serverless-2016-10-31", "Resources": {"Items": queue}}
    client("s3").put_object(Bucket=bucket, Key="nested.json", Body=json.dumps(nested))
    url = f"{client('s3').meta.endpoint_url}/{bucket}/nested.json"
    stacks = Stacks(client("cloudformation"))
    resources = {"Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}}
    capabilities = ["CAPABILITY_AUTO_EXPAND"]
    own_name = f"outer-{uuid.uuid4().hex[:8]}"
    assert stacks.create(own_name, resources, Capabilities=capabilities) == "CREATE_COMPLETE"
    inner = stacks.physical_id(own_name, "Inner")
    table = stacks.physical_id(inner, "Items")
    assert client("dynamodb").describe_table(TableName=table)["Table"]["KeySchema"][0]["AttributeName"] == "id"
