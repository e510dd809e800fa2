"""Attribute values: where they are in an item, and how they compare."""

import base64
from collections.abc import Callable, Mapping
from decimal import Decimal
from operator import ge, gt, le, lt
from typing import Any

from ministack.services import dynamodb as service

from local_aws.dynamodb.expressions.nodes import Part
from local_aws.dynamodb.expressions.tokens import NotPlainError

AttributeValue = dict[str, Any]
Item = Mapping[str, AttributeValue]
Values = Mapping[str, AttributeValue]

ORDERED_TYPES = frozenset(("S", "N", "B"))
ORDERS: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


def getter(parts: tuple[Part, ...]) -> Callable[[Item], AttributeValue | None]:
    """What finds the value at a document path: None where there is none."""
    first, rest = str(parts[0]), parts[1:]
    if not rest:
        return lambda item: item.get(first)

    def get(item: Item) -> AttributeValue | None:
        value: Any = item.get(first)
        for part in rest:
            if value is None:
                return None
            value = _member(value, part)
        return value  # type: ignore[no-any-return]

    return get


def _member(value: AttributeValue, part: Part) -> Any:
    if isinstance(part, str):
        members = value.get("M")
        return None if members is None else members.get(part)
    elements = value.get("L")
    return elements[part] if elements is not None and part < len(elements) else None


def type_of(value: AttributeValue) -> str:
    """S, N, B, BOOL, NULL, SS, NS, BS, L or M."""
    return next(iter(value))


def are_equal(left: AttributeValue | None, right: AttributeValue | None) -> bool:
    """`=`: no value equals none. Raises NotPlainError when both are missing."""
    if left is None or right is None:
        if left is right:
            raise NotPlainError("both operands are missing")
        return False
    if left == right:
        return True
    kind = type_of(left)
    if kind != type_of(right) or kind in ("S", "BOOL", "NULL"):
        return False
    return bool(service._compare_ddb(left, "=", right))


def comparison(sign: str) -> Callable[[AttributeValue | None, AttributeValue | None], bool]:
    """How two values compare by <, <=, > or >=: values of different types, and missing ones, do not."""
    order = ORDERS[sign]

    def compare(left: AttributeValue | None, right: AttributeValue | None) -> bool:
        if left is None or right is None:
            return False
        kind = type_of(left)
        if kind not in ORDERED_TYPES or kind != type_of(right):
            return False
        return order(_comparable(kind, left[kind]), _comparable(kind, right[kind]))

    return compare


def _comparable(kind: str, content: str) -> Any:
    if kind == "N":
        return Decimal(content)
    return base64.b64decode(content) if kind == "B" else content


def begins_with(value: AttributeValue, start: AttributeValue) -> bool:
    """begins_with of strings and binaries."""
    kind = type_of(start)
    if kind != type_of(value):
        return False
    if kind == "S":
        return bool(value[kind].startswith(start[kind]))
    return bool(base64.b64decode(value[kind]).startswith(base64.b64decode(start[kind])))


def contains(value: AttributeValue, sought: AttributeValue) -> bool:
    """contains: a part of a string, a member of a set, an element of a list."""
    kind, sought_kind = type_of(value), type_of(sought)
    if kind == "S" and sought_kind == "S":
        return bool(sought["S"] in value["S"])
    if kind in ("SS", "NS", "BS") and sought_kind == kind[0]:
        return bool(sought[sought_kind] in value[kind])
    return kind == "L" and any(service._ddb_equals(element, sought) for element in value["L"])


def has_type(value: AttributeValue, name: AttributeValue) -> bool:
    """attribute_type."""
    return bool(type_of(value) == name["S"])


def size(value: AttributeValue) -> AttributeValue:
    """size(), as a number."""
    return {"N": str(service._ddb_size(value))}
