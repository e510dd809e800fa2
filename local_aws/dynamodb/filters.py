"""What the filter of a Scan lets through."""

from collections.abc import Callable
from typing import Any

from ministack.services import dynamodb as service

from local_aws.dynamodb.expressions.texts import condition_of, names_of
from local_aws.dynamodb.expressions.tokens import NotPlainError
from local_aws.dynamodb.plain_items import Item
from local_aws.dynamodb.plain_requests import plain_values
from local_aws.replacements import check

SLOT = "FilterExpression"


def install() -> None:
    """Check that ministack has what is used of it."""
    check(service, "_evaluate_condition", ("expr", "item", "attr_values", "attr_names", "slot"))
    check(service, "_evaluate_legacy_filter", ("item", "scan_filter"))


def filtered(items: list[Item], data: dict[str, Any]) -> list[Item]:
    """The items that pass. Raises ValueError when the filter is invalid for one of them."""
    if data.get(SLOT):
        passes = _filter(data)
        return [item for item in items if passes(item)]
    conditions = data.get("ScanFilter")
    if conditions:
        return [item for item in items if service._evaluate_legacy_filter(item, conditions)]
    return items


def _filter(data: dict[str, Any]) -> Callable[[Item], bool]:
    def parse_and_match(item: Item) -> bool:
        values, names = data.get("ExpressionAttributeValues", {}), data.get("ExpressionAttributeNames", {})
        return bool(service._evaluate_condition(data[SLOT], item, values, names, slot=SLOT))

    try:
        condition, (values, _) = condition_of(data[SLOT], names_of(data), SLOT), plain_values(data)
        if not condition.values <= values.keys():
            return parse_and_match
        condition.check(values)
    except NotPlainError:
        return parse_and_match

    def match_parsed(item: Item) -> bool:
        try:
            return condition.evaluate(item, values)
        except NotPlainError:
            return parse_and_match(item)

    return match_parsed
