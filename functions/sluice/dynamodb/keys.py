"""Key attributes of a table: their names and types, and the keys of items."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
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
    """One key attribute; `type` is S, N or B."""

    name: str
    type: str
    max_bytes: int


@dataclass(frozen=True, slots=True)
class KeySchema:
    """A table's primary key."""

    partition: KeyAttribute
    sort: KeyAttribute | None = None

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
    def from_state(cls, state: list[dict[str, str]]) -> KeySchema:
        """Read what `to_state` returns."""
        partition = KeyAttribute(state[0]["name"], state[0]["type"], PARTITION_KEY_MAX_BYTES)
        sort = KeyAttribute(state[1]["name"], state[1]["type"], SORT_KEY_MAX_BYTES) if len(state) > 1 else None
        return cls(partition, sort)

    def to_state(self) -> list[dict[str, str]]:
        """The key as it travels in state: partition key first."""
        return [{"name": each.name, "type": each.type} for each in self.attributes]


def key_identity(attribute: KeyAttribute, text: str) -> str:
    """The key's value, equal for equal keys; `text` is as it stands in DynamoDB JSON. Raises RejectError."""
    if not text:
        raise RejectError(Reason.KEY_EMPTY, "a key cannot be empty")
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


def plain_key(schema: KeySchema, item: Mapping[str, Any]) -> tuple[str, ...]:
    """The key of an item of plain values. Raises RejectError."""
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
    problem = f"a {type(value).__name__}, where the table's key is {attribute.type}"
    raise RejectError(Reason.KEY_TYPE_MISMATCH, problem)
