"""Stacks as tests create, update and delete them."""

import json
import time
from typing import Any

DEADLINE_SECONDS = 60


class Stacks:
    """CloudFormation of one local AWS."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def create(self, name: str, resources: dict[str, Any], **given: Any) -> str:
        """Create a stack of these resources; returns the status in which that ends."""
        self.client.create_stack(StackName=name, TemplateBody=template(resources), **given)
        return self.status(name)

    def update(self, name: str, resources: dict[str, Any]) -> str:
        self.client.update_stack(StackName=name, TemplateBody=template(resources))
        return self.status(name)

    def delete(self, name: str) -> str:
        """Delete a stack; returns the status in which that ends."""
        (stack,) = self.client.describe_stacks(StackName=name)["Stacks"]
        self.client.delete_stack(StackName=name)
        return self.status(stack["StackId"])

    def status(self, name: str) -> str:
        """The stack's status, once no operation is in progress."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            (stack,) = self.client.describe_stacks(StackName=name)["Stacks"]
            status = str(stack["StackStatus"])
            if not status.endswith("_IN_PROGRESS"):
                return status
            time.sleep(0.02)
        raise AssertionError(f"{name} is still {status}")

    def reasons(self, name: str, status: str) -> dict[str, str]:
        """The reason of each resource's first event with this status."""
        events = self.client.describe_stack_events(StackName=name)["StackEvents"]
        return {
            each["LogicalResourceId"]: each.get("ResourceStatusReason", "")
            for each in events
            if each["ResourceStatus"] == status and each["LogicalResourceId"] != each["StackName"]
        }

    def physical_id(self, name: str, logical_id: str) -> str:
        (resource,) = self.client.describe_stack_resources(StackName=name, LogicalResourceId=logical_id)[
            "StackResources"
        ]
        return str(resource["PhysicalResourceId"])


def template(resources: dict[str, Any]) -> str:
    return json.dumps({"Resources": resources})
