"""A table's key attributes, by name and type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
