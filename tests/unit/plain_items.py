"""Items read back from DynamoDB JSON as boto3 reads them, and encoders for tests."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, cast

from boto3.dynamodb.types import Binary, TypeDeserializer

from sluice.dynamodb.items import Item, Row, RowEncoder
from sluice.dynamodb.keys import KeySchema
from sluice.errors import RejectError
from sluice.mapping.encoders import encoder_for

ID_SCHEMA = KeySchema.from_state([{"name": "id", "type": "S"}])


def schema_of(**types: str) -> KeySchema:
    return KeySchema.from_state([{"name": name, "type": kind} for name, kind in types.items()])


def mapping_encoder(
    mapping: dict[str, Any], columns: Sequence[str] | None, schema: KeySchema = ID_SCHEMA
) -> RowEncoder:
    return encoder_for({"mapping": mapping}, columns, schema)


def one_item(encode: RowEncoder, row: Row) -> Item:
    (item,) = encode(row)
    return item


def rejected(encode: RowEncoder, row: Row) -> RejectError:
    try:
        encode(row)
    except RejectError as error:
        return error
    raise AssertionError(f"{row} was taken")


def plain(body: bytes) -> dict[str, Any]:
    """The item as boto3 gives it: str, Decimal, bytes, set and so on."""
    return {name: plain_value(value) for name, value in json.loads(body).items()}


def plain_value(typed: dict[str, Any]) -> Any:
    return _without_binary(TypeDeserializer().deserialize(_decoded(typed)))


def _decoded(typed: dict[str, Any]) -> Any:
    ((kind, value),) = typed.items()
    match kind:
        case "B":
            return {"B": base64.b64decode(value, validate=True)}
        case "BS":
            return {"BS": [base64.b64decode(each, validate=True) for each in value]}
        case "L":
            return {"L": [_decoded(each) for each in value]}
        case "M":
            return {"M": {name: _decoded(each) for name, each in value.items()}}
        case _:
            return typed


def _without_binary(value: Any) -> Any:
    if isinstance(value, Binary):
        return cast(Any, value).value
    if isinstance(value, set):
        return {_without_binary(each) for each in value}
    if isinstance(value, list):
        return [_without_binary(each) for each in value]
    if isinstance(value, dict):
        return {name: _without_binary(each) for name, each in value.items()}
    return value
