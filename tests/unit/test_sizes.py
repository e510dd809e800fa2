"""Item sizes as DynamoDB counts them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from sluice.dynamodb.items import MAX_ITEM_BYTES, check_item_size, item_size, make_item, value_size
from sluice.dynamodb.values import encode_attributes
from sluice.errors import RejectError
from sluice.rejects import Reason
from tests.unit.plain_values import items


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": ""}, 0),
        ({"S": "é☃"}, 5),
        ({"B": "AAEC"}, 3),
        ({"B": "AA=="}, 1),
        ({"B": ""}, 0),
        ({"N": "0"}, 1),
        ({"N": "-0.00"}, 1),
        ({"N": "1"}, 2),
        ({"N": "12"}, 2),
        ({"N": "-1"}, 3),
        ({"N": "-12"}, 3),
        ({"N": "123"}, 3),
        ({"N": "1234"}, 3),
        ({"N": "12.34"}, 3),
        ({"N": "1E+125"}, 2),
        ({"N": "1" * 38}, 20),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"SS": ["a", "é"]}, 3),
        ({"NS": ["1", "-12", "0.01"]}, 7),
        ({"BS": ["AA==", "AAEC"]}, 4),
        ({"L": []}, 3),
        ({"M": {}}, 3),
        ({"L": [{"S": "ab"}, {"NULL": True}]}, 3 + 1 + 2 + 1 + 1),
        ({"M": {"n": {"N": "-1"}, "b": {"BOOL": True}}}, 11),
    ],
)
def test_value_size_follows_dynamodb(value: dict[str, Any], size: int) -> None:
    assert value_size(value) == size


def test_item_size_counts_the_bytes_of_names() -> None:
    assert item_size({"é": {"S": "a"}, "ab": {"N": "1"}}) == 2 + 1 + 2 + 2


@given(items)
def test_an_item_is_never_larger_than_its_json(item: dict[str, Any]) -> None:
    body = make_item(("k",), encode_attributes(item)).body
    assert item_size(json.loads(body)) <= len(body)


def body_of(size: int) -> bytes:
    return json.dumps({"id": {"S": "x" * (size - 2)}}).encode()


def test_an_item_of_exactly_400_kb_is_taken() -> None:
    assert item_size(json.loads(body_of(MAX_ITEM_BYTES))) == MAX_ITEM_BYTES
    check_item_size(body_of(MAX_ITEM_BYTES))


def test_a_byte_more_is_too_large() -> None:
    with pytest.raises(RejectError, match="409601 bytes") as caught:
        check_item_size(body_of(MAX_ITEM_BYTES + 1))
    assert caught.value.reason == Reason.ITEM_TOO_LARGE


def test_json_longer_than_the_limit_is_taken_when_the_item_is_smaller() -> None:
    body = json.dumps({"id": {"S": "a"}, "text": {"S": "\n" * 300_000}}).encode()
    assert len(body) > MAX_ITEM_BYTES
    check_item_size(body)
