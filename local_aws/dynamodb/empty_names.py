"""Attributes without a name, which DynamoDB refuses in an item and in a map at any depth."""

from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import dynamodb as service

from local_aws.replacements import check, replace

VALUE_PARAMETERS = ("attr_name", "value", "_depth")
ITEM_PARAMETERS = ("item", "pk_name", "sk_name", "size_msg")


def install() -> None:
    """Replace the checks of an item and of a value."""
    value_check = with_named_members(check(service, "_validate_attribute_value", VALUE_PARAMETERS))
    replace(service, "_validate_attribute_value", VALUE_PARAMETERS, value_check)
    item_check = with_named_attributes(check(service, "_validate_item", ITEM_PARAMETERS))
    replace(service, "_validate_item", ITEM_PARAMETERS, item_check)


def with_named_members(check_value: Callable[..., Any]) -> Callable[..., Any]:
    """The check of a value, which goes through here for each member of a map or list."""

    def check_members(attr_name: str, value: Any, _depth: int = 1) -> Any:
        members = value.get("M") if isinstance(value, dict) else None
        return _error() if isinstance(members, dict) and "" in members else check_value(attr_name, value, _depth)

    return check_members


def with_named_attributes(check_item: Callable[..., Any]) -> Callable[..., Any]:
    """The check of an item."""

    def check_attributes(item: Any, *given: Any, **options: Any) -> Any:
        return _error() if isinstance(item, dict) and "" in item else check_item(item, *given, **options)

    return check_attributes


def _error() -> Any:
    return error_response_json("ValidationException", "Empty attribute name", 400)
