"""What the figure of table_transform compares: the same updates of the same items."""

from __future__ import annotations

import json

import pytest

from bench.export_contestants import clients
from bench.export_files import flight_items
from bench.flights import KEYS
from bench.null_endpoint import in_thread
from bench.transform_contestants import with_slice, with_table
from bench.transform_path import Change, null_services, updates_sent
from bench.whole_items import WholeItems
from sluice.dynamodb.items import item_size

ITEMS = 120
TABLE = WholeItems(flight_items(5_000), [key["name"] for key in KEYS])


@pytest.mark.parametrize("change", [with_slice, with_table])
def test_every_contestant_changes_every_item(change: Change) -> None:
    with in_thread(null_services(ITEMS)) as url, clients(url) as through:
        assert change(through) == ITEMS


def test_contestants_send_the_same_updates() -> None:
    sent = updates_sent(with_slice, ITEMS)
    assert len(sent) == ITEMS
    assert updates_sent(with_table, ITEMS) == sent


def table_units() -> float:
    return sum(item_size(json.loads(item)) for item in TABLE.items) / 8192


def test_pages_of_the_table_join() -> None:
    items, units, request = [], [], {"TableName": "t", "ReturnConsumedCapacity": "TOTAL"}
    while True:
        page = json.loads(TABLE.scan(request))
        items += page["Items"]
        units.append(page["ConsumedCapacity"]["CapacityUnits"])
        if "LastEvaluatedKey" not in page:
            break
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    assert items == [json.loads(item) for item in TABLE.items]
    assert sum(units) == pytest.approx(table_units(), abs=0.5 * len(units))
    assert len(units) > 1
    assert len(json.loads(TABLE.scan({"TableName": "t", "Limit": 7}))["Items"]) == 7
