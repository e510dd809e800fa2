"""Names that CloudFormation makes: the stack's, the logical id, and a part that is new for each resource."""

from collections.abc import Callable
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services.cloudformation import provisioners

Properties = dict[str, Any]
Provision = Callable[[str, str, Properties, str], tuple[str, dict[str, Any]]]

LOG_GROUP = "AWS::Logs::LogGroup"
LOG_GROUP_NAME = "LogGroupName"
LONGEST_LOG_GROUP_NAME = 512


def with_new_names(provision: Provision) -> Provision:
    """The creation of a resource, whose generated name no earlier resource of the same logical id had.

    ministack keeps the seed with the resource, so that updates find the name again.
    """

    def provision_named(kind: str, logical_id: str, properties: Properties, stack_name: str) -> Any:
        if not provisioners._NAME_SEED.get():
            provisioners._NAME_SEED.set(new_uuid()[:8])
        return provision(kind, logical_id, properties, stack_name)

    return provision_named


def create_log_group(create: Callable[..., Any]) -> Callable[..., Any]:
    """A log group without a name gets one like any other resource."""

    def create_named(logical_id: str, properties: Properties, stack_name: str) -> Any:
        if not properties.get(LOG_GROUP_NAME):
            name = provisioners._physical_name(stack_name, logical_id, max_len=LONGEST_LOG_GROUP_NAME)
            properties = {**properties, LOG_GROUP_NAME: name}
        return create(logical_id, properties, stack_name)

    return create_named


def update_log_group(update: Callable[..., Any]) -> Callable[..., Any]:
    """A log group whose name was generated keeps it."""

    def update_named(name: str, old: Properties, new: Properties, stack_name: str, logical_id: str) -> Any:
        if not new.get(LOG_GROUP_NAME) and not old.get(LOG_GROUP_NAME):
            new = {**new, LOG_GROUP_NAME: name}
        return update(name, old, new, stack_name, logical_id)

    return update_named
