"""Plain values become the DynamoDB JSON that botocore's own serializer makes of them."""

from __future__ import annotations

import base64
import enum
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given

from sluice.dynamodb.items import make_item
from sluice.dynamodb.values import encode_attributes, encode_value, parse_json
from sluice.errors import RejectError
from sluice.rejects import Reason
from tests.unit.plain_items import plain, plain_value
from tests.unit.plain_values import floats, items, texts, values


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


def as_json(typed: Any) -> Any:
    """What botocore's serializer returns as the JSON that goes out, sets in one order."""
    if isinstance(typed, dict):
        return {
            name: sorted(map(as_json, each)) if name in ("SS", "NS", "BS") else as_json(each)
            for name, each in typed.items()
        }
    if isinstance(typed, list):
        return [as_json(each) for each in typed]
    if isinstance(typed, bytes):
        return base64.b64encode(typed).decode()
    return getattr(typed, "value", typed)


def reason_of(value: Any) -> str:
    with pytest.raises(RejectError) as caught:
        encode_value(value)
    return caught.value.reason


@given(values)
def test_values_are_encoded_as_botocore_does(value: Any) -> None:
    assert as_json(json.loads(encode_value(value))) == as_json(TypeSerializer().serialize(value))


@given(items)
def test_items_are_read_back_as_they_were(item: dict[str, Any]) -> None:
    assert plain(make_item(("k",), encode_attributes(item)).body) == item


@given(floats)
def test_a_float_is_the_number_that_python_prints(value: float) -> None:
    assert plain_value(json.loads(encode_value(value))) == Decimal(repr(value))


@given(texts)
def test_texts_are_kept_to_the_byte_and_unescaped(text: str) -> None:
    body = make_item(("k",), encode_attributes({"t": text})).body
    assert json.loads(body) == {"t": {"S": text}}
    assert all(character.encode() in body for character in text if ord(character) > 127)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (True, '{"BOOL":true}'),
        (1, '{"N":"1"}'),
        ("", '{"S":""}'),
        (None, '{"NULL":true}'),
        (b"", '{"B":""}'),
        (Decimal("1.50"), '{"N":"1.50"}'),
        ((1, "a"), '{"L":[{"N":"1"},{"S":"a"}]}'),
        (frozenset({"b", "a"}), '{"SS":["a","b"]}'),
        ({0.1, Decimal("0.1")}, '{"NS":["0.1"]}'),
        (Colour.RED, '{"S":"red"}'),
        (Level.HIGH, '{"N":"3"}'),
        ({"é": []}, '{"M":{"é":{"L":[]}}}'),
    ],
)
def test_each_type_has_its_own(value: Any, encoded: str) -> None:
    assert encode_value(value) == encoded


@pytest.mark.parametrize(
    "value",
    [
        object(),
        datetime(2026, 1, 1, tzinfo=UTC),
        bytearray(b"a"),
        1j,
        {1: "a"},
        {"a", 1},
        {True},
        {b"a", "a"},
        {None},
        range(3),
        iter([]),
    ],
)
def test_other_types_are_unsupported(value: Any) -> None:
    assert reason_of(value) == Reason.VALUE_UNSUPPORTED


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), Reason.NUMBER_INVALID),
        (float("-inf"), Reason.NUMBER_INVALID),
        (Decimal("NaN"), Reason.NUMBER_INVALID),
        (Decimal("sNaN"), Reason.NUMBER_INVALID),
        (Decimal("Infinity"), Reason.NUMBER_INVALID),
        (1e300, Reason.NUMBER_OUT_OF_RANGE),
        (1e-200, Reason.NUMBER_OUT_OF_RANGE),
        (10**126, Reason.NUMBER_OUT_OF_RANGE),
        (10**38 + 1, Reason.NUMBER_TOO_PRECISE),
        ({10**38 + 1}, Reason.NUMBER_TOO_PRECISE),
        (set(), Reason.SET_EMPTY),
    ],
)
def test_values_that_dynamodb_refuses_are_rejected(value: Any, reason: str) -> None:
    assert reason_of(value) == reason


def test_an_integer_too_long_to_print_is_out_of_range() -> None:
    assert reason_of(10**9999) == Reason.NUMBER_OUT_OF_RANGE


def nested(levels: int) -> Any:
    value: Any = "leaf"
    for level in range(levels - 1):
        value = [value] if level % 2 else {"n": value}
    return value


def test_32_levels_are_taken_and_33_are_too_deep() -> None:
    assert plain_value(json.loads(encode_value(nested(32)))) == nested(32)
    assert reason_of(nested(33)) == Reason.NESTING_TOO_DEEP


def test_a_list_that_holds_itself_is_too_deep() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert reason_of(endless) == Reason.NESTING_TOO_DEEP


def test_a_rejection_names_the_attribute() -> None:
    with pytest.raises(RejectError, match=r"^attribute price: nan is not a number to DynamoDB"):
        encode_attributes({"id": "a", "price": float("nan")})


@pytest.mark.parametrize("name", ["", 1, None])
def test_attribute_names_are_texts_and_not_empty(name: Any) -> None:
    with pytest.raises(RejectError) as caught:
        encode_attributes({name: "a"})
    assert caught.value.reason == Reason.VALUE_UNSUPPORTED


@pytest.mark.parametrize("item", [{"a": "x", "b": "\ud800"}, {"a": "x", "b\udfff": "y"}])
def test_half_a_surrogate_pair_is_rejected_by_attribute(item: dict[str, Any]) -> None:
    with pytest.raises(RejectError, match=r"^attribute b") as caught:
        make_item(("k",), encode_attributes(item))
    assert caught.value.reason == Reason.TEXT_INVALID


def test_json_numbers_go_out_as_they_are_spelled() -> None:
    assert encode_value(parse_json("[1.10, 1E2, -0, 12345678901234567890123456789012345678]")) == (
        '{"L":[{"N":"1.10"},{"N":"1E2"},{"N":"-0"},{"N":"12345678901234567890123456789012345678"}]}'
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.JSON_INVALID),
        ("{", Reason.JSON_INVALID),
        ("{} x", Reason.JSON_INVALID),
        ('{"a": 1, "a": 2}', Reason.JSON_INVALID),
        ("[" * 100_000, Reason.NESTING_TOO_DEEP),
        ("[NaN]", Reason.NUMBER_INVALID),
        ("[-Infinity]", Reason.NUMBER_INVALID),
        ("[1e999]", Reason.NUMBER_OUT_OF_RANGE),
    ],
)
def test_json_that_cannot_be_stored_is_rejected(text: str, reason: str) -> None:
    with pytest.raises(RejectError) as caught:
        encode_value(parse_json(text))
    assert caught.value.reason == reason
