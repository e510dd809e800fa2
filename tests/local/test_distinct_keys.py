"""distinct_keys as its users run it: the deployed state machine, functions and table on local AWS."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import zipfile
from collections import Counter
from typing import Any

import pytest

from local_aws import faults
from tests.local.deployed import PROCESSOR_FUNCTION, PROCESSOR_MACHINE, Deployed


def new_table(stack: Deployed, sizes: dict[str, int], sort_type: str = "N") -> str:
    """A table of so many items for each user."""
    table = stack.new_table("UserRef", "ConnectionId", f"S{sort_type}")
    requests = [
        {"PutRequest": {"Item": {"UserRef": {"S": user}, "ConnectionId": {sort_type: str(number)}, "note": {"S": "x"}}}}
        for user, size in sizes.items()
        for number in range(size)
    ]
    for start in range(0, len(requests), 25):
        stack.dynamodb.batch_write_item(RequestItems={table: requests[start : start + 25]})  # type: ignore[dict-item]
    return table


def found_keys(stack: Deployed, name: str) -> list[str]:
    """The keys that a run's scan has left, in all its files."""
    listed = stack.s3.list_objects_v2(Bucket=stack.bucket, Prefix=f"distinct_keys/{name}/keys/").get("Contents", [])
    lines = [line for each in listed for line in stack.object(each["Key"]).splitlines()]
    return sorted(json.loads(line)["UserRef"]["S"] for line in lines)


SIZES = {f"user-{number}": 1 + number % 7 * 3 for number in range(300)} | {"😀": 2, "\U0010ffff": 400}


def test_each_key_is_found_once(stack: Deployed) -> None:
    ended = stack.run("distinct_keys", {"table": new_table(stack, SIZES), "segments": 5})
    assert (ended.status, ended.summary["status"]) == ("SUCCEEDED", "COMPLETE"), ended
    assert found_keys(stack, ended.name) == sorted(SIZES)
    assert ended.counts == (len(SIZES), 0, len(SIZES), 0, 0)
    assert ended.summary["scan"]["segments"] == 5
    assert ended.summary["capacity"]["readUnits"] > 0


def test_collections_are_measured(stack: Deployed) -> None:
    ended = stack.run("distinct_keys", {"table": new_table(stack, SIZES), "processor": "measure", "batchSize": 50})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (len(SIZES), len(SIZES), 0, 0, 0)), ended
    report = [json.loads(line) for line in stack.object(ended.summary["report"]["key"]).splitlines()]
    assert {each["key"]["UserRef"]["S"]: each["items"] for each in report} == SIZES
    largest = ended.summary["report"]["largest"][0]
    assert (largest["key"], largest["items"]) == ({"UserRef": {"S": "\U0010ffff"}}, 400)
    assert (largest["oldest"], largest["newest"]) == ({"N": "0"}, {"N": "399"})


def test_empty_table_has_no_keys(stack: Deployed) -> None:
    ended = stack.run("distinct_keys", {"table": new_table(stack, {}), "processor": "measure"})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (0, 0, 0, 0, 0)), ended


def test_killed_workers_lose_and_repeat_nothing(stack: Deployed) -> None:
    table = new_table(stack, SIZES)
    faults.kill_worker(stack.aws, stack.outputs["ScanDistinctKeysFunctionName"], times=2)
    faults.fail_requests(stack.aws, "Scan", times=5)
    try:
        ended = stack.run("distinct_keys", {"table": table, "segments": 4})
    finally:
        faults.clear(stack.aws)
    assert (ended.status, ended.counts[0]) == ("SUCCEEDED", len(SIZES)), ended
    assert found_keys(stack, ended.name) == sorted(SIZES)


def test_failed_segment_fails_the_run(stack: Deployed) -> None:
    table = new_table(stack, {"a": 1})
    faults.fail_requests(stack.aws, "Scan", times=1, error="AccessDeniedException")
    ended = stack.run("distinct_keys", {"table": table, "segments": 3})
    assert (ended.status, ended.error, ended.summary["status"]) == ("FAILED", "AccessDeniedError", "FAILED")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"table": "no-such-table"}, "TableNotFoundError", "no-such-table"),
        ({"index": "none"}, "InvalidInputError", "index"),
        ({"processor": {"function": "any"}}, "InvalidInputError", "processor.function"),
        ({"segmens": 3}, "InvalidInputError", "segmens"),
    ],
)
def test_bad_input_is_refused_by_name(stack: Deployed, change: dict[str, Any], error: str, words: str) -> None:
    ended = stack.run("distinct_keys", {"table": new_table(stack, {"a": 1}), **change})
    assert (ended.status, ended.error) == ("FAILED", error)
    assert words in (ended.cause or "")


# Processors of the user's own.

FUNCTION = """
import json, os, uuid, boto3

def handler(event, context):
    keys = [item["UserRef"]["S"] for item in event["Items"]]
    if any(key.startswith("bad") for key in keys):
        raise ValueError("a bad key")
    name = f"processed/{event['BatchInput']['run']['name']}/{uuid.uuid4().hex}"
    boto3.client("s3").put_object(Bucket=os.environ["BUCKET"], Key=name, Body=json.dumps(keys).encode())
"""
MACHINE = {
    "QueryLanguage": "JSONata",
    "StartAt": "IsBad",
    "States": {
        "IsBad": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $contains($states.input.key.UserRef.S, 'bad') %}", "Next": "Refused"}],
            "Default": "Done",
        },
        "Refused": {"Type": "Fail", "Error": "BadKey", "Cause": "a bad key"},
        "Done": {"Type": "Succeed"},
    },
}


@pytest.fixture(scope="module")
def processors(stack: Deployed) -> None:
    """The function and the state machine that the stack's parameters name."""
    statement = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{stack.bucket}/processed/*"}
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam = stack.client("iam")
    role = iam.create_role(RoleName="test-processor", AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="test-processor", PolicyName="Write", PolicyDocument=_policy(statement))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", FUNCTION)
    stack.client("lambda").create_function(
        FunctionName=PROCESSOR_FUNCTION,
        Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
        Handler="index.handler",
        Role=role,
        Timeout=30,
        Code={"ZipFile": packed.getvalue()},
        Environment={"Variables": {"BUCKET": stack.bucket}},
    )
    stack.stepfunctions.create_state_machine(name=PROCESSOR_MACHINE, roleArn=role, definition=json.dumps(MACHINE))


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def processed_keys(stack: Deployed, name: str) -> Counter[str]:
    """How often the function saw each key in a run."""
    listed = stack.s3.list_objects_v2(Bucket=stack.bucket, Prefix=f"processed/{name}/").get("Contents", [])
    return Counter(key for each in listed for key in json.loads(stack.object(each["Key"])))


def executions(stack: Deployed) -> list[dict[str, Any]]:
    """All executions of the processor's state machine."""
    arn = stack.machine_arn("distinct_keys").rpartition(":")[0] + f":{PROCESSOR_MACHINE}"
    pages = stack.stepfunctions.get_paginator("list_executions").paginate(stateMachineArn=arn)
    return [dict(each) for page in pages for each in page["executions"]]


@pytest.mark.usefixtures("processors")
def test_function_sees_each_key_once(stack: Deployed) -> None:
    document = {
        "table": new_table(stack, SIZES),
        "processor": {"function": PROCESSOR_FUNCTION},
        "batchSize": 20,
    }
    ended = stack.run("distinct_keys", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (len(SIZES), len(SIZES), 0, 0, 0)), ended
    assert processed_keys(stack, ended.name) == Counter(SIZES.keys())


@pytest.mark.usefixtures("processors")
def test_failed_keys_can_be_fed_back(stack: Deployed) -> None:
    table = new_table(stack, {"a": 1, "bad": 2, "c": 1, "d": 3})
    document = {"table": table, "processor": {"function": PROCESSOR_FUNCTION}, "batchSize": 1}
    ended = stack.run("distinct_keys", {**document, "toleratedFailurePercentage": 30})
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "PARTIAL", (4, 3, 0, 0, 1)), ended
    failures = [json.loads(line) for line in stack.object(ended.summary["failures"]["key"]).splitlines()]
    assert [(each["key"], each["error"]) for each in failures] == [({"UserRef": {"S": "bad"}}, "ValueError")]
    keys = {"bucket": stack.bucket, "key": ended.summary["failures"]["keys"]}
    again = stack.run("distinct_keys", {**document, "keys": keys})
    assert (again.status, again.error, again.counts) == ("FAILED", "ValueError", (1, 0, 0, 0, 1))


@pytest.mark.usefixtures("processors")
def test_state_machine_is_started_once_for_each_key(stack: Deployed) -> None:
    table = new_table(stack, {"a": 1, "bad-1": 2, "c": 1, "bad-2": 1, "e": 5})
    before = len(executions(stack))
    ended = stack.run(
        "distinct_keys",
        {"table": table, "processor": {"stateMachine": PROCESSOR_MACHINE}, "toleratedFailurePercentage": 50},
    )
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "PARTIAL", (5, 3, 0, 0, 2)), ended
    failures = [json.loads(line) for line in stack.object(ended.summary["failures"]["keys"]).splitlines()]
    assert sorted(each["UserRef"]["S"] for each in failures) == ["bad-1", "bad-2"]
    assert len(executions(stack)) - before == 5


@pytest.mark.usefixtures("processors")
def test_key_that_was_started_before_is_not_processed_twice(stack: Deployed) -> None:
    """As when a child is retried after it has started its keys' executions."""
    machine = stack.machine_arn("distinct_keys")
    arn = f"{machine.replace(':stateMachine:', ':execution:')}:retried"
    key = {"UserRef": {"S": "a"}}
    digest = hashlib.sha256((arn + json.dumps(key, separators=(",", ":"))).encode()).hexdigest()
    stack.stepfunctions.start_execution(
        stateMachineArn=f"{machine.rpartition(':')[0]}:{PROCESSOR_MACHINE}",
        name=f"retried-{digest}",
        input=json.dumps({"key": key}),
    )
    before = len(executions(stack))
    document = {"table": new_table(stack, {"a": 2, "b": 1}), "processor": {"stateMachine": PROCESSOR_MACHINE}}
    stack.stepfunctions.start_execution(stateMachineArn=machine, name="retried", input=json.dumps(document))
    ended = stack.wait(arn)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (2, 2, 0, 0, 0)), ended
    assert len(executions(stack)) - before == 1
