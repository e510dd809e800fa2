"""A function and a state machine of the user's own that process keys, and what they have seen."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections import Counter
from typing import Any

from tests.local.deployed import PROCESSOR_FUNCTION, PROCESSOR_MACHINE, Deployed

FUNCTION = """
import json, os, signal, uuid, boto3

s3, bucket = boto3.client("s3"), os.environ["BUCKET"]

def handler(event, context):
    run = event["BatchInput"]["run"]["name"]
    keys = [item["UserRef"]["S"] for item in event["Items"]]
    if any(key.startswith("bad") for key in keys):
        raise ValueError("a bad key")
    s3.put_object(Bucket=bucket, Key=f"processed/{run}/{uuid.uuid4().hex}", Body=json.dumps(keys).encode())
    if any(key.startswith("deadly") for key in keys):
        try:
            s3.put_object(Bucket=bucket, Key=f"processed/died-{run}", Body=b"", IfNoneMatch="*")
        except s3.exceptions.ClientError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
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


def create_processors(stack: Deployed) -> None:
    """The function and the state machine that the stack's parameters name.

    The function refuses a batch with a key that begins with bad. With one that begins with deadly it dies, once in a
    run, when it has done its work.
    """
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
    pages = stack.s3.get_paginator("list_objects_v2").paginate(Bucket=stack.bucket, Prefix=f"processed/{name}/")
    batches = [each["Key"] for page in pages for each in page.get("Contents", [])]
    return Counter(key for each in batches for key in json.loads(stack.object(each)))


def executions(stack: Deployed) -> list[dict[str, Any]]:
    """All executions of the processor's state machine."""
    arn = stack.machine_arn("distinct_keys").rpartition(":")[0] + f":{PROCESSOR_MACHINE}"
    pages = stack.stepfunctions.get_paginator("list_executions").paginate(stateMachineArn=arn)
    return [dict(each) for page in pages for each in page["executions"]]


def started_keys(stack: Deployed, name: str) -> Counter[str]:
    """How often the state machine was started for each key of a run."""
    described = (
        stack.stepfunctions.describe_execution(executionArn=each["executionArn"]) for each in executions(stack)
    )
    inputs = [json.loads(each["input"]) for each in described]
    return Counter(each["key"]["UserRef"]["S"] for each in inputs if each.get("run", {}).get("name") == name)
