"""Tables keyed by user and connection, and the keys that runs of distinct_keys found in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.local.deployed import Deployed

Item = dict[str, dict[str, Any]]

SIZES = {f"user-{number}": 1 + number % 7 * 3 for number in range(300)} | {"😀": 2, "\U0010ffff": 400}


def user_item(user: str, number: int, sort_type: str = "N", **others: str) -> Item:
    """One connection of a user; `others`: further attributes, of type S."""
    texts = {name: {"S": value} for name, value in {"note": "x", **others}.items()}
    return {"UserRef": {"S": user}, "ConnectionId": {sort_type: str(number)}, **texts}


def put_items(stack: Deployed, table: str, items: list[Item]) -> None:
    """Write items, 25 at a time."""
    requests = [{"PutRequest": {"Item": item}} for item in items]
    for start in range(0, len(requests), 25):
        stack.dynamodb.batch_write_item(RequestItems={table: requests[start : start + 25]})  # type: ignore[dict-item]


def new_table(stack: Deployed, sizes: dict[str, int], sort_type: str = "N") -> str:
    """A table of so many items for each user."""
    table = stack.new_table("UserRef", "ConnectionId", f"S{sort_type}")
    put_items(stack, table, [user_item(user, at, sort_type) for user, size in sizes.items() for at in range(size)])
    return table


def users(keys: list[Item]) -> list[str]:
    """The users of such keys."""
    return sorted(each["UserRef"]["S"] for each in keys)


def found_keys(stack: Deployed, name: str) -> list[Item]:
    """The keys that a run's scan has left, in all its files."""
    pages = stack.s3.get_paginator("list_objects_v2").paginate(
        Bucket=stack.bucket, Prefix=f"distinct_keys/{name}/keys/"
    )
    parts = [each["Key"] for page in pages for each in page.get("Contents", [])]
    return [json.loads(line) for part in parts for line in stack.object(part).splitlines()]


def child_inputs(stack: Deployed, name: str, map_run: str) -> Iterator[dict[str, Any]]:
    """What the children of a run's Map Run (segments or keys) were given."""
    listed = stack.s3.list_objects_v2(Bucket=stack.bucket, Prefix=f"distinct_keys/{name}/results/{map_run}/")
    for each in listed.get("Contents", []):
        if "SUCCEEDED" in each["Key"]:
            yield from (json.loads(json.loads(line)["Input"]) for line in stack.object(each["Key"]).splitlines())


def measured_batch(child: dict[str, Any]) -> dict[str, Any]:
    """What MeasureCollection is given by a child with this input."""
    given = child["BatchInput"]
    return {"run": given["run"], "scan": given["scan"], "keys": child["Items"], "progress": None}
