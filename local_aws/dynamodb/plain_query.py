"""Query of a table without indexes: the part of a partition that its condition lets through, in order."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import Any

from local_aws.dynamodb.expressions.texts import check_references, names_of, projection_of
from local_aws.dynamodb.expressions.tokens import NotPlainError
from local_aws.dynamodb.json_text import Response, json_answer
from local_aws.dynamodb.key_order import typed_value
from local_aws.dynamodb.key_ranges import KeyRange, key_range
from local_aws.dynamodb.plain_items import Item
from local_aws.dynamodb.plain_requests import PlainTable, plain_condition, plain_values
from local_aws.dynamodb.read_pages import consumed_capacity, read_page
from local_aws.dynamodb.scan_order import FEW_SORT_KEYS
from local_aws.dynamodb.table_orders import table_order

MEMBERS = frozenset(
    (
        "TableName",
        "KeyConditionExpression",
        "FilterExpression",
        "ProjectionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "ScanIndexForward",
        "Limit",
        "ConsistentRead",
        "ExclusiveStartKey",
        "Select",
        "ReturnConsumedCapacity",
    )
)


def query(data: dict[str, Any], target: PlainTable) -> Response:
    """One page. Raises NotPlainError."""
    names = names_of(data)
    condition = plain_condition(data, "KeyConditionExpression", names)
    filtered = plain_condition(data, "FilterExpression", names)
    projection = projection_of(data["ProjectionExpression"], names) if "ProjectionExpression" in data else None
    check_references(data, condition, filtered, projection)
    values, _ = plain_values(data)
    limit = data.get("Limit")
    if condition is None or not _is_plain(data, limit):
        raise NotPlainError("KeyConditionExpression, Limit or Select")
    condition.check(values)
    page = read_page(_items(data, target, key_range(condition.node, values, target)), limit, lambda item: item)
    found = page.items
    if filtered is not None:
        filtered.check(values)
        found = [item for item in found if filtered.evaluate(item, values)]
    answer: dict[str, Any] = {"Count": len(found), "ScannedCount": len(page.items)}
    if data.get("Select") != "COUNT":
        answer["Items"] = found if projection is None else [projection.apply(item) for item in found]
    if page.is_full:
        last = page.items[-1]
        answer["LastEvaluatedKey"] = {name: last[name] for name, _, _ in target.keys.attributes}
    if data.get("ReturnConsumedCapacity", "NONE") != "NONE":
        answer["ConsumedCapacity"] = consumed_capacity(target.table, target.name, page.size, data)
    return json_answer(answer)


def _is_plain(data: dict[str, Any], limit: Any) -> bool:
    has_limit = limit is None or (type(limit) is int and limit > 0)
    select = data.get("Select")
    return has_limit and (select is None or (select == "COUNT" and "ProjectionExpression" not in data))


def _items(data: dict[str, Any], target: PlainTable, wanted: KeyRange) -> Iterator[Item]:
    held = target.table["items"].get(wanted.partition, {})
    if len(target.keys.attributes) == 1:
        if "ExclusiveStartKey" in data:
            raise NotPlainError("a start key without a sort key")
        yield from held.values()
        return
    kind = target.keys.attributes[1][1]

    def position(key: str) -> Any:
        return typed_value(kind, key)

    keys = _in_order(target, wanted.partition, held, position)
    begin, end = wanted.bounds.cut(keys, position)
    is_forward = data.get("ScanIndexForward", True)
    if "ExclusiveStartKey" in data:
        after = position(_start(data["ExclusiveStartKey"], target, wanted))
        begin, end = _narrowed(begin, end, keys, after, position, is_forward=is_forward)
    for index in range(begin, end) if is_forward else range(end - 1, begin - 1, -1):
        yield held[keys[index]]


def _in_order(target: PlainTable, partition: str, held: dict[str, Item], position: Callable[[str], Any]) -> list[str]:
    if len(held) <= FEW_SORT_KEYS:
        return sorted(held, key=position)
    return table_order(target.table).entries(partition)


def _start(start_key: Any, target: PlainTable, wanted: KeyRange) -> str:
    """The sort key to continue from, which the condition has to let through. Raises NotPlainError."""
    found = target.keys.of_key(start_key)
    kind = target.keys.attributes[1][1]
    if found is None or found[0][0] != wanted.partition:
        raise NotPlainError("ExclusiveStartKey")
    sort = found[0][1]
    if wanted.bounds.cut([sort], lambda key: typed_value(kind, key)) != (0, 1):
        raise NotPlainError("a start key outside of the condition")
    return sort


def _narrowed(
    begin: int, end: int, keys: list[str], after: Any, position: Callable[[str], Any], *, is_forward: bool
) -> tuple[int, int]:
    """What is left of the keys behind a start key."""
    if is_forward:
        return max(begin, bisect_right(keys, after, key=position)), end
    return begin, min(end, bisect_left(keys, after, key=position))
