"""Items: as rows and encoders produce them, as DynamoDB stores them, and their sizes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from json.encoder import encode_basestring as quote
from typing import Any, NamedTuple, Protocol

from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.numbers import Number
from sluice.errors import RejectError
from sluice.limits import WRITE_UNIT_BYTES
from sluice.rejects import Reason

Row = Sequence[str] | Mapping[str, Any]


class Item(NamedTuple):
    """One item, ready for the wire.

    `key` is equal for two items exactly when DynamoDB sees one primary key (numbers in normal form);
    `body` is the item in DynamoDB JSON, UTF-8: {"pk":{"S":"a"}}.
    """

    key: tuple[str, ...]
    body: bytes


class RowEncoder(Protocol):
    """Turns one row into items; raises RejectError when it cannot. No items: the row is skipped.

    `number` is the row's number in its source, where rows have one.
    """

    def __call__(self, row: Row, number: int = 0, /) -> Sequence[Item]: ...


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
        raise RejectError(
            Reason.ITEM_TOO_LARGE, f"the item has {size} bytes, DynamoDB accepts at most {MAX_ITEM_BYTES}"
        )


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


def make_item(key: tuple[str, ...], values: Mapping[str, str]) -> Item:
    """The item of these attributes, each in DynamoDB JSON. Raises RejectError when it cannot be stored."""
    members = [f"{quote(name)}:{value}" for name, value in values.items()]
    try:
        body = f"{{{','.join(members)}}}".encode()
    except UnicodeEncodeError as error:
        raise _text_invalid(values) from error
    check_item_size(body)
    return Item(key, body)


def utf8_value(name: str, value: str) -> bytes:
    """An attribute's value in DynamoDB JSON as it goes over the wire. Raises RejectError."""
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise _text_invalid({name: value}) from error


def _text_invalid(values: Mapping[str, str]) -> RejectError:
    name = next(name for name, value in values.items() if not _is_unicode(name + value))
    return RejectError(
        Reason.TEXT_INVALID, f"attribute {name}: half a surrogate pair, which cannot be encoded in UTF-8"
    )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


Attributes = Mapping[str, Mapping[str, Any]]


def key_of(item: Attributes, schema: KeySchema) -> tuple[Any, ...]:
    """The item's primary key; equal for two items exactly when DynamoDB sees one key. Raises KeyError."""
    return tuple(comparable(item[each.name]) for each in schema.attributes)


def equal(one: Attributes, other: Attributes) -> bool:
    """Whether DynamoDB holds the same for both: numbers by value, sets in any order."""
    return comparable({"M": one}) == comparable({"M": other})


def failed_write_units(*items: Attributes) -> int:
    """What a put costs that its condition refused: the larger of the item sent and the item there."""
    return max(-(-item_size(each) // WRITE_UNIT_BYTES) for each in items)


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
