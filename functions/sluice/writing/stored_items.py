"""Items as DynamoDB returns them, in DynamoDB JSON: their key, their cost, and whether two are equal."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sluice.encoding.sizes import item_size
from sluice.keys import KeySchema

Attributes = Mapping[str, Mapping[str, Any]]
UNIT_BYTES = 1024


def key_of(item: Attributes, schema: KeySchema) -> tuple[Any, ...]:
    """The item's primary key; equal for two items exactly when DynamoDB sees one key. Raises KeyError."""
    return tuple(comparable(item[each.name]) for each in schema.attributes)


def equal(one: Attributes, other: Attributes) -> bool:
    """Whether DynamoDB holds the same for both: numbers by value, sets in any order."""
    return comparable({"M": one}) == comparable({"M": other})


def failed_write_units(*items: Attributes) -> int:
    """What a put costs that its condition refused: the larger of the item sent and the item there."""
    return max(-(-item_size(each) // UNIT_BYTES) for each in items)


def comparable(value: Mapping[str, Any]) -> tuple[str, Any]:
    """One attribute value, as something that compares as DynamoDB does."""
    ((kind, content),) = value.items()
    match kind:
        case "M":
            return kind, {name: comparable(each) for name, each in content.items()}
        case "L":
            return kind, [comparable(each) for each in content]
        case "SS" | "NS" | "BS":
            return kind, frozenset(_scalar(kind[0], each) for each in content)
        case _:
            return kind, _scalar(kind, content)


def _scalar(kind: str, content: Any) -> Any:
    if kind == "N":
        return Decimal(content)
    return base64.b64decode(content) if kind == "B" else content
