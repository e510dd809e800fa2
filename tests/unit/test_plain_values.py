"""DynamoDB JSON as the plain values that transforms get."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import given

from sluice.dynamodb.plain import plain_item, plain_value
from sluice.dynamodb.values import encode_attributes
from tests.unit.plain_items import plain
from tests.unit.plain_values import items

Item = dict[str, Any]


@given(items)
def test_items_are_read_as_boto3_reads_them(item: Item) -> None:
    body = {name: json.loads(value) for name, value in encode_attributes(item).items()}
    assert plain_item(body) == plain(json.dumps(body).encode())


def test_binaries_are_bytes_wherever_they_stand() -> None:
    item: dict[str, Any] = {"b": {"B": "AA=="}, "l": {"L": [{"B": "AQ=="}]}, "s": {"BS": ["Ag=="]}}
    item["m"] = {"M": {"b": {"B": ""}}}
    assert plain_item(item) == {"b": b"\0", "l": [b"\1"], "s": {b"\2"}, "m": {"b": b""}}


def test_item_may_be_changed_without_changing_what_it_was_read_from() -> None:
    stored: dict[str, Any] = {"m": {"M": {"l": {"L": [{"N": "1"}]}}}, "s": {"SS": ["a"]}}
    before = json.dumps(stored)
    item = plain_item(stored)
    item["m"]["l"].append(2)
    item["m"]["other"] = None
    item["s"].add("b")
    assert json.dumps(stored) == before


def test_number_keeps_all_its_digits() -> None:
    assert plain_value({"N": "1.00000000000000000000000000000000000001"}) == Decimal(
        "1.00000000000000000000000000000000000001"
    )
