"""distinct_keys over global secondary indexes: every page is read, and each index key is found once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.local.deployed import Deployed
from tests.local.user_tables import found_keys, put_items, user_item

USERS = 40


@pytest.fixture(scope="module")
def table(stack: Deployed) -> str:
    """Connections of users, most with a country and a city; indexed by country, and by both."""
    table = stack.new_table("UserRef", "ConnectionId", "SN")
    indexes = {"by-country": ["country"], "by-place": ["country", "city"]}
    for name, attributes in indexes.items():
        keys = [{"AttributeName": each, "KeyType": "HASH"} for each in attributes]
        create: Any = {"IndexName": name, "KeySchema": keys, "Projection": {"ProjectionType": "KEYS_ONLY"}}
        stack.dynamodb.update_table(
            TableName=table,
            AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in attributes],
            GlobalSecondaryIndexUpdates=[{"Create": create}],
        )
    items = [user_item(f"user-{user}", at, **location_of(user, at)) for user in range(USERS) for at in range(20)]
    put_items(stack, table, items)
    return table


def location_of(user: int, at: int) -> dict[str, str]:
    """Nowhere for some connections: those are in no index."""
    return {"country": f"c-{user % 7}", "city": f"\U0001f3d9-{at % 3}"} if at % 5 else {}


LOCATIONS = [location for user in range(USERS) for at in range(20) if (location := location_of(user, at))]


@pytest.mark.parametrize(("index", "names"), [("by-country", ["country"]), ("by-place", ["country", "city"])])
def test_each_index_key_is_found_once_and_measured(stack: Deployed, table: str, index: str, names: list[str]) -> None:
    document = {"table": table, "index": index, "segments": 3, "processor": "measure", "batchSize": 2}
    ended = stack.run("distinct_keys", document)
    expected = sorted({tuple(location[name] for name in names) for location in LOCATIONS})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (len(expected), len(expected), 0, 0, 0)), ended
    found = found_keys(stack, ended.name)
    assert sorted(tuple(each[name]["S"] for name in names) for each in found) == expected
    assert ended.summary["scan"]["items"] == len(LOCATIONS)
    report = [json.loads(line) for line in stack.object(ended.summary["report"]["key"]).splitlines()]
    assert sum(each["items"] for each in report) == len(LOCATIONS)
    assert {tuple(each["key"]) for each in report} == {tuple(names)}
