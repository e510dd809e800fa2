"""Python values as DynamoDB attribute values, binary values included."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from json.encoder import encode_basestring as quote
from typing import Any

from sluice.dynamodb.numbers import MAX_DIGITS, MAX_EXPONENT, check_number, normal_form
from sluice.errors import RejectError
from sluice.rejects import Reason, located, quoted

_is_base64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?").fullmatch


def binary_text(text: str) -> str:
    """Base64 in its canonical spelling: the bits that padding leaves over are zero. Raises RejectError."""
    if not text or not _is_base64(text):
        raise RejectError(Reason.BINARY_INVALID, f"{quoted(text)} is not base64")
    return base64.b64encode(base64.b64decode(text)).decode()


# An attribute's own value is at level 1; DynamoDB takes 31 lists and maps around the innermost.
MAX_LEVELS = 32
# Integers up to here need no closer look.
_PLAIN_INTEGER = 10**MAX_DIGITS


def encode_attributes(item: Mapping[str, Any]) -> dict[str, str]:
    """The item's attributes by name, each in DynamoDB JSON. Raises RejectError that names the attribute."""
    return {name: encode_attribute(name, value) for name, value in item.items()}


def encode_attribute(name: str, value: object) -> str:
    """One attribute's value in DynamoDB JSON. Raises RejectError that names the attribute."""
    _check_name(name)
    try:
        return encode_value(value)
    except RejectError as error:
        raise located(f"attribute {name}", error) from error


def encode_value(value: object, level: int = 1) -> str:
    """One value in DynamoDB JSON: 1 is {"N":"1"}. Raises RejectError."""
    if level > MAX_LEVELS:
        raise RejectError(Reason.NESTING_TOO_DEEP, f"nested more than {MAX_LEVELS} levels deep")
    writer = _WRITERS.get(type(value)) or _inherited_writer(value)
    return writer(value, level)


def parse_json(text: str) -> Any:
    """The value that JSON text holds, numbers as they are spelled. Raises RejectError."""
    try:
        return _JSON_TEXT.decode(text)
    except RecursionError as error:
        raise RejectError(Reason.NESTING_TOO_DEEP, f"nested more than {MAX_LEVELS} levels deep") from error
    except ValueError as error:
        raise RejectError(Reason.JSON_INVALID, f"{quoted(text)} is not JSON ({error})") from error


def number_text(value: float | Decimal) -> str:
    """A number as DynamoDB takes it. Raises RejectError."""
    if isinstance(value, int) and abs(value) >= 10 ** (MAX_EXPONENT + 1):
        raise RejectError(Reason.NUMBER_OUT_OF_RANGE, f"an integer over 9.99E+{MAX_EXPONENT}")
    if isinstance(value, float) and not math.isfinite(value):
        raise RejectError(Reason.NUMBER_INVALID, f"{value} is not a number to DynamoDB")
    text = str(value)
    check_number(text)
    return text


class _NumberText(str):
    """A JSON number, as it is spelled."""

    __slots__ = ()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise RejectError(Reason.JSON_INVALID, "a name appears twice in one JSON object")
    return value


_JSON_TEXT = json.JSONDecoder(
    parse_int=_NumberText, parse_float=_NumberText, parse_constant=_NumberText, object_pairs_hook=_unique
)


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise RejectError(Reason.VALUE_UNSUPPORTED, f"the attribute name {name!r:.40} is not a str")
    if not name:
        raise RejectError(Reason.VALUE_UNSUPPORTED, "an attribute name is empty")


def _write_text(value: str, _level: int) -> str:
    return f'{{"S":{quote(value)}}}'


def _write_integer(value: int, level: int) -> str:
    return f'{{"N":"{value}"}}' if -_PLAIN_INTEGER < value < _PLAIN_INTEGER else _write_number(value, level)


def _write_number(value: float | Decimal, _level: int) -> str:
    return f'{{"N":"{number_text(value)}"}}'


def _write_number_text(value: _NumberText, _level: int) -> str:
    check_number(value)
    return f'{{"N":"{value}"}}'


def _write_boolean(value: bool, _level: int) -> str:
    return '{"BOOL":true}' if value else '{"BOOL":false}'


def _write_null(_value: None, _level: int) -> str:
    return '{"NULL":true}'


def _write_bytes(value: bytes, _level: int) -> str:
    return f'{{"B":"{base64.b64encode(value).decode()}"}}'


def _write_list(value: Iterable[Any], level: int) -> str:
    return f'{{"L":[{",".join(encode_value(each, level + 1) for each in value)}]}}'


def _write_map(value: Mapping[Any, Any], level: int) -> str:
    members = []
    for name, each in value.items():
        if not isinstance(name, str):
            raise RejectError(Reason.VALUE_UNSUPPORTED, f"the key {name!r:.40} of a map is not a str")
        members.append(f"{quote(name)}:{encode_value(each, level + 1)}")
    return f'{{"M":{{{",".join(members)}}}}}'


def _write_set(value: set[Any] | frozenset[Any], _level: int) -> str:
    if not value:
        raise RejectError(Reason.SET_EMPTY, "an empty set, which DynamoDB does not accept")
    if all(isinstance(each, str) for each in value):
        return _set_json("SS", map(quote, value))
    if all(isinstance(each, bytes) for each in value):
        return _set_json("BS", (f'"{base64.b64encode(each).decode()}"' for each in value))
    if all(isinstance(each, int | float | Decimal) and not isinstance(each, bool) for each in value):
        # 0.1 and Decimal("0.1") are two elements to Python and one number to DynamoDB.
        by_number = {normal_form(text): text for text in map(number_text, value)}
        return _set_json("NS", (f'"{text}"' for text in by_number.values()))
    raise RejectError(Reason.VALUE_UNSUPPORTED, "a set whose elements are not all str, all numbers or all bytes")


def _set_json(kind: str, elements: Iterable[str]) -> str:
    # Sorted, so that one item has one body whatever order Python's sets are in.
    return f'{{"{kind}":[{",".join(sorted(elements))}]}}'


Writer = Callable[[Any, int], str]
_WRITERS: dict[type, Writer] = {
    str: _write_text,
    _NumberText: _write_number_text,
    bool: _write_boolean,
    int: _write_integer,
    float: _write_number,
    Decimal: _write_number,
    type(None): _write_null,
    bytes: _write_bytes,
    list: _write_list,
    tuple: _write_list,
    dict: _write_map,
    set: _write_set,
    frozenset: _write_set,
}


def _inherited_writer(value: object) -> Writer:
    for kind in type(value).__mro__:
        if kind in _WRITERS:
            return _WRITERS[kind]
    raise RejectError(Reason.VALUE_UNSUPPORTED, f"a value of type {type(value).__name__}")
