"""ScanDistinctKeys: slices of a segment, from a table in memory or behind the wire to keys in S3."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice import errors
from sluice.aws.retry import RetryPolicy
from sluice.dynamodb.keys import KeyAttribute
from sluice.errors import InvalidInputError, ThrottledError, UnexpectedResponseError, WireError
from sluice.workflows.distinct_keys.page_policy import Optimize, PagePolicy, PolicyState
from sluice.workflows.distinct_keys.segment_scan import LARGEST_SORT_KEYS, PartitionKey, ScannedPage
from sluice.workflows.distinct_keys.slice import (
    Call,
    ScanCounts,
    ScanRequest,
    SegmentProgress,
    SegmentSlice,
)
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.fake_dynamodb import FakeDynamoDB, Fault, Seen, serving, throttle, wire_to
from tests.unit.fake_scan import FakeScan, Index, Json
from tests.unit.lambda_context import Context
from tests.unit.scan_slices import FixedPages, birds, keys_of, never, run_slice, scan_of, scan_state, unlimited

USUAL = fixture("scan_distinct_keys", "usual")
BUCKET = "sluice-data-000000000000-us-east-1"
PARTS = "distinct_keys/fixture/keys/"


# Requests and answers of one segment.


def test_request_asks_for_partition_keys_alone() -> None:
    table = birds({"wren": 3})
    run_slice(table, sizes=FixedPages(5))
    assert table.requests == [
        {
            "TableName": "birds",
            "Segment": 0,
            "TotalSegments": 1,
            "ProjectionExpression": "#k0",
            "ExpressionAttributeNames": {"#k0": "pk"},
            "ReturnConsumedCapacity": "TOTAL",
            "Limit": 5,
        }
    ]


LARGEST = {
    "S": (chr(0x10FFFF) * 256, 1024),
    "N": ("9.9999999999999999999999999999999999999E+125", 44),
    "B": (b64encode(b"\xff" * 1024).decode(), 1368),
}


@pytest.mark.parametrize("kind", ["S", "N", "B"])
def test_page_is_followed_by_a_jump_past_its_last_keys_collection(kind: str) -> None:
    smaller = {"S": ["a", "\U0010fffe"], "N": ["-1", "2"], "B": ["AA==", "/w=="]}[kind]
    table = FakeScan(("pk", "S"), ("sk", kind))
    for sort_key in [*smaller, LARGEST[kind][0]]:
        table.put({"pk": {"S": "wren"}, "sk": {kind: sort_key}})
    result = run_slice(table, sizes=FixedPages(1))
    assert keys_of(result) == [{"pk": {"S": "wren"}}]
    assert [each.get("ExclusiveStartKey") for each in table.requests] == [
        None,
        {"pk": {"S": "wren"}, "sk": {kind: LARGEST[kind][0]}},
    ]
    assert len(LARGEST[kind][0].encode()) == LARGEST[kind][1]


def test_largest_number_has_all_the_digits_that_dynamodb_keeps() -> None:
    number = Decimal(LARGEST_SORT_KEYS["N"])
    assert number.as_tuple().digits == (9,) * 38
    assert number.adjusted() == 125


@pytest.mark.parametrize("limit", [1, 2, 3, None])
def test_largest_sort_key_that_is_really_there_ends_its_collection(limit: int | None) -> None:
    table = FakeScan(("pk", "S"), ("sk", "S"))
    for key in "abc":
        for sort_key in ("0", LARGEST_SORT_KEYS["S"]):
            table.put({"pk": {"S": key}, "sk": {"S": sort_key}})
    result = run_slice(table, sizes=FixedPages(limit))
    assert Counter(each["pk"]["S"] for each in keys_of(result)) == Counter("abc")


def test_page_without_last_evaluated_key_is_the_last_one() -> None:
    table = birds({"wren": 2, "owl": 1})
    assert run_slice(table, sizes=FixedPages(4)).progress.done
    assert len(table.requests) == 1


def test_last_evaluated_key_on_the_very_last_item_is_followed_by_an_empty_page() -> None:
    table, sizes = birds({"wren": 2, "owl": 1}), FixedPages(3)
    result = run_slice(table, sizes=sizes)
    assert result.progress.counts == ScanCounts(keys=2, items=3, requests=2)
    assert result.progress.done
    assert len(sizes.seen) == 1


def test_segment_without_items_takes_one_request_and_leaves_no_keys() -> None:
    result = run_slice(birds({}))
    assert result.keys == b""
    assert result.progress == SegmentProgress(
        done=True, slices=1, counts=ScanCounts(requests=1), read_units=0.5, policy=PolicyState.start()
    )


def test_empty_page_with_last_evaluated_key_continues_from_it() -> None:
    inside = {"pk": {"S": "wren"}, "sk": {"N": "7"}}
    capacity = {"CapacityUnits": 0.5}
    answers: Iterator[Json] = iter(
        [
            {"Items": [], "LastEvaluatedKey": inside, "ConsumedCapacity": capacity},
            {"Items": [{"pk": {"S": "wren"}}], "ConsumedCapacity": capacity},
        ]
    )
    bodies: list[Json] = []

    def call(_operation: str, body: bytes) -> Json:
        bodies.append(json.loads(body))
        return next(answers)

    sizes = FixedPages(4)
    result = SegmentSlice(scan_of(birds({})), SegmentProgress(), sizes, unlimited()).run(call, never)
    assert bodies[1]["ExclusiveStartKey"] == inside
    assert keys_of(result) == [{"pk": {"S": "wren"}}]
    assert sizes.seen == []


def test_last_evaluated_key_of_another_collection_is_where_the_next_page_starts() -> None:
    """No key may be jumped past that no page has shown."""
    scan = scan_of(birds({}))
    unseen = {"pk": {"S": "owl"}, "sk": {"N": "1"}}
    assert scan.start_after(ScannedPage([("wren",)], 0.5, unseen)) == unseen


def test_jump_that_leads_nowhere_is_unexpected() -> None:
    """Something that answers as DynamoDB does but for start keys that are no item's would be scanned for ever."""
    item = {"pk": {"S": "wren"}, "sk": {"N": "1"}}
    capacity = {"CapacityUnits": 0.5}

    def call(_operation: str, _body: bytes) -> Json:
        return {"Items": [{"pk": item["pk"]}], "LastEvaluatedKey": item, "ConsumedCapacity": capacity}

    with pytest.raises(UnexpectedResponseError, match="a page of birds begins in the collection"):
        SegmentSlice(scan_of(birds({})), SegmentProgress(), FixedPages(1), unlimited()).run(call, never)


@pytest.mark.parametrize("missing", ["Items", "ConsumedCapacity"])
def test_answer_without_what_every_answer_has_is_unexpected(missing: str) -> None:
    answer = {"Items": [], "ConsumedCapacity": {"CapacityUnits": 0.5}}
    del answer[missing]
    with pytest.raises(UnexpectedResponseError, match=f"birds has no '{missing}'"):
        scan_of(birds({})).page(None, answer)


def test_policy_learns_where_in_the_page_each_key_comes_first() -> None:
    sizes, lengths = FixedPages(6), {"a": 2, "b": 1, "c": 5}
    table = birds(lengths)
    first, second, _ = (lengths[each["pk"]["S"]] for each in keys_of(run_slice(table)))
    run_slice(table, sizes=sizes)
    starts = [each for each in (0, first, first + second) if each < 6]
    assert (sizes.seen[0].items, sizes.seen[0].units, list(sizes.seen[0].starts)) == (6, 0.5, starts)


def test_table_without_sort_key_continues_from_last_evaluated_key() -> None:
    table = FakeScan(("pk", "N"))
    for number in range(10):
        table.put({"pk": {"N": str(number)}})
    result = run_slice(table, sizes=FixedPages(3))
    assert {each["pk"]["N"] for each in keys_of(result)} == {str(number) for number in range(10)}
    assert result.progress.counts == ScanCounts(keys=10, items=10, requests=4)


TWO_COUNTRIES = Index("by_place", [("country", "S"), ("%s of {}", "N")], [("seen", "S")])


def index_table(items: int) -> FakeScan:
    """Two keys of two attributes each, and an index sort key that all items share."""
    table = FakeScan(("pk", "S"), ("sk", "N"), TWO_COUNTRIES)
    for number in range(items):
        location = {"country": {"S": "Ö\n\U0010ffff"}, "%s of {}": {"N": str(number % 2)}}
        table.put({"pk": {"S": "wren"}, "sk": {"N": str(number)}, "seen": {"S": "today"}} | location, 300_000)
    return table


@pytest.mark.parametrize("pages_per_slice", [1, 2, 100])
def test_index_is_paged_plainly_and_a_collection_over_many_pages_is_one_key(pages_per_slice: int) -> None:
    table, progress, found, slices = index_table(60), SegmentProgress(), [], count()
    while not progress.done:
        pages = count(1)
        result = run_slice(table, progress, FixedPages(None), lambda pages=pages: next(pages) >= pages_per_slice)  # type: ignore[misc]
        progress = SegmentProgress.from_state(json.loads(json.dumps(result.progress.to_state())))
        found += keys_of(result)
        assert next(slices) < 20
    assert sorted(found, key=str) == [
        {"country": {"S": "Ö\n\U0010ffff"}, "%s of {}": {"N": "0"}},
        {"country": {"S": "Ö\n\U0010ffff"}, "%s of {}": {"N": "1"}},
    ]
    assert progress.counts.keys == 2
    assert progress.counts.items == 60
    assert all(
        set(each["ExclusiveStartKey"]) == {"pk", "sk", "country", "%s of {}", "seen"} for each in table.requests[1:]
    )


def test_keys_stay_what_dynamodb_sent() -> None:
    attributes = [KeyAttribute("%d\n", "S", 2048), KeyAttribute("n", "N", 2048), KeyAttribute("b", "B", 2048)]
    key = {"%d\n": {"S": '"\U0010ffff\U0001f426\u2028\x00%s'}, "n": {"N": "-" + "9" * 38}, "b": {"B": "/+8="}}
    partition = PartitionKey(attributes)
    (read,) = partition.of_items([key | {"sk": {"S": "x"}}])
    other = ("%s", "1", "AA==")
    assert [json.loads(line) for line in partition.to_lines([read, other]).split("\n")[:-1]] == [
        key,
        partition.to_state(other),
    ]
    assert partition.to_state(read) == key
    assert list(json.loads(partition.to_lines([read]))) == ["%d\n", "n", "b"]
    assert partition.to_lines([read, other]).count("\n") == 2


def test_start_key_of_another_segment_is_refused_by_name() -> None:
    table = birds({"wren": 2})
    progress = SegmentProgress(start_key={"pk": {"S": "wren"}, "sk": {"N": "0"}})

    def scan(segment: int) -> int:
        slice_ = SegmentSlice(scan_of(table, segment, 2), progress, FixedPages(1), unlimited())
        return slice_.run(table, never).progress.counts.keys

    outside = next(segment for segment in (0, 1) if not table.in_segment(segment, 2))
    assert scan(1 - outside) == 1
    with pytest.raises(WireError, match="correct Segment"):
        scan(outside)


# The real wire, and the handler: DynamoDB is on loopback, S3 is moto's.


class ScanServer(FakeDynamoDB):
    """Scan over HTTP, on a table with the fixtures' name."""

    table: FakeScan

    def answer(self, seen: Seen) -> tuple[Fault, bytes]:
        """The table's answer, unless a fault is to come first."""
        self.seen.append(seen)
        if self.faults:
            fault = self.faults.popleft()
            return fault, json.dumps({"__type": fault.name, "message": "as told"}).encode()
        if seen.body["TableName"] != self.table.name:
            name = "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"
            return Fault(400), json.dumps({"__type": name, "message": "Requested resource not found"}).encode()
        return Fault(), json.dumps(self.table(seen.operation, seen.raw)).encode()


def airports(keys: int = 100) -> FakeScan:
    table = FakeScan(("icao", "S"), name="airports")
    for number in range(keys):
        table.put({"icao": {"S": f"K{number:03} \U0001f6eb"}})
    return table


@pytest.fixture(scope="module")
def server() -> Iterator[ScanServer]:
    fake = ScanServer()
    fake.table = airports()
    with serving(fake):
        yield fake


@pytest.fixture(scope="module")
def endpoint(server: ScanServer) -> Iterator[None]:
    """The wire of the handler asks for its endpoint once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_DYNAMODB", server.url)
        yield


@pytest.fixture
def handler(server: ScanServer, endpoint: None) -> Iterator[Any]:
    server.table = airports()
    server.faults.clear()
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield import_module("scan_distinct_keys.handler")


def parts() -> dict[str, list[Json]]:
    """The files of keys in the bucket, by what follows the prefix."""
    s3 = boto3.client("s3")
    names = [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET, Prefix=PARTS).get("Contents", [])]
    bodies = {name: s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in names}
    return {name.removeprefix(PARTS): [json.loads(line) for line in body.splitlines()] for name, body in bodies.items()}


def test_page_comes_over_the_wire_after_a_throttle(server: ScanServer) -> None:
    server.table = birds({"wren": 3, "\U0010ffff": 2})
    server.faults.append(throttle())
    with wire_to(server.url, RetryPolicy(attempts=3, first_pause_seconds=0)) as wire:
        call: Call = wire.call
        result = SegmentSlice(scan_of(server.table), SegmentProgress(), FixedPages(None), unlimited()).run(call, never)
    assert {each["pk"]["S"] for each in keys_of(result)} == {"wren", "\U0010ffff"}
    assert result.progress.counts == ScanCounts(keys=2, items=5, requests=1)
    assert result.progress.read_units == 0.5


def test_throttle_that_stays_leaves_by_name(server: ScanServer) -> None:
    server.table = birds({"wren": 3})
    server.faults.extend([throttle()] * 2)
    with wire_to(server.url, RetryPolicy(attempts=2, first_pause_seconds=0)) as wire, pytest.raises(ThrottledError):
        SegmentSlice(scan_of(server.table), SegmentProgress(), FixedPages(None), unlimited()).run(wire.call, never)


def test_segments_leave_each_key_in_one_file(handler: Any, server: ScanServer) -> None:
    progress = [handler.lambda_handler(USUAL | {"segment": {"segment": number}}, Context()) for number in range(4)]
    assert all(each["done"] and each["parts"] == [0] for each in progress)
    files = parts()
    assert sorted(files) == [f"{number:06d}-0000.jsonl" for number in range(4)]
    assert Counter(json.dumps(key) for keys in files.values() for key in keys) == Counter(server.table.keys)
    assert sum(each["counts"]["keys"] for each in progress) == 100


def test_slices_continue_where_the_one_before_stopped(handler: Any, server: ScanServer) -> None:
    for number in range(100, 103):
        for sort_key in "ab":
            server.table = server.table if server.table.sort else FakeScan(("pk", "S"), ("sk", "S"), name="airports")
            server.table.put({"pk": {"S": str(number)}, "sk": {"S": sort_key}}, 600_000)
    request = USUAL | {"scan": scan_state(server.table), "progress": None}
    done, slices = False, 0
    while not done:
        request["progress"] = json.loads(json.dumps(handler.lambda_handler(request, Context(30_000))))
        done, slices = request["progress"]["done"], slices + 1
    assert request["progress"]["slices"] == slices == 4
    assert request["progress"]["parts"] == [0, 1, 2]
    assert {name: len(keys) for name, keys in parts().items()} == {
        f"000000-000{number}.jsonl": 1 for number in range(3)
    }


def test_repeated_slice_takes_the_outcome_of_its_first_attempt(handler: Any, server: ScanServer) -> None:
    first, found = handler.lambda_handler(USUAL, Context()), parts()
    server.table = airports(keys=0)
    assert handler.lambda_handler(USUAL, Context()) == first
    assert parts() == found


@pytest.mark.parametrize("path", sorted((EVENTS / "scan_distinct_keys").glob("*.json")), ids=lambda each: each.stem)
def test_fixture_ends_as_it_is_named(handler: Any, path: Path) -> None:
    error = expected_error(path)
    if error is None:
        assert handler.lambda_handler(fixture("scan_distinct_keys", path.stem), Context())["done"]
        return
    with pytest.raises(getattr(errors, error)):
        handler.lambda_handler(fixture("scan_distinct_keys", path.stem), Context())


def test_policy_is_the_runs_own_where_pages_can_jump() -> None:
    request = ScanRequest.from_event(USUAL | {"scan": scan_state(birds({})) | {"itemBytes": 100.0, "optimize": "cost"}})
    assert request.progress.policy == PolicyState.start(100.0)
    table = birds(dict.fromkeys("abc", 5))
    request.slice(unlimited()).run(table, never)
    assert table.requests[0]["Limit"] == PagePolicy(Optimize.COST.request_units, PolicyState.start(100.0)).limit


def test_event_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="segmnt"):
        ScanRequest.from_event({"segmnt": 1})
