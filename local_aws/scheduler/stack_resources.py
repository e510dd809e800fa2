"""AWS::Scheduler::Schedule in stacks: all of its properties, and its errors, which ministack leaves aside."""

import json
from typing import Any

from ministack.services import scheduler as service
from ministack.services.cloudformation import provisioners

from local_aws.replacements import require

TYPE = "AWS::Scheduler::Schedule"
PROPERTIES = (
    "ActionAfterCompletion",
    "Description",
    "EndDate",
    "FlexibleTimeWindow",
    "GroupName",
    "KmsKeyArn",
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "StartDate",
    "State",
    "Target",
)
NUMBERS = frozenset(("MaximumWindowInMinutes", "MaximumRetryAttempts", "MaximumEventAgeInSeconds"))

Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, str]]


def install() -> None:
    """Replace how stacks create and update schedules."""
    require(provisioners, "_RESOURCE_HANDLERS", "_physical_name", "_scheduler_schedule_create")
    provisioners._RESOURCE_HANDLERS[TYPE] |= {"create": create, "update": update}


def create(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
    """CreateSchedule. Raises ValueError when it is refused."""
    name = properties.get("Name") or provisioners._physical_name(stack_name, logical_id, max_len=64)
    return _done(name, service._create_schedule(name, _request(properties)))


def update(name: str, _old: Properties, new: Properties, stack_name: str) -> Provisioned:
    """UpdateSchedule: what the template no longer says has its default again. Raises ValueError when it is refused."""
    if new.get("Name", name) != name:
        return create(name, new, stack_name)
    return _done(name, service._update_schedule(name, _request(new)))


def _request(properties: Properties) -> Properties:
    return {name: _with_numbers(properties[name]) for name in PROPERTIES if name in properties}


def _with_numbers(value: Any) -> Any:
    """Parameters are texts, also those of type Number."""
    if not isinstance(value, dict):
        return value
    return {
        name: int(each) if name in NUMBERS and isinstance(each, str) else _with_numbers(each)
        for name, each in value.items()
    }


def _done(name: str, answer: tuple[int, dict[str, str], bytes]) -> Provisioned:
    status, _, body = answer
    response = json.loads(body)
    if status >= 400:
        raise ValueError(f"{TYPE} {name}: {response['Message']}")
    return name, {"Arn": response["ScheduleArn"]}
