"""BatchWriteItem, the floor of every local load: plain batches take a fast path, the others ministack's."""

from typing import Any, NamedTuple

from local_aws.dynamodb.expressions.tokens import NotPlainError
from local_aws.dynamodb.json_text import Response, json_answer
from local_aws.dynamodb.plain_items import Item
from local_aws.dynamodb.plain_requests import (
    Key,
    PlainTable,
    check_members,
    consumed,
    plain_table,
    size_of,
    write_units,
)

MEMBERS = frozenset(("RequestItems", "ReturnConsumedCapacity"))
MAXIMUM_REQUESTS = 25


class PlainWrite(NamedTuple):
    """One request of a batch; `item` is None for a delete."""

    target: PlainTable
    key: Key
    item: Item | None
    size: int


def write_batch(data: dict[str, Any]) -> Response:
    """The answer to a plain batch. Raises NotPlainError before anything is changed."""
    check_members(data, MEMBERS)
    form = data.get("ReturnConsumedCapacity", "NONE")
    units: dict[str, float] = {}
    for write in _plain_writes(data.get("RequestItems")):
        units[write.target.name] = units.get(write.target.name, 0.0) + _apply(write)
    answer: dict[str, Any] = {"UnprocessedItems": {}}
    if form != "NONE":
        answer["ConsumedCapacity"] = [consumed(name, total, form) for name, total in units.items()]
    return json_answer(answer)


def _plain_writes(request_items: Any) -> list[PlainWrite]:
    if not isinstance(request_items, dict):
        raise NotPlainError("RequestItems")
    writes = []
    for name, requests in request_items.items():
        target = plain_table(name)
        if not isinstance(requests, list) or not requests:
            raise NotPlainError("requests")
        writes += [_plain_write(target, request) for request in requests]
    keys = {(write.target.name, write.key) for write in writes}
    if not 0 < len(keys) == len(writes) <= MAXIMUM_REQUESTS:
        raise NotPlainError("the number of requests, or a key twice")
    return writes


def _plain_write(target: PlainTable, request: Any) -> PlainWrite:
    if not isinstance(request, dict) or len(request) != 1:
        raise NotPlainError("a request")
    ((kind, body),) = request.items()
    if not isinstance(body, dict) or len(body) != 1:
        raise NotPlainError("a request")
    if kind == "PutRequest":
        return PlainWrite(target, *target.new_item(body))
    if kind != "DeleteRequest":
        raise NotPlainError("a request")
    return PlainWrite(target, target.key(body)[0], None, 0)


def _apply(write: PlainWrite) -> float:
    """Put or delete; returns the units that it costs."""
    target, key = write.target, write.key
    old = target.item(key)
    if write.item is not None:
        target.put(key, old, write.item)
    elif old is not None:
        target.remove(key, old)
    return write_units(write.size, size_of(old))
