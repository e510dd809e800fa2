"""DynamoDB JSON as plain values: as Python objects, and as the JSON that people and query engines read."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from json.encoder import encode_basestring as quote
from typing import Any

from sluice.errors import RejectError
from sluice.rejects import Reason, quoted

Attributes = Mapping[str, Mapping[str, Any]]

_is_json_number = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?").fullmatch


def plain_json(item: Attributes) -> str:
    """The item as JSON: a binary is its base64, a set a list. Raises RejectError for what is not DynamoDB JSON."""
    try:
        return _map(item)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RejectError(
            Reason.RECORD_INVALID, f"no item in DynamoDB JSON: {type(error).__name__}: {error}"
        ) from error


def _map(members: Attributes) -> str:
    return f"{{{','.join([f'{quote(name)}:{_value(typed)}' for name, typed in members.items()])}}}"


def _value(typed: Mapping[str, Any]) -> str:
    ((kind, value),) = typed.items()
    return _WRITERS[kind](value)


def _number(text: str) -> str:
    """A number that DynamoDB wrote is one in JSON too."""
    if not _is_json_number(text):
        raise ValueError(f"{quoted(text)} is not a number")
    return text


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _list(elements: Sequence[str]) -> str:
    return f"[{','.join(elements)}]"


_WRITERS: dict[str, Callable[[Any], str]] = {
    "S": quote,
    "N": _number,
    "B": quote,
    "BOOL": _boolean,
    "NULL": lambda _true: "null",
    "M": _map,
    "L": lambda elements: _list([_value(each) for each in elements]),
    "SS": lambda elements: _list(list(map(quote, elements))),
    "NS": lambda elements: _list(list(map(_number, elements))),
    "BS": lambda elements: _list(list(map(quote, elements))),
}


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
# The names of DynamoDB's types, as they stand in DynamoDB JSON.
ATTRIBUTE_TYPES = frozenset(_READERS)
