"""Key attributes of a table and of its indexes: their names and types, and the keys of items."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sluice.dynamodb.numbers import normal_form
from sluice.dynamodb.values import binary_text
from sluice.errors import RejectError
from sluice.rejects import Reason, located

PARTITION_KEY_MAX_BYTES = 2048
SORT_KEY_MAX_BYTES = 1024


@dataclass(frozen=True, slots=True)
class KeyAttribute:
    """One key attribute; `type` is S, N or B. `index` is the index whose key it is, None for the table's own key."""

    name: str
    type: str
    max_bytes: int
    index: str | None = None

    @property
    def owner(self) -> str:
        """Whose key it is, for messages."""
        return "the table's key" if self.index is None else f"the key of index {self.index}"


@dataclass(frozen=True, slots=True)
class KeySchema:
    """A table's primary key. `indexed`: key attributes of indexes that are not in the primary key, once each."""

    partition: KeyAttribute
    sort: KeyAttribute | None = None
    indexed: tuple[KeyAttribute, ...] = field(default=(), compare=False)

    @property
    def attributes(self) -> tuple[KeyAttribute, ...]:
        """The partition key, then the sort key where there is one."""
        return (self.partition,) if self.sort is None else (self.partition, self.sort)

    @classmethod
    def from_describe_table(cls, table: Mapping[str, Any]) -> KeySchema:
        """Read DescribeTable's `Table`: by KeyType and by name, never by position."""
        types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
        names = {each["KeyType"]: each["AttributeName"] for each in table["KeySchema"]}
        return cls.from_state(
            [{"name": name, "type": types[name]} for name in (names["HASH"], names.get("RANGE")) if name]
        )

    @classmethod
    def with_indexes(cls, table: Mapping[str, Any]) -> KeySchema:
        """The same, with the key attributes of its indexes."""
        types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
        own = cls.from_describe_table(table).to_state()
        known = {each["name"] for each in own}
        indexes = _index_keys(table).items()
        return cls.from_state(
            [*own, *({"name": name, "type": types[name], **index} for name, index in indexes if name not in known)]
        )

    @classmethod
    def from_state(cls, state: Sequence[Mapping[str, str]]) -> KeySchema:
        """Read what `to_state` returns."""
        own = [each for each in state if "index" not in each]
        partition = KeyAttribute(own[0]["name"], own[0]["type"], PARTITION_KEY_MAX_BYTES)
        sort = KeyAttribute(own[1]["name"], own[1]["type"], SORT_KEY_MAX_BYTES) if len(own) > 1 else None
        indexed = [_index_key(each) for each in state if "index" in each]
        return cls(partition, sort, tuple(indexed))

    def to_state(self) -> list[dict[str, str]]:
        """The key as it travels in state: partition key, sort key, then keys of indexes with "index" and "role"."""
        indexed = [
            {"name": each.name, "type": each.type, "index": each.index or "", "role": _role(each)}
            for each in self.indexed
        ]
        return [*({"name": each.name, "type": each.type} for each in self.attributes), *indexed]


_MAX_BYTES = {"HASH": PARTITION_KEY_MAX_BYTES, "RANGE": SORT_KEY_MAX_BYTES}


def _role(key: KeyAttribute) -> str:
    return next(role for role, most in _MAX_BYTES.items() if most == key.max_bytes)


def _index_key(state: Mapping[str, str]) -> KeyAttribute:
    return KeyAttribute(state["name"], state["type"], _MAX_BYTES[state["role"]], state["index"])


def _index_keys(table: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """{"name": {"index", "role"}}; an attribute in several indexes is a sort key where it is one in any of them."""
    keys: dict[str, dict[str, str]] = {}
    for index in (*table.get("GlobalSecondaryIndexes", ()), *table.get("LocalSecondaryIndexes", ())):
        for each in index["KeySchema"]:
            found = {"index": index["IndexName"], "role": each["KeyType"]}
            if each["AttributeName"] not in keys or found["role"] == "RANGE":
                keys[each["AttributeName"]] = found
    return keys


def key_identity(attribute: KeyAttribute, text: str) -> str:
    """The key's value, equal for equal keys; `text` is as it stands in DynamoDB JSON. Raises RejectError."""
    if not text:
        raise RejectError(Reason.KEY_EMPTY, _EMPTY if attribute.index is None else _EMPTY_INDEX % attribute.owner)
    if attribute.type == "N":
        return normal_form(text)
    if attribute.type == "B":
        text = binary_text(text)
        length = len(base64.b64decode(text))
    else:
        length = len(text.encode("utf-8", "surrogatepass"))
    if length > attribute.max_bytes:
        raise RejectError(Reason.KEY_TOO_LONG, f"{length} bytes, DynamoDB accepts at most {attribute.max_bytes}")
    return text


_EMPTY = "a key cannot be empty"
_EMPTY_INDEX = "it is %s, which cannot be empty; omitEmpty leaves it out"


def plain_key(schema: KeySchema, item: Mapping[str, Any]) -> tuple[str, ...]:
    """The key of an item of plain values; its attributes that are keys of indexes are checked. Raises RejectError."""
    for attribute in schema.indexed:
        if attribute.name in item:
            _plain_identity(attribute, item)
    return tuple([_plain_identity(attribute, item) for attribute in schema.attributes])


def _plain_identity(attribute: KeyAttribute, item: Mapping[str, Any]) -> str:
    try:
        return key_identity(attribute, _plain_key_text(attribute, item))
    except RejectError as error:
        raise located(f"attribute {attribute.name} (a key)", error) from error


def _plain_key_text(attribute: KeyAttribute, item: Mapping[str, Any]) -> str:
    if attribute.name not in item:
        raise RejectError(Reason.KEY_MISSING, "the item has no such attribute")
    value = item[attribute.name]
    if attribute.type == "S" and isinstance(value, str):
        return value
    if attribute.type == "B" and isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if attribute.type == "N" and isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(value)
    problem = f"a {type(value).__name__}, where {attribute.owner} is {attribute.type}"
    raise RejectError(Reason.KEY_TYPE_MISMATCH, problem)
