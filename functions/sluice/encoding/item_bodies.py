"""Items put together from the JSON of their attributes."""

from __future__ import annotations

from collections.abc import Mapping
from json.encoder import encode_basestring as quote

from sluice.encoding.item import Item
from sluice.encoding.sizes import check_item_size
from sluice.errors import RejectError
from sluice.rejects import Reason


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
    return RejectError(Reason.TEXT_INVALID, f"attribute {name}: half a surrogate pair, which has no UTF-8")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
