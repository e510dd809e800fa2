"""GetItem, PutItem, UpdateItem and DeleteItem of plain requests. All raise NotPlainError for others."""

from typing import Any

from ministack.services import dynamodb as service

from local_aws.dynamodb.expressions.texts import check_references, names_of, update_of
from local_aws.dynamodb.expressions.tokens import NotPlainError
from local_aws.dynamodb.json_text import Response, json_answer
from local_aws.dynamodb.plain_items import Item
from local_aws.dynamodb.plain_requests import (
    MAXIMUM_ITEM_BYTES,
    Key,
    PlainTable,
    add_write_capacity,
    plain_condition,
    plain_values,
    size_of,
)
from local_aws.dynamodb.read_pages import consumed_capacity
from local_aws.replacements import check, require

OLD_VALUES = ("NONE", "ALL_OLD")
UPDATED_VALUES = (*OLD_VALUES, "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")
# Larger updates are left to ministack, which knows what of the request counts towards the limit.
LARGE_UPDATE_BYTES = 300 * 1024


def install() -> None:
    """Check that ministack has what is used of it."""
    require(service, "_set_item", "_remove_item", "_emit_stream_event")
    check(service, "_conditional_check_failed", ("data", "old_item", "message"))
    check(service, "_diff_attributes", ("old_item", "new_item", "updated_attrs", "return_old"))


def get_item(data: dict[str, Any], target: PlainTable) -> Response:
    """An item, or none."""
    item = target.item(target.key(data)[0])
    answer: dict[str, Any] = {} if item is None else {"Item": item}
    if data.get("ReturnConsumedCapacity", "NONE") != "NONE":
        answer["ConsumedCapacity"] = consumed_capacity(target.table, target.name, size_of(item), data)
    return json_answer(answer)


def put_item(data: dict[str, Any], target: PlainTable) -> Response:
    """Put an item in place of the one that has its key."""
    key, item, size = target.new_item(data)
    old = target.item(key)
    return _refusal(data, old) or _written(data, target, key, old=old, new=item, new_size=size)


def delete_item(data: dict[str, Any], target: PlainTable) -> Response:
    """Remove an item, if it is there."""
    key, _ = target.key(data)
    old = target.item(key)
    return _refusal(data, old) or _written(data, target, key, old=old, new=None, new_size=0)


def _refusal(data: dict[str, Any], old: Item | None) -> Response | None:
    """What is answered when the condition does not hold. Raises NotPlainError."""
    if data.get("ReturnValues", "NONE") not in OLD_VALUES:
        raise NotPlainError("ReturnValues")
    values, _ = plain_values(data)
    condition = plain_condition(data, "ConditionExpression", names_of(data))
    check_references(data, condition)
    if condition is None:
        return None
    condition.check(values)
    return None if condition.evaluate(old or {}, values) else _condition_failed(data, old)


def _condition_failed(data: dict[str, Any], old: Item | None) -> Response:
    return service._conditional_check_failed(data, old)  # type: ignore[no-any-return]


def _written(
    data: dict[str, Any], target: PlainTable, key: Key, *, old: Item | None, new: Item | None, new_size: int
) -> Response:
    """Put the new item in the old one's place; None removes it."""
    if new is not None:
        target.put(key, old, new)
    elif old is not None:
        target.remove(key, old)
    answer: dict[str, Any] = {"Attributes": old} if old and data.get("ReturnValues") == "ALL_OLD" else {}
    add_write_capacity(answer, data, target.name, new_size, size_of(old))
    return json_answer(answer)


def update_item(data: dict[str, Any], target: PlainTable) -> Response:
    """Change an item, or make it."""
    returned = data.get("ReturnValues", "NONE")
    text = data.get("UpdateExpression")
    if returned not in UPDATED_VALUES or type(text) is not str:
        raise NotPlainError("ReturnValues or UpdateExpression")
    names = names_of(data)
    update = update_of(text, names)
    condition = plain_condition(data, "ConditionExpression", names)
    check_references(data, update, condition)
    if any(path[0] == name for path in update.paths for name, _, _ in target.keys.attributes):
        raise NotPlainError("a key attribute")
    values, values_size = plain_values(data)
    key, key_attributes = target.key(data)
    old = target.item(key)
    old_size = size_of(old)
    if old_size + values_size * update.value_uses > LARGE_UPDATE_BYTES:
        raise NotPlainError("a large update")
    if condition is not None:
        condition.check(values)
        if not condition.evaluate(old or {}, values):
            return _condition_failed(data, old)
    new: Item = update.apply(key_attributes if old is None else old, values)
    new_size = size_of(new)
    if new_size > MAXIMUM_ITEM_BYTES:
        raise NotPlainError("a large item")
    target.put(key, old, new)
    answer = _returned(returned, old, new, update.paths)
    add_write_capacity(answer, data, target.name, old_size, new_size)
    return json_answer(answer)


def _returned(returned: str, old: Item | None, new: Item, paths: tuple[tuple[Any, ...], ...]) -> dict[str, Any]:
    """The Attributes that ReturnValues asks for, if there are any."""
    if returned == "NONE" or (old is None and returned.endswith("OLD")):
        return {}
    if returned.startswith("ALL"):
        return {"Attributes": new if returned == "ALL_NEW" else old}
    is_old = returned == "UPDATED_OLD"
    found = service._diff_attributes(old or {}, new, paths, return_old=is_old)
    return {"Attributes": found} if found or is_old else {}
