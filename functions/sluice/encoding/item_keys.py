"""What makes a key: checked against DynamoDB's limits, and equal where DynamoDB sees one key."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sluice.encoding.binaries import binary_text
from sluice.encoding.numbers import normal_form
from sluice.errors import RejectError
from sluice.keys import KeyAttribute, KeySchema
from sluice.rejects import Reason, located


def key_identity(attribute: KeyAttribute, text: str) -> str:
    """The key's value, equal for equal keys; `text` is as it stands in DynamoDB JSON. Raises RejectError."""
    if not text:
        raise RejectError(Reason.KEY_EMPTY, "a key cannot be empty")
    if attribute.type == "N":
        return normal_form(text)
    if attribute.type == "B":
        text = binary_text(text)
        length = len(base64.b64decode(text))
    else:
        length = len(text.encode("utf-8", "surrogatepass"))
    if length > attribute.max_bytes:
        raise RejectError(Reason.KEY_TOO_LONG, f"{length} bytes, DynamoDB takes {attribute.max_bytes}")
    return text


def plain_key(schema: KeySchema, item: Mapping[str, Any]) -> tuple[str, ...]:
    """The key of an item of plain values. Raises RejectError."""
    return tuple([_plain_identity(attribute, item) for attribute in schema.attributes])


def _plain_identity(attribute: KeyAttribute, item: Mapping[str, Any]) -> str:
    try:
        return key_identity(attribute, _plain_key_text(attribute, item))
    except RejectError as error:
        raise located(f"attribute {attribute.name} (a key)", error) from error


def _plain_key_text(attribute: KeyAttribute, item: Mapping[str, Any]) -> str:
    if attribute.name not in item:
        raise RejectError(Reason.KEY_MISSING, "the item has no such attribute")
    value = item[attribute.name]
    if attribute.type == "S" and isinstance(value, str):
        return value
    if attribute.type == "B" and isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if attribute.type == "N" and isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(value)
    problem = f"a {type(value).__name__}, where the table's key is {attribute.type}"
    raise RejectError(Reason.KEY_TYPE_MISMATCH, problem)
