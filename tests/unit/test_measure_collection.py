"""MeasureCollection: what is measured of item collections, and the function from its events to the report."""

from __future__ import annotations

import base64
import importlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice import errors
from sluice.errors import InvalidInputError, UnexpectedResponseError, WireError
from sluice.workflows.distinct_keys.measure import ItemCollections
from sluice.workflows.distinct_keys.measure_slice import MeasureProgress
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.fake_dynamodb import FakeDynamoDB, Fault, Seen, serving, throttle
from tests.unit.lambda_context import Context
from tests.unit.queried_table import (
    MEGABYTE,
    USUAL,
    Json,
    MemoryTable,
    ids,
    item,
    measured,
    never,
    reported,
    request_for,
    scan_of,
    simple_table,
)

BUCKET = "sluice-data-000000000000-us-east-1"


# What is measured, with plain values.


def test_collection_is_counted_weighed_and_dated() -> None:
    table = simple_table([item("a", 10, 5), item("a", -3, 100), item("a", 9), item("b", 7)])
    result = measured(request_for(ids("a", "b")), table.query, never)
    # Names 2 + 2 + 4 bytes and 1 for the key, and each item's number and text.
    assert reported(result) == [
        {
            "key": ids("a")[0],
            "items": 3,
            "bytes": 3 * 9 + 2 + 3 + 2 + 105,
            "oldest": {"N": "-3"},
            "newest": {"N": "10"},
        },
        {"key": ids("b")[0], "items": 1, "bytes": 9 + 2, "oldest": {"N": "7"}, "newest": {"N": "7"}},
    ]
    state = result.progress.to_state()
    assert (state["done"], state["position"], state["counts"]) == (True, 2, {"keys": 2, "items": 4})
    assert (state["bytes"], state["readUnits"], state["requests"]) == (150, 1.0, 2)
    assert [each["key"] for each in state["largest"]] == ids("a", "b")


def test_collection_that_was_deleted_meanwhile_is_reported_as_empty() -> None:
    result = measured(request_for(ids("gone", "a")), simple_table([item("a", 1)]).query, never)
    assert reported(result)[0] == {"key": ids("gone")[0], "items": 0, "bytes": 0, "oldest": None, "newest": None}
    assert result.progress.done
    assert result.progress.position == 2


def test_collection_without_sort_key_is_one_item_without_dates() -> None:
    result = measured(request_for(ids("a"), scan_of(None)), simple_table([item("a", 1)], None).query, never)
    assert reported(result) == [{"key": ids("a")[0], "items": 1, "bytes": 11, "oldest": None, "newest": None}]


def test_page_that_ends_with_the_last_item_is_followed_by_an_empty_one() -> None:
    quarter = [item("a", at, MEGABYTE // 4 - 11) for at in range(1, 5)]
    table = simple_table(quarter)
    result = measured(request_for(ids("a")), table.query, never)
    assert reported(result) == table.lines(ids("a"))
    assert (result.progress.requests, result.progress.read_units, result.progress.bytes) == (2, 128.5, MEGABYTE)
    assert table.request[1]["ExclusiveStartKey"] == {"id": {"S": "a"}, "at": {"N": "4"}}


def test_pages_of_a_megabyte_end_with_the_item_that_crosses() -> None:
    table = simple_table([item("a", at, 300_000) for at in range(1, 10)])
    result = measured(request_for(ids("a")), table.query, never)
    assert reported(result) == table.lines(ids("a"))
    assert result.progress.requests == 3


def test_index_is_queried_by_all_its_partition_attributes() -> None:
    items = [
        {
            "id": {"S": str(at)},
            "shop": {"S": "é"},
            "year": {"N": "2024"},
            "month": {"N": str(at % 3)},
            "day": {"N": "1"},
        }
        for at in range(12)
    ]
    start_names = ("id", "shop", "year", "month", "day")
    table = MemoryTable(items, ("shop", "year"), ("month", "day"), start_names, page_bytes=100, index="by-month")
    names = {"partition": [("shop", "S"), ("year", "N")], "sort": [("month", "N"), ("day", "N")]}
    keys = {role: [{"name": name, "type": kind} for name, kind in each] for role, each in names.items()}
    scan = scan_of(None) | {"index": {"name": "by-month", "keys": keys}}
    key = {"year": {"N": "2024"}, "shop": {"S": "é"}}
    result = measured(request_for([key], scan), table.query, never)
    assert reported(result) == table.lines([key])
    assert reported(result)[0]["oldest"] == [{"N": "0"}, {"N": "1"}]
    assert result.progress.requests > 2
    assert table.request[0]["TableName"] == "events"


@pytest.mark.parametrize("kind", ["SerializationException", "ValidationException"])
def test_key_that_cannot_be_queried_fails_alone(kind: str) -> None:
    def query(body: bytes) -> Json:
        if b"bad" in body:
            raise WireError(kind, "One or more parameter values were invalid", 400)
        return simple_table([]).query(body)

    result = measured(request_for(ids("a", "bad", "c")), query, never)
    assert [each["key"] for each in reported(result)] == ids("a", "c")
    assert result.progress.done
    problem = f"{kind}: One or more parameter values were invalid"
    state = result.progress.to_state()
    assert state["failedKeys"] == [{"index": 1, "error": "KeyInvalidError", "cause": problem}]
    assert state["counts"]["keys"] == 2
    assert MeasureProgress.from_state(state) == result.progress


def test_refusal_of_another_kind_names_the_key_too() -> None:
    def query(_body: bytes) -> Json:
        raise WireError("UnknownOperationException", "", 400)

    with pytest.raises(UnexpectedResponseError, match='"a"'):
        measured(request_for(ids("a")), query, never)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ({"id": {"S": "a"}, "at": {"N": "1"}}, r"keys\[1\]\.at: unknown field"),
        ({}, r"keys\[1\]\.id: is required"),
        ({"id": {"N": "1"}}, r"keys\[1\]\.id\.N: unknown field"),
        ({"id": {"S": ""}}, r"keys\[1\]\.id\.S: must not be empty"),
        ("a", r"keys\[1\]: must be an object"),
    ],
)
def test_what_is_no_partition_key_is_refused_by_its_path(key: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        request_for([*ids("a"), key])


def test_batch_without_keys_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="keys: must not be empty"):
        request_for([])


def test_binary_key_goes_out_as_it_came_in() -> None:
    scan = scan_of(None) | {"table": {"name": "t", "keys": [{"name": "id", "type": "B"}]}}
    key = {"id": {"B": base64.b64encode(bytes(range(256))).decode()}}
    table = simple_table([key], None)
    assert reported(measured(request_for([key], scan), table.query, never)) == table.lines([key])


def test_scan_of_an_index_is_read_by_name() -> None:
    keys = {"partition": [{"name": "b", "type": "N"}], "sort": []}
    collections = ItemCollections.from_scan(scan_of() | {"index": {"name": "i", "keys": keys}})
    assert collections == ItemCollections("events", "i", {"b": "N"}, ())


# The handler: S3 in moto; the real wire, to a table on loopback.


class QueriedDynamoDB(FakeDynamoDB):
    """Answers Query on airports."""

    table = simple_table([], None)

    def answer(self, seen: Seen) -> tuple[Fault, bytes]:
        if seen.operation == "UpdateItem":
            return Fault(400), b'{"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}'
        self.seen.append(seen)
        fault = self.faults.popleft() if self.faults else Fault()
        if seen.operation != "Query" or seen.body["TableName"] != "airports":
            return Fault(400), b'{"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}'
        if fault.name:
            return fault, json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{fault.name}"}).encode()
        return fault, json.dumps(self.table.query(seen.raw)).encode()


@pytest.fixture
def dynamodb() -> Iterator[QueriedDynamoDB]:
    """Airports, and no other table."""
    fake = QueriedDynamoDB()
    names = ("LSZH", "BIKF", "KJFK")
    items = [{"icao": {"S": name}, "name": {"S": f"Airport of {name}"}} for name in names]
    fake.table = MemoryTable(items, ("icao",), (), ("icao",))
    with serving(fake):
        yield fake


@pytest.fixture
def handler(dynamodb: QueriedDynamoDB, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The function, newly imported: it resolves its endpoint once."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.url)
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        module = importlib.reload(importlib.import_module("measure_collection.handler"))
        yield module
        module.wire.close()


def objects() -> dict[str, list[Json]]:
    """All parts of the report, as JSON Lines."""
    s3 = boto3.client("s3")
    keys = [
        each["Key"]
        for each in s3.list_objects_v2(Bucket=BUCKET, Prefix="distinct_keys/fixture/report/").get("Contents", [])
    ]
    bodies = {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}
    return {key: [json.loads(line) for line in body.splitlines()] for key, body in bodies.items()}


@pytest.mark.parametrize("path", sorted((EVENTS / "measure_collection").glob("*.json")), ids=lambda each: each.stem)
def test_fixture_ends_as_it_is_named(handler: Any, path: Path) -> None:
    event, error = fixture("measure_collection", path.stem), expected_error(path)
    if error is None:
        assert handler.lambda_handler(event, Context())["done"]
        return
    with pytest.raises(getattr(errors, error)):
        handler.lambda_handler(event, Context())
    assert objects() == {}


def test_report_lies_where_the_answer_says(handler: Any, dynamodb: QueriedDynamoDB) -> None:
    progress = handler.lambda_handler(USUAL, Context())
    (part,) = progress["parts"]
    assert objects() == {part: dynamodb.table.lines(USUAL["keys"])}
    assert progress["counts"] == {"keys": 3, "items": 3}


def test_function_stops_with_a_minute_to_spare_and_continues_later(handler: Any, dynamodb: QueriedDynamoDB) -> None:
    dynamodb.table.page_bytes = 1
    event, slices = dict(USUAL), 0
    while slices == 0 or not event["progress"]["done"]:
        event["progress"] = handler.lambda_handler(event, Context(remaining_milliseconds=59_999))
        slices += 1
    # Each one-item collection is a full page and an empty one, and each slice a request.
    assert (slices, len(dynamodb.seen)) == (6, 6)
    assert Counter(map(len, objects().values())) == {1: 3}
    found = objects()
    assert [line for part in event["progress"]["parts"] for line in found[part]] == dynamodb.table.lines(USUAL["keys"])


def test_throttles_and_broken_answers_leave_no_trace_in_the_report(handler: Any, dynamodb: QueriedDynamoDB) -> None:
    dynamodb.faults.extend(
        [throttle(), Fault(), Fault(is_cut=True), Fault(500, "InternalServerError"), Fault(checksum=1)]
    )
    progress = handler.lambda_handler(USUAL, Context())
    assert progress["counts"] == {"keys": 3, "items": 3}
    assert (progress["requests"], len(dynamodb.seen)) == (3, 7)
    assert objects() == {progress["parts"][0]: dynamodb.table.lines(USUAL["keys"])}
