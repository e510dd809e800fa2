"""The function and the state machine that distinct_keys and athena_map call, as a stack of their own."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from e2e.site import Site

TEMPLATE = Path(__file__).with_name("processors.yaml")
RUNTIME = "python3.13"


def processor_name(site: Site) -> str:
    """The name of both."""
    return f"{site.stack_name}-processor"


def create_processors(site: Site) -> None:
    """Create the stack, and wait until it is there."""
    cloudformation = site.client("cloudformation")
    values = {"Name": processor_name(site), "DataBucket": site.bucket, "PythonRuntime": RUNTIME}
    cloudformation.create_stack(
        StackName=processor_name(site),
        TemplateBody=TEMPLATE.read_text(),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    site.wait(cloudformation, "stack_create_complete", StackName=processor_name(site))


def keys_of_function(site: Site, run: str) -> Counter[str]:
    """How often the function saw each key in a run."""
    return Counter(item["tailnum"]["S"] for item in items_of_function(site, run))


def items_of_function(site: Site, run: str) -> list[dict[str, dict[str, str]]]:
    """All items that the function saw in a run: keys, or rows."""
    batches = (json.loads(site.object(key)) for key in site.keys(f"processed/{run}/"))
    return [item for batch in batches for item in batch]


def keys_of_machine(site: Site, run: str) -> Counter[str]:
    """How often the state machine was started for each key of a run."""
    (stack,) = site.client("cloudformation").describe_stacks(StackName=processor_name(site))["Stacks"]
    (machine,) = (each["OutputValue"] for each in stack["Outputs"] if each["OutputKey"] == "MachineArn")
    pages = site.stepfunctions.get_paginator("list_executions").paginate(stateMachineArn=machine)
    arns = [each["executionArn"] for page in pages for each in page["executions"]]
    inputs = [json.loads(site.stepfunctions.describe_execution(executionArn=arn)["input"]) for arn in arns]
    return Counter(each["key"]["tailnum"]["S"] for each in inputs if each["run"]["name"] == run)
