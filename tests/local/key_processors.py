"""A function and a state machine of the user's own that process keys, and what they have seen."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.local.deployed import PROCESSOR_FUNCTION, PROCESSOR_MACHINE, Deployed
from tests.local.user_functions import create_function

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
            "Choices": [
                {"Condition": "{% $contains($states.input.key.UserRef.S, 'bad') %}", "Next": "Refused"},
                {"Condition": "{% $states.input.key.UserRef.S = 'slow' %}", "Next": "Slow"},
            ],
            "Default": "Done",
        },
        "Slow": {"Type": "Wait", "Seconds": 600, "Next": "Done"},
        "Refused": {"Type": "Fail", "Error": "BadKey", "Cause": "a bad key"},
        "Done": {"Type": "Succeed"},
    },
}


def create_processors(stack: Deployed) -> None:
    """The function and the state machine that the stack's parameters name.

    The machine takes ten minutes for the key slow. The function refuses a batch with a key that begins with bad. With
    one that begins with deadly it dies, once in a run, when it has done its work.
    """
    role = create_function(stack, PROCESSOR_FUNCTION, FUNCTION)
    stack.stepfunctions.create_state_machine(name=PROCESSOR_MACHINE, roleArn=role, definition=json.dumps(MACHINE))


def start_before(stack: Deployed, run: str, key: Mapping[str, Any]) -> None:
    """Start the machine for a key, as a child of a run with this name does: the run finds it started."""
    machine = stack.machine_arn("distinct_keys")
    arn = f"{machine.replace(':stateMachine:', ':execution:')}:{run}"
    digest = hashlib.sha256((arn + json.dumps(key, separators=(",", ":"))).encode()).hexdigest()
    stack.stepfunctions.start_execution(
        stateMachineArn=f"{machine.rpartition(':')[0]}:{PROCESSOR_MACHINE}",
        name=f"{run[:15]}-{digest}",
        input=json.dumps({"key": key}),
    )


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
