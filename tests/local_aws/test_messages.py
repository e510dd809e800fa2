"""SQS, SNS and EventBridge from Task states: results, errors, and answers to tokens."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.conftest import Client, Run

SEND = "arn:aws:states:::sqs:sendMessage"
CALLBACK = f"{SEND}.waitForTaskToken"
PUT_EVENTS = "arn:aws:states:::events:putEvents"
ENTRY = {"Source": "tests", "DetailType": "told", "Detail": {"n": 1}}
DEADLINE_SECONDS = 60


@pytest.fixture
def queue(client: Client, name: str) -> str:
    return str(client("sqs").create_queue(QueueName=name)["QueueUrl"])


def task(resource: str, arguments: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, "Arguments": arguments, **fields}


def waiting(queue: str, **fields: Any) -> dict[str, Any]:
    body = {"token": "{% $states.context.Task.Token %}"}
    return task(CALLBACK, {"QueueUrl": queue, "MessageBody": body}, **fields)


def received_token(client: Client, queue: str) -> str:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        for message in client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", []):
            return str(json.loads(message["Body"])["token"])
    raise AssertionError("no message has come")


def kinds(client: Client, arn: str) -> list[str]:
    return [event["type"] for event in client("stepfunctions").get_execution_history(executionArn=arn)["events"]]


def test_a_message_is_sent_with_metadata(client: Client, queue: str, run_state: Run) -> None:
    output = run_state(task(SEND, {"QueueUrl": queue, "MessageBody": {"a": 1}}))["output"]
    assert set(output) == {"MD5OfMessageBody", "MessageId", "SdkHttpMetadata", "SdkResponseMetadata"}
    (message,) = client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert message["Body"] == '{"a":1}'


def test_sdk_calls_of_sqs_have_its_own_shapes(queue: str, run_state: Run) -> None:
    sdk = "arn:aws:states:::aws-sdk:sqs"
    sent = run_state(task(f"{sdk}:sendMessage", {"QueueUrl": queue, "MessageBody": "one"}))["output"]
    assert {"Md5OfMessageBody", "MessageId"} <= set(sent)
    received = run_state(task(f"{sdk}:receiveMessage", {"QueueUrl": queue}))["output"]
    assert [message["Body"] for message in received["Messages"]] == ["one"]
    assert "Md5OfBody" in received["Messages"][0]
    assert run_state(task(f"{sdk}:receiveMessage", {"QueueUrl": queue}))["output"] == {}


@pytest.mark.parametrize(
    ("resource", "arguments", "error", "cause"),
    [
        (SEND, {"QueueUrl": "none", "MessageBody": "m"}, "SQS.SdkClientException", "Unable to execute HTTP request: "),
        (
            "arn:aws:states:::sns:publish",
            {"TopicArn": "arn:aws:sns:us-east-1:000000000000:none", "Message": "m"},
            "SNS.NotFoundException",
            "Topic does not exist (Service: AmazonSNS; Status Code: 404; Error Code: NotFound; Request ID: ",
        ),
    ],
)
def test_errors_are_named_after_the_service(
    run_state: Run, resource: str, arguments: dict[str, Any], error: str, cause: str
) -> None:
    ended = run_state(task(resource, arguments))
    assert ended["error"] == error
    assert ended["cause"].startswith(cause)


def test_an_empty_message_is_refused(queue: str, run_state: Run) -> None:
    ended = run_state(task(SEND, {"QueueUrl": queue, "MessageBody": ""}))
    assert ended["error"] == "SQS.AmazonSQSException"
    assert (
        "must contain the parameter MessageBody. (Service: AmazonSQS; Status Code: 400; Error Code: " in ended["cause"]
    )


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({**ENTRY, "Detail": "no json"}, "MalformedDetail"),
        ({**ENTRY, "Detail": "[1]"}, "MalformedDetail"),
        ({"DetailType": "told", "Detail": {}}, "InvalidArgument"),
    ],
)
def test_events_that_cannot_be_put_fail_the_task(run_state: Run, entry: dict[str, Any], code: str) -> None:
    ended = run_state(task(PUT_EVENTS, {"Entries": [ENTRY, entry]}))
    assert ended["error"] == "EventBridge.FailedEntry"
    cause = json.loads(ended["cause"])
    assert cause["FailedEntryCount"] == 1
    assert list(cause["Entries"][0]) == ["EventId"]
    assert cause["Entries"][1]["ErrorCode"] == code


def test_put_events_says_what_is_wrong_with_an_entry(client: Client) -> None:
    entries = [{**ENTRY, "Detail": "{}"}, {**ENTRY, "Detail": "{"}]
    answer = client("events").put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][1] == {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}


def test_events_name_the_execution(client: Client, queue: str, name: str, run_state: Run) -> None:
    queue_arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    client("events").put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    client("events").put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": queue_arn}])
    ended = run_state(task(PUT_EVENTS, {"Entries": [{**ENTRY, "Source": name}]}))
    (message,) = client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
    assert json.loads(message["Body"])["resources"] == [ended["stateMachineArn"], ended["executionArn"]]


def test_a_token_is_answered_once(client: Client, queue: str, start_machine: Callable[..., str], ended: Run) -> None:
    arn = start_machine({"StartAt": "Only", "States": {"Only": waiting(queue, HeartbeatSeconds=600, End=True)}})
    token = received_token(client, queue)
    states = client("stepfunctions")
    states.send_task_heartbeat(taskToken=token)
    with pytest.raises(states.exceptions.InvalidOutput):
        states.send_task_success(taskToken=token, output="{")
    states.send_task_success(taskToken=token, output='"done"')
    assert ended(arn)["output"] == "done"
    kinds_of_interest = {"TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"}
    assert [kind for kind in kinds(client, arn) if kind in kinds_of_interest] == [
        *("TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"),
    ]
    with pytest.raises(states.exceptions.TaskTimedOut, match="Provided task does not exist anymore"):
        states.send_task_success(taskToken=token, output="1")


@pytest.mark.parametrize("operation", ["success", "failure", "heartbeat"])
def test_a_token_that_nobody_gave_is_invalid(client: Client, operation: str) -> None:
    given = {"output": "{}"} if operation == "success" else {}
    with pytest.raises(ClientError, match="Invalid Token: 'Invalid token'") as caught:
        getattr(client("stepfunctions"), f"send_task_{operation}")(taskToken="none", **given)
    assert caught.value.response["Error"]["Code"] == "InvalidToken"


def test_a_token_ends_the_wait_for_an_execution(
    client: Client, queue: str, name: str, start_machine: Callable[..., str], ended: Run
) -> None:
    states = client("stepfunctions")
    body = {"token": "{% $states.input.token %}"}
    inner = {
        "Send": task(SEND, {"QueueUrl": queue, "MessageBody": body}, Next="Wait"),
        "Wait": {"Type": "Wait", "Seconds": 600, "End": True},
    }
    created = states.create_state_machine(
        name=name,
        definition=json.dumps({"QueryLanguage": "JSONata", "StartAt": "Send", "States": inner}),
        roleArn="arn:aws:iam::000000000000:role/local",
    )
    machine = created["stateMachineArn"]
    arguments = {"StateMachineArn": machine, "Input": {"token": "{% $states.context.Task.Token %}"}}
    parent = task("arn:aws:states:::states:startExecution.sync:2", arguments, End=True)
    arn = start_machine({"StartAt": "Only", "States": {"Only": parent}})
    states.send_task_success(taskToken=received_token(client, queue), output='"early"')
    assert ended(arn)["output"] == "early"
    events = states.get_execution_history(executionArn=arn)["events"]
    details = next(event["taskScheduledEventDetails"] for event in events if event["type"] == "TaskScheduled")
    assert (details["resourceType"], details["resource"]) == ("states", "startExecution.sync:2")
    for execution in states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]:
        states.stop_execution(executionArn=execution["executionArn"])


def test_a_failure_may_have_no_name(client: Client, queue: str, start_machine: Callable[..., str], ended: Run) -> None:
    catcher = {"ErrorEquals": ["States.ALL"], "Next": "Caught"}
    states = {"Only": waiting(queue, Catch=[catcher], End=True), "Caught": {"Type": "Pass", "End": True}}
    arn = start_machine({"StartAt": "Only", "States": states})
    client("stepfunctions").send_task_failure(taskToken=received_token(client, queue))
    assert ended(arn)["output"] == {"Error": None, "Cause": None}


@pytest.mark.parametrize("limit", [{"TimeoutSeconds": 1}, {"HeartbeatSeconds": 1, "TimeoutSeconds": 600}])
def test_a_wait_for_an_answer_ends(client: Client, queue: str, run_machine: Run, limit: dict[str, int]) -> None:
    catcher = {"ErrorEquals": ["States.Timeout"], "Next": "Caught"}
    states = {"Only": waiting(queue, Catch=[catcher], **limit, End=True), "Caught": {"Type": "Pass", "End": True}}
    ended = run_machine({"StartAt": "Only", "States": states})
    assert ended["output"] == {"Error": "States.Timeout", "Cause": ""}
    events = client("stepfunctions").get_execution_history(executionArn=ended["executionArn"])["events"]
    (timed_out,) = [event for event in events if event["type"] == "TaskTimedOut"]
    assert timed_out["taskTimedOutEventDetails"]["error"] == "States.Timeout"
    assert "cause" not in timed_out["taskTimedOutEventDetails"]
    assert "TaskSubmitted" in [event["type"] for event in events]


def test_heartbeats_keep_a_task_waiting(
    client: Client, queue: str, start_machine: Callable[..., str], ended: Run
) -> None:
    state = waiting(queue, HeartbeatSeconds=3, End=True)
    arn = start_machine({"StartAt": "Only", "States": {"Only": state}})
    token, stopped = received_token(client, queue), threading.Event()

    def send_heartbeats() -> None:
        while not stopped.wait(0.2):
            client("stepfunctions").send_task_heartbeat(taskToken=token)

    beating = threading.Thread(target=send_heartbeats)
    beating.start()
    stopped.wait(5)
    status = client("stepfunctions").describe_execution(executionArn=arn)["status"]
    stopped.set()
    beating.join()
    assert status == "RUNNING"
    client("stepfunctions").send_task_success(taskToken=token, output="1")
    assert ended(arn)["output"] == 1
