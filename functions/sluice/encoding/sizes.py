"""How large an item is to DynamoDB: what its limit of 400 KB is measured in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sluice.encoding.numbers import Number
from sluice.errors import RejectError
from sluice.rejects import Reason

MAX_ITEM_BYTES = 400 * 1024


def check_item_size(body: bytes) -> None:
    """Raise RejectError when the item is too large to be stored; `body` is the item in DynamoDB JSON.

    An item is never larger than its JSON, so only a longer body needs to be measured: names and strings are
    written with at least their UTF-8 bytes; base64 is longer than what it encodes; n digits count at most
    n/2 + 3 bytes against n characters and the 8 around them, {"N":""}; the 3 bytes of a list or map and the 1
    of each element are outweighed by {"L":[]} and the {"S":""} or so of each element.
    """
    if len(body) <= MAX_ITEM_BYTES:
        return
    size = item_size(json.loads(body))
    if size > MAX_ITEM_BYTES:
        raise RejectError(Reason.ITEM_TOO_LARGE, f"the item has {size} bytes, DynamoDB takes {MAX_ITEM_BYTES}")


def item_size(item: Mapping[str, Mapping[str, Any]]) -> int:
    """Bytes of an item given as DynamoDB JSON, as DynamoDB counts them: names and values."""
    return sum(_text_size(name) + value_size(value) for name, value in item.items())


def value_size(typed: Mapping[str, Any]) -> int:
    """Bytes of one value, such as {"N": "12"}, without the name it goes by."""
    ((kind, value),) = typed.items()
    return _SIZES[kind](value)


def _text_size(text: str) -> int:
    return len(text.encode())


def _number_size(text: str) -> int:
    number = Number.parse(text)
    if not number.digits:
        return 1
    return (len(number.digits) + 1) // 2 + 1 + number.is_negative


def _binary_size(base64_text: str) -> int:
    return len(base64_text) // 4 * 3 - base64_text.count("=")


def _list_size(elements: Sequence[Mapping[str, Any]]) -> int:
    return 3 + len(elements) + sum(map(value_size, elements))


def _map_size(members: Mapping[str, Mapping[str, Any]]) -> int:
    return 3 + len(members) + item_size(members)


_SIZES: dict[str, Callable[[Any], int]] = {
    "S": _text_size,
    "N": _number_size,
    "B": _binary_size,
    "BOOL": lambda _value: 1,
    "NULL": lambda _value: 1,
    "SS": lambda elements: sum(map(_text_size, elements)),
    "NS": lambda elements: sum(map(_number_size, elements)),
    "BS": lambda elements: sum(map(_binary_size, elements)),
    "L": _list_size,
    "M": _map_size,
}
