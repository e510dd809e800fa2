"""Names that a template gives its resources: one that is taken fails the creation."""

from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import (
    cloudformation,
    cloudwatch,
    cloudwatch_logs,
    dynamodb,
    eventbridge,
    iam,
    lambda_svc,
    sns,
    sqs,
    stepfunctions,
)

from local_aws.stacks.failures import ResourceError, handler_error
from local_aws.stepfunctions.machine_deletion import DELETING

Properties = dict[str, Any]
Create = Callable[[str, Properties, str], tuple[str, dict[str, Any]]]
Exists = Callable[[str, Properties], bool]


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{get_region()}:{get_account_id()}:{resource}"


def _policy_exists(name: str, properties: Properties) -> bool:
    path = properties.get("Path", "/")
    return f"arn:aws:iam::{get_account_id()}:policy{path}{name}" in iam._policies


def _machine_exists(name: str, _properties: Properties) -> bool:
    """One that is being deleted has an error of its own."""
    machine = stepfunctions._state_machines.get(_arn("states", f"stateMachine:{name}"))
    return machine is not None and machine["status"] != DELETING


def _rule_exists(name: str, properties: Properties) -> bool:
    bus = str(properties.get("EventBusName") or "default").rsplit("/", 1)[-1]
    return eventbridge._rule_key(name, bus) in eventbridge._rules


# The property with the name, and whether the service already has such a resource.
NAMES: dict[str, tuple[str, Exists]] = {
    "AWS::CloudWatch::Alarm": ("AlarmName", lambda name, _: name in cloudwatch._alarms),
    "AWS::DynamoDB::Table": ("TableName", lambda name, _: name in dynamodb._tables),
    "AWS::Events::Rule": ("Name", _rule_exists),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", _policy_exists),
    "AWS::IAM::Role": ("RoleName", lambda name, _: name in iam._roles),
    "AWS::Lambda::Function": ("FunctionName", lambda name, _: name in lambda_svc._functions),
    "AWS::Logs::LogGroup": ("LogGroupName", lambda name, _: name in cloudwatch_logs._log_groups),
    "AWS::SNS::Topic": ("TopicName", lambda name, _: _arn("sns", name) in sns._topics),
    "AWS::SQS::Queue": ("QueueName", lambda name, _: name in sqs._queue_name_to_url),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", _machine_exists),
}


def checked_creation(kind: str, create: Create) -> Create:
    """The creation, which fails when the template's name for the resource is taken."""

    def checked(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, dict[str, Any]]:
        refuse_taken(kind, properties)
        return create(logical_id, properties, stack_name)

    return checked


def refuse_taken(kind: str, properties: Properties) -> None:
    """Raises ResourceError when there is a resource of this kind and name."""
    if kind not in NAMES:
        return
    property_name, exists = NAMES[kind]
    name = properties.get(property_name)
    if not isinstance(name, str) or not exists(name, properties):
        return
    owner = _owner(kind, property_name, name)
    if owner is not None:
        raise ResourceError(f"{name} already exists in stack {owner}")
    raise handler_error(f"Resource of type '{kind}' with identifier '{name}' already exists.", "AlreadyExists")


def _owner(kind: str, property_name: str, name: str) -> str | None:
    """The stack that the resource belongs to."""
    for stack in list(cloudformation._stacks.values()):
        for resource in list(stack.get("_resources", {}).values()):
            if resource.get("ResourceType") == kind and resource.get("Properties", {}).get(property_name) == name:
                return str(stack["StackId"])
    return None
