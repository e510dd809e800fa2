"""Deletions that the resource's service refuses, and so the stack."""

import re
from collections.abc import Callable
from typing import Any

from ministack.services import dynamodb, s3, stepfunctions

from local_aws.role_permissions import forget_policies
from local_aws.stacks.failures import handler_error, service_error

Properties = dict[str, Any]
Delete = Callable[[str, Properties], None]

PROTECTED = (
    "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first."
)


def delete_table(delete: Delete) -> Delete:
    """A table under deletion protection stays."""

    def delete_unprotected(name: str, properties: Properties) -> None:
        table = dynamodb._tables.get(name)
        if table is not None and str(table.get("DeletionProtectionEnabled")).lower() == "true":
            raise service_error(PROTECTED, "DynamoDb", 400, "GeneralServiceException")
        delete(name, properties)

    return delete_unprotected


def delete_bucket(delete: Delete) -> Delete:
    """A bucket with objects or versions stays."""

    def delete_empty(name: str, properties: Properties) -> None:
        if name in s3._buckets:
            status, _, body = s3._delete_bucket(name)
            if status >= 400:
                text = body.decode() if isinstance(body, bytes) else str(body)
                code = "".join(re.findall("<Code>(.*?)</Code>", text))
                message = "".join(re.findall("<Message>(.*?)</Message>", text))
                details = f"(Service: Amazon S3; Status Code: {status}; Error Code: {code})"
                raise handler_error(f"{message} {details}", "GeneralServiceException")
        delete(name, properties)

    return delete_empty


def delete_policy(delete: Delete) -> Delete:
    """The roles lack the policy at once."""

    def delete_at_once(name: str, properties: Properties) -> None:
        delete(name, properties)
        forget_policies()

    return delete_at_once


def delete_state_machine(delete: Delete) -> Delete:
    """A state machine with running executions is deleted when they have ended."""

    def request_deletion(arn: str, _properties: Properties) -> None:
        if arn in stepfunctions._state_machines:
            stepfunctions._delete_state_machine({"stateMachineArn": arn})

    return request_deletion
