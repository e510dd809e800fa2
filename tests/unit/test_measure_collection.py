"""MeasureCollection: item collections measured in slices that are cut, lost and repeated."""

from __future__ import annotations

import base64
import importlib
import json
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from sluice import errors
from sluice.encoding.sizes import item_size
from sluice.errors import InvalidInputError, ThrottledError, UnexpectedResponseError, WireError
from sluice.measuring.item_collections import ItemCollections
from sluice.measuring.largest import LARGEST, LARGEST_MAX_BYTES, Largest
from sluice.measuring.measure_progress import MeasureProgress
from sluice.measuring.measure_request import MeasureRequest
from sluice.measuring.measure_slice import SliceResult, measure_slice
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.fake_dynamodb import FakeDynamoDB, Fault, Seen, serving, throttle
from tests.unit.lambda_context import Context

USUAL = fixture("measure_collection", "usual")
BUCKET = "sluice-data-000000000000-us-east-1"
MEGABYTE = 1 << 20
Json = dict[str, Any]


def comes_by(value: dict[str, str]) -> Any:
    """What a key attribute's value is ordered by."""
    ((kind, text),) = value.items()
    readers: dict[str, Callable[[str], Any]] = {"S": str.encode, "N": Decimal, "B": base64.b64decode}
    return readers[kind](text)


@dataclass
class MemoryTable:
    """Query as DynamoDB answers it: a page ends with the item that reaches `page_bytes`, and then has a start key.

    `sort` are the sort key attributes of the table or index; `start_names` are what a start key consists of.
    """

    items: list[Json]
    partition: tuple[str, ...]
    sort: tuple[str, ...]
    start_names: tuple[str, ...]
    page_bytes: int = MEGABYTE
    index: str | None = None
    asked: list[Json] = field(default_factory=list)

    def query(self, body: bytes) -> Json:
        """One page."""
        asked = json.loads(body)
        self.asked.append(asked)
        assert asked.get("IndexName") == self.index
        items = self.collection(self._key(asked))
        if start := asked.get("ExclusiveStartKey"):
            assert set(start) == set(self.start_names)
            items = [each for each in items if self._order(each) > self._order(start)]
        page: list[Json] = []
        size = 0
        while size < self.page_bytes and len(page) < len(items):
            page.append(items[len(page)])
            size += item_size(page[-1])
        answer: Json = {"Items": page, "ConsumedCapacity": {"CapacityUnits": max(1, -(-size // 4096)) / 2}}
        if size >= self.page_bytes:
            answer["LastEvaluatedKey"] = {name: page[-1][name] for name in self.start_names}
        return answer

    def collection(self, key: Json) -> list[Json]:
        """All items of one partition key, in key order."""
        return sorted((each for each in self.items if self._has(each, key)), key=self._order)

    def lines(self, keys: Sequence[Json]) -> list[Json]:
        """The report that is due."""
        return [self._line(key, self.collection(key)) for key in keys]

    def _line(self, key: Json, items: list[Json]) -> Json:
        ends = [[items[at][name] for name in self.sort] for at in (0, -1)] if items and self.sort else [[None]] * 2
        oldest, newest = [each[0] if len(each) == 1 else each for each in ends]
        size = sum(map(item_size, items))
        return {"key": key, "items": len(items), "bytes": size, "oldest": oldest, "newest": newest}

    def _key(self, asked: Json) -> Json:
        names, values = asked["ExpressionAttributeNames"], asked["ExpressionAttributeValues"]
        terms = [each.split(" = ") for each in asked["KeyConditionExpression"].split(" AND ")]
        key = {names[name]: values[value] for name, value in terms}
        assert len(names) == len(values) == len(terms)
        assert set(key) == set(self.partition)
        assert asked["ReturnConsumedCapacity"] == "TOTAL"
        assert not asked.get("ConsistentRead")
        return key

    def _has(self, item: Json, key: Json) -> bool:
        return all(comes_by(item[name]) == comes_by(value) for name, value in key.items())

    def _order(self, item: Json) -> tuple[Any, ...]:
        return tuple(comes_by(item[name]) for name in (*self.sort, *self.start_names))


def simple_table(items: list[Json], sort_type: str | None = "N", page_bytes: int = MEGABYTE) -> MemoryTable:
    """A table keyed by id, and by at where it has a sort key."""
    sort = () if sort_type is None else ("at",)
    return MemoryTable(items, ("id",), sort, ("id", *sort), page_bytes)


def scan_of(sort_type: str | None = "N") -> Json:
    """The scan that PlanScan makes of it."""
    keys = [{"name": "id", "type": "S"}]
    if sort_type is not None:
        keys.append({"name": "at", "type": sort_type})
    return {"table": {"name": "events", "keys": keys}, "index": None}


def ids(*names: str) -> list[Json]:
    """Keys as they stand in a batch."""
    return [{"id": {"S": name}} for name in names]


def event_for(keys: Sequence[Json], scan: Json | None = None) -> Json:
    """The payload of the first slice."""
    return {"run": USUAL["run"], "scan": scan or scan_of(), "keys": list(keys), "progress": None}


def request_for(keys: Sequence[Json], scan: Json | None = None) -> MeasureRequest:
    """The first slice."""
    return MeasureRequest.from_event(event_for(keys, scan))


def following(request: MeasureRequest, progress: MeasureProgress) -> MeasureRequest:
    """The next slice; what travels in between is JSON."""
    state = json.loads(json.dumps(progress.to_state()))
    return replace(request, progress=MeasureProgress.from_state(state))


def never() -> bool:
    """Time without end."""
    return False


def after(checks: int) -> Callable[[], bool]:
    """Time that is up when it has been asked for so often."""
    asked = iter(range(10**9))
    return lambda: next(asked) >= checks


def reported(result: SliceResult) -> list[Json]:
    """The lines of the slice's part."""
    return [json.loads(line) for line in result.lines]


def item(name: str, at: int, padding: int = 0) -> Json:
    """An item of the simple table."""
    return {"id": {"S": name}, "at": {"N": str(at)}, "text": {"S": "x" * padding}}


# What is measured, with plain values.


def test_collection_is_counted_weighed_and_dated() -> None:
    table = simple_table([item("a", 10, 5), item("a", -3, 100), item("a", 9), item("b", 7)])
    result = measure_slice(request_for(ids("a", "b")), table.query, never)
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
    result = measure_slice(request_for(ids("gone", "a")), simple_table([item("a", 1)]).query, never)
    assert reported(result)[0] == {"key": ids("gone")[0], "items": 0, "bytes": 0, "oldest": None, "newest": None}
    assert result.progress.done
    assert result.progress.position == 2


def test_collection_without_sort_key_is_one_item_without_dates() -> None:
    result = measure_slice(request_for(ids("a"), scan_of(None)), simple_table([item("a", 1)], None).query, never)
    assert reported(result) == [{"key": ids("a")[0], "items": 1, "bytes": 11, "oldest": None, "newest": None}]


def test_page_that_ends_with_the_last_item_is_followed_by_an_empty_one() -> None:
    quarter = [item("a", at, MEGABYTE // 4 - 11) for at in range(1, 5)]
    table = simple_table(quarter)
    result = measure_slice(request_for(ids("a")), table.query, never)
    assert reported(result) == table.lines(ids("a"))
    assert (result.progress.requests, result.progress.read_units, result.progress.bytes) == (2, 128.5, MEGABYTE)
    assert table.asked[1]["ExclusiveStartKey"] == {"id": {"S": "a"}, "at": {"N": "4"}}


def test_pages_of_a_megabyte_end_with_the_item_that_crosses() -> None:
    table = simple_table([item("a", at, 300_000) for at in range(1, 10)])
    result = measure_slice(request_for(ids("a")), table.query, never)
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
    result = measure_slice(request_for([key], scan), table.query, never)
    assert reported(result) == table.lines([key])
    assert reported(result)[0]["oldest"] == [{"N": "0"}, {"N": "1"}]
    assert result.progress.requests > 2
    assert table.asked[0]["TableName"] == "events"


@pytest.mark.parametrize("kind", ["SerializationException", "ValidationException"])
def test_key_that_cannot_be_queried_is_named(kind: str) -> None:
    def query(body: bytes) -> Json:
        if b"bad" in body:
            raise WireError(kind, "One or more parameter values were invalid", 400)
        return simple_table([]).query(body)

    with pytest.raises(
        InvalidInputError, match=rf'^keys\[1\]: {{"id": {{"S": "bad"}}}} cannot be queried: {kind}: One'
    ):
        measure_slice(request_for(ids("a", "bad")), query, never)


def test_refusal_of_another_kind_names_the_key_too() -> None:
    def query(_body: bytes) -> Json:
        raise WireError("UnknownOperationException", "", 400)

    with pytest.raises(UnexpectedResponseError, match='"a"'):
        measure_slice(request_for(ids("a")), query, never)


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
    scan = {"table": {"name": "t", "keys": [{"name": "id", "type": "B"}]}, "index": None}
    key = {"id": {"B": base64.b64encode(bytes(range(256))).decode()}}
    table = simple_table([key], None)
    assert reported(measure_slice(request_for([key], scan), table.query, never)) == table.lines([key])


# Slices.


def test_slice_reads_a_page_however_little_time_there_is() -> None:
    table = simple_table([item("a", at, 20) for at in range(3)], page_bytes=1)
    progress = measure_slice(request_for(ids("a", "b")), table.query, lambda: True).progress
    assert not progress.done
    assert progress.to_state() | {"measure": None} == {
        "done": False,
        "position": 0,
        "slices": 1,
        "startKey": {"id": {"S": "a"}, "at": {"N": "0"}},
        "measure": None,
        "counts": {"keys": 0, "items": 0},
        "bytes": 0,
        "readUnits": 0.5,
        "requests": 1,
        "parts": [],
        "largest": [],
        "largestLeftOut": -1,
    }


def test_progress_that_is_done_stays_so() -> None:
    table = simple_table([item("a", 1)])
    request = request_for(ids("a"))
    progress = measure_slice(request, table.query, never).progress
    again = measure_slice(following(request, progress), table.query, never)
    assert again == SliceResult(replace(progress, slices=2), [])


def test_parts_are_named_by_the_batch_and_the_slice() -> None:
    table = simple_table([])
    request = request_for(ids("a", "b"))
    first = measure_slice(request, table.query, lambda: True).progress
    second = measure_slice(following(request, first), table.query, lambda: True).progress
    digest = sha256(b'{"id": {"S": "a"}}').hexdigest()
    assert second.parts == tuple(f"distinct_keys/fixture/report/{digest}-{number:04}.jsonl" for number in (0, 1))
    assert request_for(ids("b", "a")).part_key != request.part_key


class Batch:
    """A batch on its way through its slices, as the state machine and S3 see it."""

    def __init__(self, request: MeasureRequest, query: Callable[[bytes], Json]) -> None:
        self.request = request
        self.objects: dict[str, list[Json]] = {}
        self._query = query

    def slice(self, is_time_up: Callable[[], bool]) -> MeasureProgress:
        """One attempt: what it returns is lost unless it is passed to `accept`."""
        result = measure_slice(self.request, self._query, is_time_up)
        if result.lines:
            self.objects[self.request.part_key] = reported(result)
        return result.progress

    def accept(self, progress: MeasureProgress) -> None:
        """The attempt's answer has come through."""
        assert progress.slices == self.request.progress.slices + 1
        self.request = following(self.request, progress)

    def report(self) -> list[Json]:
        """What the run's report takes from this batch."""
        return [line for part in self.request.progress.parts for line in self.objects[part]]


sort_values = {
    "N": st.integers(-(10**37), 10**37).map(str),
    "S": st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4),
    "B": st.binary(min_size=1, max_size=4).map(lambda value: base64.b64encode(value).decode()),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[MemoryTable, Json, list[Json]]:
    """A table with pages of any size, its scan, and its keys, of which some have no items."""
    kind = draw(st.sampled_from(["N", "S", "B", None]))
    names = draw(st.lists(st.text("aé😀\U0010ffff", min_size=1, max_size=3), min_size=1, max_size=14, unique=True))
    items: list[Json] = []
    for name in names:
        padding: Json = {"text": {"S": "x" * draw(st.integers(0, 300))}}
        if kind is None:
            items += [{"id": {"S": name}, **padding}] * draw(st.integers(0, 1))
            continue
        for value in draw(st.lists(sort_values[kind], max_size=12, unique=True)):
            items.append({"id": {"S": name}, "at": {kind: value}, **padding})
    page_bytes = draw(st.integers(1, 2000))
    return simple_table(draw(st.permutations(items)), kind, page_bytes), scan_of(kind), ids(*names)


@settings(deadline=None, max_examples=150)
@given(tables(), st.data())
def test_slices_cut_lost_and_repeated_add_up_to_the_whole(
    drawn: tuple[MemoryTable, Json, list[Json]], data: st.DataObject
) -> None:
    table, scan, keys = drawn
    whole = measure_slice(request_for(keys, scan), table.query, never).progress
    batch = Batch(request_for(keys, scan), table.query)
    while not batch.request.progress.done:
        # Attempts whose answer is lost have left their part behind, or been killed before they could.
        for _ in range(data.draw(st.integers(0, 2))):
            batch.slice(after(data.draw(st.integers(0, 12))))
        batch.accept(batch.slice(after(data.draw(st.integers(0, 12)))))
    progress = batch.request.progress
    assert batch.report() == table.lines(keys)
    assert list(progress.largest.lines) == sorted(table.lines(keys), key=lambda line: -line["bytes"])[:10]
    assert replace(progress, slices=1, parts=whole.parts) == whole
    assert progress.items == len(table.items)
    assert progress.bytes == sum(map(item_size, table.items))


def test_error_in_the_middle_leaves_the_slice_to_be_begun_again() -> None:
    table = simple_table([item(name, at) for name in "abc" for at in range(20)], page_bytes=50)
    failing = iter([*[False] * 11, True, *[False] * 1000])

    def query(body: bytes) -> Json:
        if next(failing):
            raise ThrottledError("as told")
        return table.query(body)

    batch = Batch(request_for(ids("a", "b", "c")), query)
    batch.accept(batch.slice(after(4)))
    with pytest.raises(ThrottledError):
        batch.slice(never)
    batch.accept(batch.slice(never))
    assert batch.report() == table.lines(ids("a", "b", "c"))


def test_stale_part_of_a_longer_attempt_is_outside_the_report() -> None:
    table = simple_table([item(name, at) for name in "ab" for at in range(9)], page_bytes=30)
    batch = Batch(request_for(ids("a", "b")), table.query)
    batch.slice(never)
    batch.accept(batch.slice(after(0)))
    batch.accept(batch.slice(never))
    assert batch.report() == table.lines(ids("a", "b"))
    assert len(batch.request.progress.parts) == 1
    assert len(batch.objects) == 2


# Bounds.


def pages_of(items: int, pages: int) -> Callable[[bytes], Json]:
    """One huge collection, of which no more than a page exists at a time."""

    def query(body: bytes) -> Json:
        page = int(json.loads(body).get("ExclusiveStartKey", item("a", 0))["at"]["N"]) + 1
        answer: Json = {"Items": [item("a", page, 50)] * items, "ConsumedCapacity": {"CapacityUnits": 0.5}}
        return answer | ({"LastEvaluatedKey": {"id": {"S": "a"}, "at": {"N": str(page)}}} if page < pages else {})

    return query


def test_huge_collection_takes_the_memory_of_a_page_and_little_state() -> None:
    request = request_for(ids("a"))
    query = pages_of(items=100, pages=1000)
    tracemalloc.start()
    try:
        while not request.progress.done:
            request = following(request, measure_slice(request, query, after(249)).progress)
            assert len(json.dumps(request.progress.to_state())) < 1000
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert request.progress.slices == 4
    assert (request.progress.items, request.progress.requests) == (100_000, 1000)
    assert request.progress.largest.lines[0]["newest"] == {"N": "1000"}
    assert peak_bytes < 1 << 20


def test_progress_stays_small_with_the_longest_keys() -> None:
    names = [f"{number:04}" + "k" * 2044 for number in range(30)]
    items = [{"id": {"S": name}, "at": {"S": f"{at}" + "s" * 1023}} for name in names for at in range(3)]
    table = simple_table(items, "S", page_bytes=1)
    batch = Batch(request_for(ids(*names), scan_of("S")), table.query)
    while not batch.request.progress.done:
        batch.accept(batch.slice(after(8)))
        assert len(json.dumps(batch.request.progress.to_state())) < 20_000
    assert batch.report() == table.lines(ids(*names))


def largest_of(*lines: Json) -> Largest:
    """The largest when the collections come in this order."""
    largest = Largest()
    for line in lines:
        largest = largest.plus(line)
    return largest


def sized(size: int, length: int) -> Json:
    """A line about a collection of that size, itself of about that length."""
    return {"key": "k" * length, "bytes": size}


def test_largest_are_fewer_where_keys_are_long_but_always_the_largest() -> None:
    long = LARGEST_MAX_BYTES // 2 - 100
    assert [each["bytes"] for each in largest_of(sized(1, long), sized(3, long), sized(2, long)).lines] == [3, 2]
    assert [each["bytes"] for each in largest_of(sized(1, 1), sized(2, LARGEST_MAX_BYTES)).lines] == [2]


def test_small_collection_takes_no_place_of_a_larger_one_that_is_left_out() -> None:
    largest = largest_of(sized(3, 5000), sized(2, 5000), sized(1, 1))
    assert [each["bytes"] for each in largest.lines] == [3]
    assert largest.left_out == 2


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 4000)), max_size=25, unique_by=lambda each: each[0]),
    st.randoms(use_true_random=False),
)
def test_largest_are_the_same_in_whatever_order_collections_come(lines: list[tuple[int, int]], random: Any) -> None:
    one = [sized(*each) for each in lines]
    other = random.sample(one, len(one))
    assert largest_of(*one) == largest_of(*other)
    ranked = sorted(one, key=lambda line: -line["bytes"])
    kept = largest_of(*one).lines
    assert list(kept) == ranked[: len(kept)]
    assert len(kept) <= LARGEST


# The handler: S3 in moto; the real wire, to a table on loopback.


class QueriedDynamoDB(FakeDynamoDB):
    """Answers Query on airports."""

    table = simple_table([], None)

    def answer(self, seen: Seen) -> tuple[Fault, bytes]:
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
    """All objects of the data bucket, as JSON Lines."""
    s3 = boto3.client("s3")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
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


def test_function_stops_with_a_minute_to_spare_and_goes_on_later(handler: Any, dynamodb: QueriedDynamoDB) -> None:
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


def test_scan_of_an_index_is_read_by_name() -> None:
    keys = {"partition": [{"name": "b", "type": "N"}], "sort": []}
    collections = ItemCollections.from_scan(scan_of() | {"index": {"name": "i", "keys": keys}})
    assert collections == ItemCollections("events", "i", {"b": "N"}, ())
