"""EventBridge Scheduler: what is due is started with the role's rights, what cannot be is retried and kept."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import LocalAws, clock, running
from local_aws.scheduler.expressions import InvalidExpressionError, occurrences
from tests.local_aws.conftest import DEADLINE_SECONDS, Client
from tests.local_aws.sessions import session_of

ACCOUNT = "000000000000"
SCHEDULER = "scheduler.amazonaws.com"
MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC).timestamp()
OFF = {"Mode": "OFF"}
UNIVERSAL = "arn:aws:scheduler:::aws-sdk:sfn:startExecution"
PASS = {"Type": "Pass", "End": True}
FAIL = {"Type": "Fail", "Error": "Never"}

Create = Callable[..., str]


def arn_of(machine: str) -> str:
    return f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:{machine}"


def until(found: Callable[[], Any]) -> Any:
    """What is found, once there is something."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError("nothing came")


def new_role(client: Client, name: str, trusted: str, condition: dict[str, Any] | None = None) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": trusted}, "Action": "sts:AssumeRole"}
    trust |= {"Condition": condition} if condition else {}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    return str(client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"])


@pytest.fixture(scope="module")
def enforcing() -> Iterator[LocalAws]:
    with running(enforce_iam=True, fault_injection=True) as started:
        yield started


@pytest.fixture(scope="module")
def client(enforcing: LocalAws) -> Client:
    session = session_of(enforcing)
    return lambda service: session.client(service, endpoint_url=enforcing.endpoint_url)


@pytest.fixture
def machine(client: Client, name: str) -> Callable[..., str]:
    def create(state: dict[str, Any] = PASS) -> str:
        role_arn = new_role(client, f"{name}-machine", "states.amazonaws.com")
        definition = json.dumps({"StartAt": "Only", "States": {"Only": state}})
        answer = client("stepfunctions").create_state_machine(name=name, definition=definition, roleArn=role_arn)
        return str(answer["stateMachineArn"])

    return create


@pytest.fixture
def queue(client: Client, name: str) -> str:
    return str(client("sqs").create_queue(QueueName=name)["QueueUrl"])


@pytest.fixture
def role(client: Client, name: str) -> Callable[..., str]:
    """Creates the schedule's role."""

    def create(*actions: str, trusted: str = SCHEDULER, condition: dict[str, Any] | None = None) -> str:
        role_arn = new_role(client, name, trusted, condition)
        if actions:
            rights = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
            policy = json.dumps({"Version": "2012-10-17", "Statement": [rights]})
            client("iam").put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=policy)
        return role_arn

    return create


@pytest.fixture
def schedule(client: Client, name: str) -> Iterator[Create]:
    """Creates a schedule; returns its name."""

    def create(target: dict[str, Any], expression: str = "rate(1 hour)", suffix: str = "", **settings: Any) -> str:
        given = {"FlexibleTimeWindow": OFF, **settings}
        client("scheduler").create_schedule(Name=name + suffix, ScheduleExpression=expression, Target=target, **given)
        return name + suffix

    yield create
    for each in client("scheduler").list_schedules(NamePrefix=name)["Schedules"]:
        client("scheduler").delete_schedule(Name=each["Name"])


@pytest.fixture
def executions(client: Client) -> Callable[[str], list[dict[str, Any]]]:
    """The executions of a machine, described."""

    def find(machine_arn: str) -> list[dict[str, Any]]:
        states = client("stepfunctions")
        listed = states.list_executions(stateMachineArn=machine_arn)["executions"]
        return [states.describe_execution(executionArn=each["executionArn"]) for each in listed]

    return find


@pytest.fixture
def dead_letters(client: Client, queue: str) -> Callable[[], list[dict[str, Any]]]:
    """What is in the queue, with attributes as plain values."""

    def receive() -> list[dict[str, Any]]:
        answer = client("sqs").receive_message(QueueUrl=queue, MessageAttributeNames=["All"])
        return [
            {"body": each["Body"]}
            | {name: value["StringValue"] for name, value in each.get("MessageAttributes", {}).items()}
            for each in answer.get("Messages", [])
        ]

    return receive


def dead_letter_config(queue: str) -> dict[str, str]:
    return {"Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{queue.rsplit('/', 1)[-1]}"}


def test_a_rate_without_a_start_date_begins_at_once_with_its_keywords_replaced(
    machine: Create, role: Create, schedule: Create, executions: Any
) -> None:
    keywords = ("schedule-arn", "scheduled-time", "execution-id", "attempt-number")
    given = {each: f"<aws.scheduler.{each}>" for each in keywords}
    target = {"Arn": machine(), "RoleArn": role("states:StartExecution"), "Input": json.dumps(given)}
    created = schedule(target, FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15})
    (execution,) = until(lambda: executions(target["Arn"]))
    found = json.loads(execution["input"])
    assert found["schedule-arn"] == f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/default/{created}"
    assert found["attempt-number"] == "1"
    assert len(found["execution-id"]) == 16
    due = datetime.fromisoformat(found["scheduled-time"])
    assert timedelta(0) <= execution["startDate"] - due < timedelta(seconds=10)


def test_a_universal_target_names_its_execution(
    machine: Create, role: Create, schedule: Create, executions: Any
) -> None:
    arn = machine()
    given = {"StateMachineArn": arn, "Name": "at-<aws.scheduler.attempt-number>", "Input": '{"a": 1}'}
    schedule({"Arn": UNIVERSAL, "RoleArn": role("states:StartExecution"), "Input": json.dumps(given)})
    (execution,) = until(lambda: executions(arn))
    assert (execution["name"], execution["input"]) == ("at-1", '{"a": 1}')


def test_a_one_time_schedule_deletes_itself_if_configured(
    client: Client, machine: Create, role: Create, schedule: Create, executions: Any
) -> None:
    target = {"Arn": machine(), "RoleArn": role("states:StartExecution")}
    at = datetime.now(UTC) + timedelta(seconds=1)
    created = schedule(target, f"at({at:%Y-%m-%dT%H:%M:%S})", ActionAfterCompletion="DELETE")
    (execution,) = until(lambda: executions(target["Arn"]))
    assert execution["input"] == "{}"
    until(lambda: not client("scheduler").list_schedules(NamePrefix=created)["Schedules"])


def test_a_disabled_schedule_starts_nothing_until_it_is_enabled(
    client: Client, machine: Create, role: Create, schedule: Create, executions: Any
) -> None:
    target = {"Arn": machine(), "RoleArn": role("states:StartExecution")}
    disabled = schedule(target, State="DISABLED")
    schedule({**target, "Input": '"other"'}, suffix="-other")
    assert [each["input"] for each in until(lambda: executions(target["Arn"]))] == ['"other"']
    client("scheduler").update_schedule(
        Name=disabled, ScheduleExpression="rate(2 hours)", FlexibleTimeWindow=OFF, Target=target, State="ENABLED"
    )
    until(lambda: len(executions(target["Arn"])) == 2)


def test_what_cannot_be_delivered_is_retried_and_kept(
    role: Create, schedule: Create, queue: str, dead_letters: Any
) -> None:
    target = {
        "Arn": arn_of("missing"),
        "RoleArn": role("states:StartExecution", "sqs:SendMessage"),
        "Input": '{"attempt": "<aws.scheduler.attempt-number>"}',
        "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 60},
        "DeadLetterConfig": dead_letter_config(queue),
    }
    created = schedule(target)
    (letter,) = until(dead_letters)
    assert len(letter.pop("EXECUTION_ID")) == 16
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", letter.pop("SCHEDULED_TIME"))
    assert "missing" in letter.pop("ERROR_MESSAGE")
    assert letter == {
        "body": '{"attempt": "3"}',
        "ERROR_CODE": "StateMachineDoesNotExist",
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": "2",
        "SCHEDULE_ARN": f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/default/{created}",
        "TARGET_ARN": arn_of("missing"),
    }


def test_a_jump_of_the_clock_starts_what_was_missed_once(
    enforcing: LocalAws, machine: Create, role: Create, schedule: Create, executions: Any
) -> None:
    given = '{"time": "<aws.scheduler.scheduled-time>"}'
    target = {"Arn": machine(), "RoleArn": role("states:StartExecution"), "Input": given}
    schedule(target, "cron(0 * * * ? *)")
    now = clock.advance(enforcing, 40 * DAY)
    until(lambda: executions(target["Arn"]))
    clock.advance(enforcing, HOUR)
    until(lambda: len(executions(target["Arn"])) == 2)
    times = sorted(json.loads(each["input"])["time"] for each in executions(target["Arn"]))
    hour = now.replace(minute=0, second=0)
    assert times == [f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in (hour, hour + timedelta(hours=1))]


def test_an_event_grows_too_old_for_a_further_attempt(
    enforcing: LocalAws, role: Create, schedule: Create, queue: str, dead_letters: Any
) -> None:
    target = {
        "Arn": arn_of("missing"),
        "RoleArn": role("states:StartExecution", "sqs:SendMessage"),
        "RetryPolicy": {"MaximumEventAgeInSeconds": 60},
        "DeadLetterConfig": dead_letter_config(queue),
    }
    created = schedule(target)
    until(lambda: f"{created}: StateMachineDoesNotExist" in (enforcing.directory / "server.log").read_text())
    clock.advance(enforcing, 120)
    (letter,) = until(dead_letters)
    assert letter["EXHAUSTED_RETRY_CONDITION"] == "MaximumEventAgeInSeconds"
    assert int(letter["RETRY_ATTEMPTS"]) < 10


def test_a_role_that_may_not_start_the_machine_delivers_nothing(
    machine: Create, role: Create, schedule: Create, queue: str, dead_letters: Any, executions: Any
) -> None:
    target = {
        "Arn": machine(),
        "RoleArn": role("sqs:SendMessage"),
        "RetryPolicy": {"MaximumRetryAttempts": 0},
        "DeadLetterConfig": dead_letter_config(queue),
    }
    schedule(target)
    (letter,) = until(dead_letters)
    assert letter["ERROR_CODE"] == "AccessDeniedException"
    assert "states:StartExecution" in letter["ERROR_MESSAGE"]
    assert letter["RETRY_ATTEMPTS"] == "0"
    assert executions(target["Arn"]) == []


def test_a_role_that_may_not_send_loses_the_message(
    enforcing: LocalAws, role: Create, schedule: Create, queue: str, dead_letters: Any
) -> None:
    target = {
        "Arn": arn_of("missing"),
        "RoleArn": role("states:StartExecution"),
        "RetryPolicy": {"MaximumRetryAttempts": 0},
        "DeadLetterConfig": dead_letter_config(queue),
    }
    created = schedule(target)
    expected = f"schedule/default/{created}: the dead-letter queue refused"
    until(lambda: expected in (enforcing.directory / "server.log").read_text())
    assert dead_letters() == []


def test_a_started_execution_that_fails_is_no_dead_letter(
    machine: Create, role: Create, schedule: Create, queue: str, dead_letters: Any, executions: Any
) -> None:
    target = {
        "Arn": machine(FAIL),
        "RoleArn": role("states:StartExecution", "sqs:SendMessage"),
        "RetryPolicy": {"MaximumRetryAttempts": 0},
        "DeadLetterConfig": dead_letter_config(queue),
    }
    schedule(target)
    until(lambda: [each for each in executions(target["Arn"]) if each["status"] == "FAILED"])
    assert dead_letters() == []


@pytest.mark.parametrize(
    ("trusted", "condition", "is_trusted"),
    [
        (SCHEDULER, {"StringEquals": {"aws:SourceAccount": ACCOUNT}}, True),
        (SCHEDULER, {"StringEquals": {"aws:SourceAccount": "111111111111"}}, False),
        ("states.amazonaws.com", None, False),
    ],
)
def test_the_role_must_let_the_service_in(
    role: Create, schedule: Create, trusted: str, condition: dict[str, Any] | None, is_trusted: bool
) -> None:
    target = {"Arn": arn_of("any"), "RoleArn": role(trusted=trusted, condition=condition)}
    if is_trusted:
        schedule(target, State="DISABLED")
        return
    with pytest.raises(ClientError, match="must allow AWS EventBridge Scheduler to assume the role"):
        schedule(target, State="DISABLED")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"expression": "rate(5 weeks)"}, r"Invalid Schedule Expression rate\(5 weeks\)"),
        ({"expression": "at(2026-13-01T00:00:00)"}, "Invalid Schedule Expression at"),
        ({"ScheduleExpressionTimezone": "Mars/Olympus"}, "time zone"),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}, "MaximumWindowInMinutes"),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1441}}, "1440"),
        ({"target": {"Input": "{"}}, "well-formed"),
        ({"target": {"Arn": "arn:aws:scheduler:::aws-sdk:sfn:stopEverything"}}, "not supported"),
        ({"target": {"RetryPolicy": {"MaximumRetryAttempts": 186}}}, "less than or equal to 185"),
    ],
)
def test_what_no_schedule_can_be_is_refused(
    role: Create, schedule: Create, change: dict[str, Any], expected: str
) -> None:
    target = {"Arn": arn_of("any"), "RoleArn": role(), **change.pop("target", {})}
    with pytest.raises(ClientError, match=expected) as raised:
        schedule(target, **change)
    assert raised.value.response["Error"]["Code"] == "ValidationException"


def stack_template(target: dict[str, Any]) -> str:
    schedule = {
        "Type": "AWS::Scheduler::Schedule",
        "Properties": {
            "ScheduleExpression": "cron(0 3 * * ? *)",
            "ScheduleExpressionTimezone": "Europe/Zurich",
            "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": {"Ref": "Minutes"}},
            "State": {"Ref": "State"},
            "Target": {**target, "RetryPolicy": {"MaximumRetryAttempts": {"Ref": "Retries"}}},
        },
    }
    parameters = {"Minutes": "Number", "State": "String", "Retries": "Number"}
    return json.dumps(
        {"Parameters": {key: {"Type": each} for key, each in parameters.items()}, "Resources": {"S": schedule}}
    )


def test_a_stack_sets_every_property_and_updates_it(client: Client, name: str, role: Create) -> None:
    stacks = client("cloudformation")
    template = stack_template({"Arn": arn_of("any"), "RoleArn": role()})
    for operation, waiter, state in (("create_stack", "create", "ENABLED"), ("update_stack", "update", "DISABLED")):
        values = {"Minutes": "15", "State": state, "Retries": "3"}
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
        getattr(stacks, operation)(StackName=name, TemplateBody=template, Parameters=given)
        stacks.get_waiter(f"stack_{waiter}_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
        (resource,) = stacks.describe_stack_resources(StackName=name)["StackResources"]
        found = client("scheduler").get_schedule(Name=resource["PhysicalResourceId"])
        assert found["State"] == state
        assert found["ScheduleExpressionTimezone"] == "Europe/Zurich"
        assert found["FlexibleTimeWindow"]["MaximumWindowInMinutes"] == 15
        assert found["Target"]["RetryPolicy"] == {"MaximumRetryAttempts": 3}


def test_a_stack_fails_with_a_schedule_that_is_refused(client: Client, name: str, role: Create) -> None:
    template = stack_template({"Arn": arn_of("any"), "RoleArn": role(trusted="lambda.amazonaws.com")})
    given = [{"ParameterKey": key, "ParameterValue": "1"} for key in ("Minutes", "Retries")]
    given.append({"ParameterKey": "State", "ParameterValue": "ENABLED"})
    stacks = client("cloudformation")
    stacks.create_stack(StackName=name, TemplateBody=template, Parameters=given)
    events = until(
        lambda: [
            each["ResourceStatusReason"]
            for each in stacks.describe_stack_events(StackName=name)["StackEvents"]
            if each["ResourceStatus"] == "CREATE_FAILED"
        ]
    )
    assert "to assume the role" in events[0]


HOUR, DAY = 3_600.0, 86_400.0


@pytest.mark.parametrize(
    ("expression", "zone", "after", "until_time", "found"),
    [
        ("rate(1 hour)", "UTC", 0, 0.5 * HOUR, 0),
        ("rate(1 hour)", "UTC", 0.1, 0.9 * HOUR, None),
        ("rate(1 hour)", "UTC", 0.1, 40 * DAY + 5, 40 * DAY),
        ("rate(2 days)", "UTC", -1, -0.5, None),
        ("at(2026-11-21T01:00:00)", "UTC", float("-inf"), HOUR, HOUR),
        ("at(2026-11-21T01:00:00)", "Europe/Zurich", float("-inf"), 0, 0),
        ("at(2026-11-21T01:00:00)", "UTC", HOUR, DAY, None),
        ("cron(0/15 * * * ? *)", "UTC", 0, 0.3 * HOUR, 0.25 * HOUR),
        ("cron(0/15 * * * ? *)", "UTC", 0, 40 * DAY + 5, 40 * DAY),
        ("cron(30 2 * * ? *)", "UTC", 0, 2 * HOUR, None),
        ("cron(30 2 * * ? *)", "Europe/Zurich", 0, 2 * HOUR, 1.5 * HOUR),
        ("cron(30 2 1 * ? *)", "UTC", 0, 70 * DAY, 41 * DAY + 2.5 * HOUR),
        ("cron(0 0 1 1 ? 2020)", "UTC", 0, 70 * DAY, None),
    ],
)
def test_only_the_last_of_the_missed_occurrences_counts(
    expression: str, zone: str, after: float, until_time: float, found: float | None
) -> None:
    after -= 0.001 if after == 0 and expression.startswith("rate") else 0
    latest = occurrences(expression, zone, MIDNIGHT).latest(MIDNIGHT + after, MIDNIGHT + until_time)
    assert (None if latest is None else latest - MIDNIGHT) == found


@pytest.mark.parametrize("expression", ["", "rate(0 minutes)", "rate(-1 hours)", "cron(0 3 * * * *)", "at(tomorrow)"])
def test_other_texts_are_no_expressions(expression: str) -> None:
    with pytest.raises(InvalidExpressionError):
        occurrences(expression, "UTC", MIDNIGHT)
