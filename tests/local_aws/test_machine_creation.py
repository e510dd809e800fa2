"""What CreateStateMachine and UpdateStateMachine ask of the role, on a local AWS that enforces IAM."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import LocalAws, running
from tests.local_aws.accounts import Account, policy
from tests.local_aws.conftest import ROLE, Client

RULE = "arn:aws:events:us-east-1:000000000000:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"
RULE_RIGHTS = [(f"events:{action}", RULE) for action in ("PutTargets", "PutRule", "DescribeRule")]
LOG_RIGHTS = [
    (f"logs:{action}", "*")
    for action in (
        "CreateLogDelivery",
        "GetLogDelivery",
        "UpdateLogDelivery",
        "DeleteLogDelivery",
        "ListLogDeliveries",
        "PutResourcePolicy",
        "DescribeResourcePolicies",
        "DescribeLogGroups",
    )
]
PASS: dict[str, Any] = {"StartAt": "Only", "States": {"Only": {"Type": "Pass", "End": True}}}
SYNC = "arn:aws:states:::states:startExecution.sync"
NO_RULE = "is not authorized to create managed-rule."
NO_LOGS = "The state machine IAM Role is not authorized to access the Log Destination"


@pytest.fixture(scope="module")
def enforcing() -> Iterator[LocalAws]:
    with running(enforce_iam=True) as started:
        yield started


@pytest.fixture(scope="module")
def account(enforcing: LocalAws) -> Account:
    return Account(enforcing)


def create(account: Account, name: str, role: str, definition: dict[str, Any] = PASS, **given: Any) -> str:
    answer = account.client("stepfunctions").create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=role, **given
    )
    return str(answer["stateMachineArn"])


def starting(resource: str, **parameters: str) -> dict[str, Any]:
    """A definition with a Task in a branch of a Map in a Parallel."""
    given = parameters or {"StateMachineArn": "x"}
    task = {"Type": "Task", "Resource": resource, "Parameters": given, "End": True}
    inner = {"StartAt": "Start", "States": {"Start": task}}
    processor = {"ProcessorConfig": {"Mode": "INLINE"}, **inner}
    each = {"StartAt": "Each", "States": {"Each": {"Type": "Map", "ItemProcessor": processor, "End": True}}}
    return {"StartAt": "All", "States": {"All": {"Type": "Parallel", "Branches": [each], "End": True}}}


def refused(account: Account, name: str, role: str, definition: dict[str, Any] = PASS, **given: Any) -> str:
    with pytest.raises(ClientError) as error:
        create(account, name, role, definition, **given)
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"
    return str(error.value.response["Error"]["Message"])


@pytest.mark.parametrize("suffix", ["", ":2"])
def test_nested_execution_needs_the_managed_rule(account: Account, name: str, suffix: str) -> None:
    role = account.role()
    assert refused(account, name, role, starting(SYNC + suffix)) == f"'{role}' {NO_RULE}"
    create(account, name, account.role(*RULE_RIGHTS), starting(SYNC + suffix))


@pytest.mark.parametrize("missing", range(3))
def test_managed_rule_needs_every_right(account: Account, name: str, missing: int) -> None:
    rights = [right for index, right in enumerate(RULE_RIGHTS) if index != missing]
    assert NO_RULE in refused(account, name, account.role(*rights), starting(SYNC))


@pytest.mark.parametrize(
    ("resource", "rule"),
    [
        ("batch:submitJob", "StepFunctionsGetEventsForBatchJobsRule"),
        ("ecs:runTask", "StepFunctionsGetEventsForECSTaskRule"),
    ],
)
def test_other_services_have_rules_of_their_own(account: Account, name: str, resource: str, rule: str) -> None:
    definition = starting(f"arn:aws:states:::{resource}.sync")
    assert NO_RULE in refused(account, name, account.role(*RULE_RIGHTS), definition)
    create(account, name, account.role(("events:*", f"arn:aws:events:*:*:rule/{rule}")), definition)


@pytest.mark.parametrize(
    ("resource", "parameter"),
    [
        ("states:startExecution", "StateMachineArn"),
        ("athena:startQueryExecution.sync", "QueryString"),
        ("lambda:invoke", "FunctionName"),
    ],
)
def test_calls_without_a_managed_rule_need_no_right(account: Account, name: str, resource: str, parameter: str) -> None:
    create(account, name, account.role(), starting(f"arn:aws:states:::{resource}", **{parameter: "x"}))


def with_statements(account: Account, *statements: dict[str, Any]) -> str:
    role = account.role()
    account.client("iam").put_role_policy(
        RoleName=role.rsplit("/", 1)[-1], PolicyName="given", PolicyDocument=policy(*statements)
    )
    return role


ALLOWED = {"Effect": "Allow", "Action": "events:*", "Resource": "*"}


@pytest.mark.parametrize(
    "statements",
    [
        [{**ALLOWED, "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}}],
        [ALLOWED, {"Effect": "Deny", "Action": "events:PutRule", "Resource": RULE}],
    ],
)
def test_conditions_and_denials_count(account: Account, name: str, statements: list[dict[str, Any]]) -> None:
    assert NO_RULE in refused(account, name, with_statements(account, *statements), starting(SYNC))


def test_update_is_refused_like_a_creation(account: Account, name: str) -> None:
    states = account.client("stepfunctions")
    arn = create(account, name, account.role())
    with pytest.raises(ClientError, match=NO_RULE):
        states.update_state_machine(stateMachineArn=arn, definition=json.dumps(starting(SYNC)))
    assert json.loads(states.describe_state_machine(stateMachineArn=arn)["definition"]) == PASS
    states.update_state_machine(
        stateMachineArn=arn, definition=json.dumps(starting(SYNC)), roleArn=account.role(*RULE_RIGHTS)
    )
    with pytest.raises(ClientError, match=NO_RULE):
        states.update_state_machine(stateMachineArn=arn, roleArn=account.role())


@pytest.mark.parametrize("trusted", ["lambda.amazonaws.com", None])
def test_role_must_exist_and_trust_the_service(account: Account, name: str, trusted: str | None) -> None:
    role = "arn:aws:iam::000000000000:role/no-such-role"
    if trusted:
        trust = policy({"Effect": "Allow", "Principal": {"Service": trusted}, "Action": "sts:AssumeRole"})
        role = account.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    assert refused(account, name, role).startswith("Neither the global service principal states.amazonaws.com")


def test_role_may_trust_the_service_of_the_region(account: Account, name: str) -> None:
    principal = {"Service": "states.us-east-1.amazonaws.com"}
    trust = policy({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})
    role = account.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    create(account, name, role)


def logging(group: str) -> dict[str, Any]:
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{group}:*"
    return {"level": "ALL", "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": arn}}]}


def test_logging_needs_the_rights_and_the_group(account: Account, name: str) -> None:
    role = account.role(*LOG_RIGHTS)
    assert refused(account, name, role, loggingConfiguration=logging(name)) == NO_LOGS
    account.client("logs").create_log_group(logGroupName=name)
    create(account, name, role, loggingConfiguration=logging(name))
    for missing in LOG_RIGHTS:
        lacking = account.role(*(right for right in LOG_RIGHTS if right != missing))
        assert refused(account, f"{name}-2", lacking, loggingConfiguration=logging(name)) == NO_LOGS


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ({"level": "ALL"}, "Must specify exactly one Log Destination."),
        (
            {
                "level": "ALL",
                "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": "arn:aws:logs:::log-group:a"}}],
            },
            r"Log Group ARN must be provided with '\*' qualifier.",
        ),
    ],
)
def test_bad_logging_is_refused_without_iam_too(
    client: Client, name: str, configuration: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ClientError, match=expected) as error:
        client("stepfunctions").create_state_machine(
            name=name, definition=json.dumps(PASS), roleArn=ROLE, loggingConfiguration=configuration
        )
    assert error.value.response["Error"]["Code"] == "InvalidLoggingConfiguration"


def test_missing_log_group_is_refused_without_iam_too(client: Client, name: str) -> None:
    with pytest.raises(ClientError, match=NO_LOGS):
        client("stepfunctions").create_state_machine(
            name=name, definition=json.dumps(PASS), roleArn=ROLE, loggingConfiguration=logging(name)
        )


@pytest.mark.parametrize(("partition", "status"), [("aws", "FAILED"), ("aws-us-gov", "SUCCEEDED")])
def test_resources_are_in_the_partition_of_the_region(partition: str, status: str) -> None:
    state = {"Type": "Task", "Resource": f"arn:{partition}:states:::aws-sdk:dynamodb:listTables", "Arguments": {}}
    with running(region="us-gov-west-1") as governmental:
        ended = Account(governmental).run(state)
    assert ended["status"] == status
    if status == "FAILED":
        assert ended["error"] == "States.Runtime"
        assert ended["cause"].endswith("Expected 'aws-us-gov', was 'aws'.")


def test_machine_is_deleting_until_its_executions_have_ended(client: Client, name: str, function: Any) -> None:
    states = client("stepfunctions")
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function("import time\ndef handler(e, c): time.sleep(1)")},
        "Next": "After",
    }
    after = {"Type": "Wait", "Seconds": 600, "End": True}
    definition = json.dumps({"StartAt": "Call", "States": {"Call": task, "After": after}})
    arn = states.create_state_machine(name=name, definition=definition, roleArn=ROLE)["stateMachineArn"]
    states.start_execution(stateMachineArn=arn)

    states.delete_state_machine(stateMachineArn=arn)

    assert states.describe_state_machine(stateMachineArn=arn)["status"] == "DELETING"
    for call in (
        lambda: states.create_state_machine(name=name, definition=definition, roleArn=ROLE),
        lambda: states.update_state_machine(stateMachineArn=arn, definition=definition),
        lambda: states.start_execution(stateMachineArn=arn),
    ):
        with pytest.raises(states.exceptions.StateMachineDeleting):
            call()  # type: ignore[no-untyped-call]
    wait_until_deleted(states, arn)
    states.create_state_machine(name=name, definition=definition, roleArn=ROLE)


def wait_until_deleted(states: Any, arn: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            states.describe_state_machine(stateMachineArn=arn)
        except states.exceptions.StateMachineDoesNotExist:
            return
        time.sleep(0.05)
    raise AssertionError(f"{arn} is still there")
