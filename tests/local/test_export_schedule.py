"""The role with which EventBridge Scheduler starts exports, in schedules like those of the template."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from local_aws import clock
from tests.local.deployed import Deployed
from tests.local.waiting import until

HALF_AN_HOUR = 1_800

Schedule = Callable[[str, dict[str, Any]], None]


@pytest.fixture
def schedule(stack: Deployed) -> Iterator[Schedule]:
    """Creates a schedule for a state machine, which starts it at once; deletes it after the test."""
    scheduler, name = stack.client("scheduler"), f"schedule-{uuid4().hex[:12]}"

    def create(state_machine_arn: str, document: dict[str, Any]) -> None:
        scheduler.create_schedule(
            Name=name,
            ScheduleExpression="rate(1 days)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": state_machine_arn,
                "RoleArn": physical_role(stack),
                "Input": json.dumps(document),
                "RetryPolicy": {"MaximumRetryAttempts": 0},
                "DeadLetterConfig": {"Arn": queue_arn(stack)},
            },
        )

    yield create
    scheduler.delete_schedule(Name=name)


def physical_role(stack: Deployed) -> str:
    """The ARN of ExportScheduleRole."""
    resource = stack.client("cloudformation").describe_stack_resource(
        StackName="sluice", LogicalResourceId="ExportScheduleRole"
    )
    name = resource["StackResourceDetail"]["PhysicalResourceId"]
    return str(stack.client("iam").get_role(RoleName=name)["Role"]["Arn"])


def queue_arn(stack: Deployed) -> str:
    url = stack.outputs["ExportDeadLetterQueueUrl"]
    attributes = stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    return str(attributes["QueueArn"])


def state_of(stack: Deployed, table: str) -> dict[str, Any]:
    """Where the table stands in the ledger."""
    key = {"table": {"S": table}, "entry": {"S": "STATE"}}
    return stack.dynamodb.get_item(TableName=stack.outputs["ExportLedgerTable"], Key=key).get("Item", {})


def test_schedule_exports_its_table(stack: Deployed, schedule: Schedule) -> None:
    table = stack.new_table()
    recovery: Any = {"PointInTimeRecoveryEnabled": True}
    stack.dynamodb.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=recovery)
    clock.advance(stack.aws, HALF_AN_HOUR)
    schedule(stack.machine_arn("table_export"), {"table": table, "pollSeconds": 1})
    assert until(lambda: state_of(stack, table).get("watermark"))


@pytest.mark.plans_denials
def test_start_that_the_role_may_not_make_goes_to_the_queue(stack: Deployed, schedule: Schedule) -> None:
    document = {"table": f"table-{uuid4().hex}"}
    schedule(stack.machine_arn("csv_load"), document)
    queue = stack.outputs["ExportDeadLetterQueueUrl"]
    received = until(
        lambda: stack.client("sqs").receive_message(QueueUrl=queue, MessageAttributeNames=["All"]).get("Messages")
    )
    (letter,) = (each for each in received if json.loads(each["Body"]) == document)
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "AccessDeniedException"
