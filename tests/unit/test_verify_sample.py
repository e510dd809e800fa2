"""VerifySample: items that were changed, read again, and compared with what the transform gives now."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice import errors
from sluice.aws.retry import RetryPolicy
from sluice.errors import ThrottledError
from sluice.mapping.delete import DELETE
from sluice.run_item.rate_limiter import RateLimiter
from sluice.workflows.table_transform.input import Table
from sluice.workflows.table_transform.reads import KEYS_MAX, ConsistentReads
from sluice.workflows.table_transform.transforms import TransformedForTarget, TransformedInPlace
from sluice.workflows.table_transform.verification import (
    InPlaceVerification,
    TargetVerification,
    Verification,
    verification_for,
)
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.fake_dynamodb import FakeDynamoDB, Fault, Seen, serving
from tests.unit.fake_tables import FakeTable, FakeTables, Json
from tests.unit.lambda_context import Context
from tests.unit.plain_items import schema_of
from tests.unit.rate_clock import RateClock
from tests.unit.segment_slices import (
    BIRDS,
    BIRDS_TABLE,
    NESTS,
    NESTS_TABLE,
    bird,
    birds_and_nests,
    in_place,
    into_nests,
    job,
    never,
)

USUAL = fixture("verify_sample", "usual")
BUCKET = "sluice-data-000000000000-us-east-1"
PREFIX = "table_transform/fixture/"
Item = dict[str, Any]


def louder(item: Item) -> Any:
    if item["name"] == "dead":
        return DELETE
    item["name"] = item["name"].upper()
    return item


def nest(item: Item) -> Any:
    if item["name"] == "dead":
        return DELETE
    if item["name"] == "poison":
        raise ValueError("bad egg")
    return {"id": item["pk"], "name": item["name"]}


def differences(verify: Verification, sample: bytes) -> dict[str, Json]:
    """By the item's key."""
    found = verify([json.loads(line) for line in sample.splitlines()])
    lines = [json.loads(each.to_line()) for each in found]
    return {line["key"]["pk"]["S"]: line for line in lines}


def verify_in_place(tables: FakeTables, transform: Callable[[Item], Any]) -> InPlaceVerification:
    return InPlaceVerification(
        BIRDS_TABLE, TransformedInPlace(transform, BIRDS), ConsistentReads(tables, RateLimiter(None, never))
    )


def verify_nests(tables: FakeTables) -> TargetVerification:
    return TargetVerification(
        BIRDS_TABLE,
        NESTS_TABLE,
        TransformedForTarget(nest, NESTS, deletes=True),
        ConsistentReads(tables, RateLimiter(None, never)),
    )


def test_changes_in_place_that_are_as_they_should_be_are_no_differences() -> None:
    tables = birds_and_nests(*(bird(each, name=each) for each in ("owl", "jay", "dead")))
    result = in_place(tables, louder, sample_per_segment=10).run()
    assert len(result.sample.splitlines()) == 3
    assert differences(verify_in_place(tables, louder), result.sample) == {}


def test_items_that_others_have_made_something_else_of_are_differences() -> None:
    tables = birds_and_nests(*(bird(each, name=each) for each in ("owl", "jay", "tit", "dead", "wren")))
    sample = in_place(tables, louder, sample_per_segment=10).run().sample
    table = tables.tables["birds"]
    table.put(bird("owl", name="owl"), bird("dead", name="dead"), {"pk": {"S": "tit"}})
    del table.items[table.key(bird("jay"))]
    found = differences(verify_in_place(tables, louder), sample)
    assert found == {
        "owl": {
            "key": {"pk": {"S": "owl"}},
            "message": "the transform changes the item again",
            "expected": bird("owl", name="OWL"),
            "found": bird("owl", name="owl"),
        },
        "jay": {
            "key": {"pk": {"S": "jay"}},
            "message": "the item no longer exists",
            "expected": bird("jay", name="JAY"),
            "found": None,
        },
        "tit": {
            "key": {"pk": {"S": "tit"}},
            "message": "KeyError: 'name'",
            "expected": bird("tit", name="TIT"),
            "found": {"pk": {"S": "tit"}},
        },
        "dead": {
            "key": {"pk": {"S": "dead"}},
            "message": "the transform changes the item again",
            "expected": None,
            "found": bird("dead", name="dead"),
        },
    }


@pytest.mark.parametrize("deletes_source", [False, True])
def test_what_is_in_the_target_as_it_should_be_is_no_difference(deletes_source: bool) -> None:
    tables = birds_and_nests(*(bird(each, name=each) for each in ("owl", "jay", *(["dead"] if deletes_source else []))))
    sample = into_nests(tables, nest, deletes_source=deletes_source, sample_per_segment=10).run().sample
    assert len(sample.splitlines()) == 2 + deletes_source
    assert differences(verify_nests(tables), sample) == {}


def test_what_is_not_in_the_target_is_a_difference() -> None:
    birds = [bird(each, name=each) for each in ("owl", "jay", "tit", "dead")]
    tables = birds_and_nests(*birds)
    sample = into_nests(tables, nest, deletes_source=True, sample_per_segment=10).run().sample
    target = tables.tables["nests"]
    target.put({"id": {"S": "owl"}, "name": {"S": "eagle"}})
    del target.items[target.key({"id": {"S": "jay"}})]
    tables.tables["birds"].put(bird("tit", name="poison"), bird("dead", name="dead"))
    found = differences(verify_nests(tables), sample)
    assert {name: each["message"] for name, each in found.items()} == {
        "owl": "the target's item is another",
        "jay": "the target has no such item",
        "tit": "ValueError: bad egg",
        "dead": "the item is still there",
    }
    assert found["owl"]["expected"] == {"id": {"S": "owl"}, "name": {"S": "owl"}}
    assert (found["jay"]["found"], found["tit"]["found"]) == (None, bird("tit", name="poison"))


def test_comparison_is_the_jobs() -> None:
    reads = ConsistentReads(birds_and_nests(), RateLimiter(None, never))
    item_source = {"transform": "airports_geohash"}
    assert isinstance(verification_for(job(item_source=item_source), reads), InPlaceVerification)
    assert isinstance(verification_for(job(item_source=item_source, target=NESTS_TABLE), reads), TargetVerification)


# Reading many items.


def test_items_come_in_batches_and_what_is_given_back_is_requested_again() -> None:
    tables = birds_and_nests(*(bird(f"b{number}") for number in range(250)))
    tables.unprocessed = iter([30, 20, 0, 99, 3])
    reads = ConsistentReads(tables, RateLimiter(None, never))
    keys = [bird(f"b{number}", more="x") for number in range(260)]
    assert len(reads.items(BIRDS_TABLE, [*keys, *keys[:10]])) == 250
    assert reads.read_units == 260
    assert max(len(each["RequestItems"]["birds"]["Keys"]) for _, each in tables.log) == KEYS_MAX
    assert len(tables.log) > 5


def test_read_that_gives_all_back_again_and_again_is_a_throttle() -> None:
    class Busy(FakeTables):
        def call(self, operation: str, body: bytes, attempts: Any = None) -> Json:
            request = json.loads(body)["RequestItems"]
            return {"Responses": {}, "UnprocessedKeys": request}

    busy = Busy(birds=FakeTable(BIRDS))
    busy.retries = RetryPolicy(attempts=3, first_pause_seconds=0.0)
    with pytest.raises(ThrottledError, match="gave back all of 1 keys"):
        ConsistentReads(busy, RateLimiter(None, never)).items(Table("birds", BIRDS), [bird("b")])


# The function.


class Tables(FakeDynamoDB):
    """One table behind HTTP."""

    tables = FakeTables()

    def answer(self, seen: Seen) -> tuple[Fault, bytes]:
        """The table's answer."""
        if seen.operation == "UpdateItem":
            return Fault(400), b'{"__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}'
        return Fault(), json.dumps(self.tables.call(seen.operation, seen.raw)).encode()


@pytest.fixture(scope="module")
def server() -> Iterator[Tables]:
    fake = Tables()
    with serving(fake), pytest.MonkeyPatch.context() as patch:
        # The wire of the handler asks for its endpoint once.
        patch.setenv("AWS_ENDPOINT_URL_DYNAMODB", fake.url)
        yield fake


@pytest.fixture
def handler(server: Tables) -> Iterator[Any]:
    server.tables = FakeTables(airports=FakeTable(schema_of(icao="S")))
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield import_module("verify_sample.handler").lambda_handler


def airport(number: int) -> Json:
    return {"icao": {"S": f"K{number:03}"}, "name": {"S": "x"}, "label": {"S": f"x (K{number:03})"}}


def leave_sample(segments: int, each: int) -> None:
    """As many parts as there are segments."""
    for segment in range(segments):
        items = [airport(segment * each + number) for number in range(each)]
        lines = [json.dumps({"key": {"icao": item["icao"]}, "before": {}, "after": item}) for item in items]
        key = f"{PREFIX}sample/{segment:06d}-0000.jsonl"
        boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body="".join(f"{line}\n" for line in lines).encode())


def test_sample_is_verified_and_differences_are_a_file(handler: Any, server: Tables) -> None:
    leave_sample(segments=25, each=10)
    server.tables.tables["airports"].put(*(airport(number) for number in range(240)))
    server.tables.tables["airports"].put({**airport(7), "label": {"S": "other"}})
    answer = handler(USUAL | {"verify": {"sample": 1_000}}, Context())
    assert answer == {"sampled": 250, "differences": 11, "key": f"{PREFIX}verify.jsonl", "readUnits": 250.0}
    body = boto3.client("s3").get_object(Bucket=BUCKET, Key=answer["key"])["Body"].read()
    assert len(body.splitlines()) == 11


def test_sample_is_spread_over_the_segments(handler: Any, server: Tables) -> None:
    leave_sample(segments=25, each=10)
    server.tables.tables["airports"].put(*(airport(number) for number in range(250)))
    answer = handler(USUAL | {"verify": {"sample": 50}}, Context())
    assert answer == {"sampled": 50, "differences": 0, "key": None, "readUnits": 50.0}
    read = [key["icao"]["S"] for _, request in server.tables.log for key in request["RequestItems"]["airports"]["Keys"]]
    assert len({int(each[1:]) // 10 for each in read}) > 15


def test_sample_is_verified_as_far_as_there_is_time(handler: Any, server: Tables) -> None:
    leave_sample(segments=30, each=10)
    server.tables.tables["airports"].put(*(airport(number) for number in range(300)))
    answer = handler(USUAL | {"verify": {"sample": 1_000}}, Context(remaining_milliseconds=59_000))
    assert (answer["sampled"], answer["readUnits"]) == (KEYS_MAX, KEYS_MAX)


def test_keys_are_read_no_faster_than_the_rate_admits() -> None:
    tables, clock = birds_and_nests(*(bird(f"b{number}") for number in range(100))), RateClock()
    reads = ConsistentReads(tables, clock.limiter(10.0))
    found = reads.items(Table("birds", BIRDS), [bird(f"b{number}") for number in range(100)])
    assert (len(found), reads.read_units) == (100, 100)
    assert clock.slept == pytest.approx(100 / 10, rel=0.15)
    sizes = [len(request["RequestItems"]["birds"]["Keys"]) for _, request in tables.log]
    assert max(sizes) == 5


@pytest.mark.parametrize("path", sorted((EVENTS / "verify_sample").glob("*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(handler: Any, path: Path) -> None:
    error = expected_error(path)
    if error is None:
        assert handler(fixture("verify_sample", path.stem), Context())["sampled"] == 0
        return
    with pytest.raises(getattr(errors, error)):
        handler(fixture("verify_sample", path.stem), Context())
