"""BatchWriteItem, the floor of every local load: plain batches take a short way, the others ministack's."""

from typing import Any, NamedTuple

from ministack.services import dynamodb as service

from local_aws.dynamodb.json_text import Response, json_answer
from local_aws.dynamodb.plain_items import Item, PlainKeys, item_size, plain, plain_keys

MAXIMUM_REQUESTS = 25
MAXIMUM_ITEM_BYTES = 400 * 1024
CAPACITY_BYTES = 1024


class PlainWrite(NamedTuple):
    """One request of a batch that is plainly valid; `item` is None for a delete."""

    table: dict[str, Any]
    key: tuple[str, str]
    item: Item | None
    size: int


def plain_writes(request_items: Any) -> dict[str, list[PlainWrite]] | None:
    """The writes of a batch by table name; None when any of them needs a closer look."""
    if not isinstance(request_items, dict):
        return None
    writes: dict[str, list[PlainWrite]] = {}
    seen = set()
    for name, requests in request_items.items():
        table = service._tables.get(name)
        keys = None if table is None or _has_more_to_it(table) else plain_keys(table)
        if keys is None or not isinstance(requests, list) or not requests:
            return None
        writes[name] = []
        for request in requests:
            write = _plain_write(table, keys, request)
            if write is None or (name, write.key) in seen:
                return None
            seen.add((name, write.key))
            writes[name].append(write)
    return writes if 0 < len(seen) <= MAXIMUM_REQUESTS else None


def _has_more_to_it(table: dict[str, Any]) -> bool:
    names = ("GlobalSecondaryIndexes", "LocalSecondaryIndexes", "VectorIndexes")
    return any(table.get(name) for name in names)


def _plain_write(table: dict[str, Any], keys: PlainKeys, request: Any) -> PlainWrite | None:
    if not isinstance(request, dict) or len(request) != 1:
        return None
    ((kind, body),) = request.items()
    if not isinstance(body, dict) or len(body) != 1:
        return None
    if kind == "PutRequest":
        return _plain_put(table, keys, body.get("Item"))
    return _plain_delete(table, keys, body.get("Key")) if kind == "DeleteRequest" else None


def _plain_put(table: dict[str, Any], keys: PlainKeys, item: Any) -> PlainWrite | None:
    found = plain(item) if isinstance(item, dict) else None
    if found is None or found[1] > MAXIMUM_ITEM_BYTES:
        return None
    key = keys.of(found[0])
    return None if key is None else PlainWrite(table, key, *found)


def _plain_delete(table: dict[str, Any], keys: PlainKeys, attributes: Any) -> PlainWrite | None:
    found = keys.of_key(attributes)
    return None if found is None else PlainWrite(table, found[0], None, 0)


def write_plain(writes: dict[str, list[PlainWrite]], returned_capacity: str) -> Response:
    """Apply plain writes: each costs the larger of its old and new size, rounded up to 1 KB."""
    units = {name: sum(_apply(name, write) for write in batch) for name, batch in writes.items()}
    answer: dict[str, Any] = {"UnprocessedItems": {}}
    if returned_capacity != "NONE":
        answer["ConsumedCapacity"] = [_consumed(name, units[name], returned_capacity) for name in units]
    return json_answer(answer)


def _apply(name: str, write: PlainWrite) -> float:
    partition, sort = write.key
    old = write.table["items"].get(partition, {}).get(sort)
    if write.item is not None:
        service._set_item(write.table, partition, sort, write.item)
        service._emit_stream_event(name, "MODIFY" if old else "INSERT", old, write.item)
    elif old is not None:
        service._remove_item(write.table, partition, sort)
        service._emit_stream_event(name, "REMOVE", old, None)
    size = max(write.size, 0 if old is None else item_size(old))
    return float(max(1, -(-size // CAPACITY_BYTES)))


def _consumed(name: str, units: float, returned_capacity: str) -> dict[str, Any]:
    consumed: dict[str, Any] = {"TableName": name, "CapacityUnits": units}
    if returned_capacity == "INDEXES":
        consumed["Table"] = {"CapacityUnits": units}
    return consumed
