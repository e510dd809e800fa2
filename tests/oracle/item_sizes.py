"""The size of an item, written down from DynamoDB's documentation and independent of local AWS's own."""

from decimal import Decimal
from typing import Any

from tests.oracle.random_tables import Item, Value


def item_size(item: Item) -> int:
    """Bytes of an item: its names and its values."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Value) -> int:
    ((kind, content),) = value.items()
    if kind in ("BOOL", "NULL"):
        return 1
    if kind == "L":
        return 3 + sum(1 + _value_size(element) for element in content)
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + _value_size(element) for name, element in content.items())
    scalars = content if len(kind) == 2 else [content]
    return sum(_scalar_size(kind[0], scalar) for scalar in scalars)


def _scalar_size(kind: str, scalar: Any) -> int:
    if kind == "N":
        return _number_size(Decimal(scalar))
    return len(scalar.encode() if kind == "S" else scalar)


def _number_size(number: Decimal) -> int:
    """Two digits to a byte, in pairs from the decimal point, one byte more, and one for a minus."""
    if not number:
        return 1
    sign, digits, exponent = number.as_tuple()
    significant = "".join(map(str, digits)).rstrip("0")
    before = (len(digits) + int(exponent)) % 2
    return 1 + (before + len(significant) + 1) // 2 + sign
