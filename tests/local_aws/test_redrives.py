"""RedriveExecution on local AWS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Client = Callable[[str], Any]
Run = Callable[..., dict[str, Any]]
Start = Callable[..., str]


def putting(table: str) -> dict[str, Any]:
    """A machine that counts what it did before it puts an item, and returns the variable it had then."""
    item = {"pk": {"S": "k"}, "redrives": {"N": "{% $string($states.context.Execution.RedriveCount) %}"}}
    return {
        "QueryLanguage": "JSONata",
        "StartAt": "Begin",
        "States": {
            "Begin": {"Type": "Pass", "Assign": {"begun": "{% $uuid() %}"}, "Output": {"a": 1}, "Next": "Put"},
            "Put": {
                "Type": "Task",
                "Resource": "arn:aws:states:::dynamodb:putItem",
                "Arguments": {"TableName": table, "Item": item},
                "Output": {"begun": "{% $begun %}", "input": "{% $states.input %}"},
                "End": True,
            },
        },
    }


def create_table(client: Client, name: str) -> None:
    client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )


def test_execution_continues_at_the_state_that_failed(
    client: Client, name: str, start_machine: Start, ended: Run
) -> None:
    sfn = client("stepfunctions")
    arn = start_machine(putting(name))
    assert ended(arn)["status"] == "FAILED"
    before = sfn.describe_execution(executionArn=arn)
    assert (before["redriveStatus"], before["redriveCount"], "error" in before) == ("REDRIVABLE", 0, True)
    create_table(client, name)
    redriven = sfn.redrive_execution(executionArn=arn)["redriveDate"]
    execution = ended(arn)
    assert (execution["status"], execution["output"]["input"]) == ("SUCCEEDED", {"a": 1})
    after = sfn.describe_execution(executionArn=arn)
    assert (after["redriveCount"], after["redriveDate"], "error" in after) == (1, redriven, False)
    assert after["redriveStatus"] == "NOT_REDRIVABLE"
    item = client("dynamodb").get_item(TableName=name, Key={"pk": {"S": "k"}})["Item"]
    assert item["redrives"] == {"N": "1"}
    events = sfn.get_execution_history(executionArn=arn, maxResults=100)["events"]
    kinds = [each["type"] for each in events]
    # The first state was not run again: its variable is the same.
    assert (kinds.count("PassStateEntered"), kinds.count("ExecutionRedriven")) == (1, 1)
    assert kinds.index("ExecutionFailed") + 1 == kinds.index("ExecutionRedriven")
    assert [each["id"] for each in events] == list(range(1, len(events) + 1))
    (details,) = [each["executionRedrivenEventDetails"] for each in events if each["type"] == "ExecutionRedriven"]
    assert details == {"redriveCount": 1}


def test_execution_that_fails_again_can_be_redriven_again(
    client: Client, name: str, start_machine: Start, ended: Run
) -> None:
    sfn, arn = client("stepfunctions"), start_machine(putting(name))
    for count in (1, 2):
        assert ended(arn)["status"] == "FAILED"
        sfn.redrive_execution(executionArn=arn)
        assert ended(arn)["status"] == "FAILED"
        assert sfn.describe_execution(executionArn=arn)["redriveCount"] == count


def test_stopped_execution_waits_again(client: Client, start_machine: Start, ended: Run) -> None:
    sfn = client("stepfunctions")
    arn = start_machine({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": True}}})
    sfn.stop_execution(executionArn=arn, error="Enough")
    assert ended(arn)["error"] == "Enough"
    first = sfn.redrive_execution(executionArn=arn, clientToken="once")
    described = sfn.describe_execution(executionArn=arn)
    assert (described["status"], "error" in described, "stopDate" in described) == ("RUNNING", False, False)
    # The same token starts no other redrive.
    again = sfn.redrive_execution(executionArn=arn, clientToken="once")
    assert again["redriveDate"] == first["redriveDate"]
    assert sfn.describe_execution(executionArn=arn)["redriveCount"] == 1
    sfn.stop_execution(executionArn=arn)
    assert ended(arn)["status"] == "ABORTED"


def test_execution_that_has_not_failed_cannot_be_redriven(client: Client, start_machine: Start, ended: Run) -> None:
    sfn = client("stepfunctions")
    arn = start_machine({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}})
    assert ended(arn)["status"] == "SUCCEEDED"
    with pytest.raises(sfn.exceptions.ExecutionNotRedrivable, match="is SUCCEEDED and cannot be redriven"):
        sfn.redrive_execution(executionArn=arn)
    with pytest.raises(sfn.exceptions.ExecutionDoesNotExist):
        sfn.redrive_execution(executionArn=f"{arn}-other")
    with pytest.raises(sfn.exceptions.InvalidArn):
        sfn.redrive_execution(executionArn="x")
