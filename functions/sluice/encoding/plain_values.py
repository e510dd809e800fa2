"""DynamoDB JSON to plain Python values, as boto3 gives them but for binaries, which are bytes."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

Attributes = Mapping[str, Mapping[str, Any]]


def plain_item(item: Attributes) -> dict[str, Any]:
    """The item's attributes: str, Decimal, bytes, bool, None, list, dict and set, none of them shared with `item`."""
    return {
        name: value if kind == "S" else _READERS[kind](value)
        for name, typed in item.items()
        for kind, value in typed.items()
    }


def plain_value(typed: Mapping[str, Any]) -> Any:
    """One value, such as {"N": "12"}."""
    ((kind, value),) = typed.items()
    return _READERS[kind](value)


def _same(value: Any) -> Any:
    return value


_READERS: dict[str, Callable[[Any], Any]] = {
    "S": _same,
    "N": Decimal,
    "B": b64decode,
    "BOOL": _same,
    "NULL": lambda _true: None,
    "L": lambda elements: [plain_value(each) for each in elements],
    "M": plain_item,
    "SS": set,
    "NS": lambda elements: set(map(Decimal, elements)),
    "BS": lambda elements: set(map(b64decode, elements)),
}
