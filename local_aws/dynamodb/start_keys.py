"""ExclusiveStartKey: a key to continue from, which no item needs to have."""

from typing import Any

from ministack.services import dynamodb as service

from local_aws.dynamodb.key_order import key_bytes, slot_of
from local_aws.dynamodb.scan_order import Item, Key, Order, Position

INVALID = "The provided starting key is invalid"
MISMATCH = "The provided key element does not match the schema"
PARTITION_KEY_BYTES = 2048
SORT_KEY_BYTES = 1024


class InvalidStartKeyError(ValueError):
    """The start key lacks keys, has others, or lies outside the segment; says so in DynamoDB's words."""


def start_position(
    order: Order, own_keys: list[Key], index_keys: list[Key], data: dict[str, Any], slots: range
) -> Position | None:
    """Where a Scan continues, given the table's keys and the index's, if it reads one. Raises InvalidStartKeyError."""
    start_key = data.get("ExclusiveStartKey")
    if start_key is None:
        return None
    _check_keys(start_key, own_keys, index_keys)
    position = order.position(start_key)
    if slot_of(position.partition[0]) not in slots:
        raise InvalidStartKeyError(
            f"{INVALID}: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. "
            f"TotalSegments: {data['TotalSegments']} Segment: {data['Segment']}"
        )
    return position


def _check_keys(start_key: Any, own_keys: list[Key], index_keys: list[Key]) -> None:
    if not isinstance(start_key, dict) or set(start_key) != {key.name for key in (*own_keys, *index_keys)}:
        raise InvalidStartKeyError(INVALID if index_keys else f"{INVALID}: {MISMATCH}")
    for value in start_key.values():
        if (message := service._attribute_value_error(value)) is not None:
            raise InvalidStartKeyError(message)
    for key in index_keys:
        _check_value(start_key, key, prefix="")
    for number, key in enumerate(own_keys):
        _check_value(start_key, key, prefix=f"{INVALID}: ")
        limit, role = (SORT_KEY_BYTES, "range") if number else (PARTITION_KEY_BYTES, "hash")
        if key.kind != "N" and len(key_bytes(key.kind, key.content(start_key))) > limit:
            raise InvalidStartKeyError(
                f"{INVALID}: One or more parameter values were invalid: "
                f"Aggregated size of all {role} keys has exceeded the size limit of {limit} bytes"
            )


def _check_value(start_key: Item, key: Key, prefix: str) -> None:
    value = start_key[key.name]
    if not isinstance(value, dict) or set(value) != {key.kind} or not isinstance(value[key.kind], str):
        raise InvalidStartKeyError(f"{prefix}{MISMATCH}")
    if not value[key.kind]:
        kind = {"S": "string", "B": "binary"}[key.kind]
        raise InvalidStartKeyError(
            f"{prefix}One or more parameter values were invalid: "
            f"The AttributeValue for a key attribute cannot contain an empty {kind} value. Key: {key.name}"
        )
