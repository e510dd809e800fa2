"""TransformSegment: slices of a segment, from tables behind the wire to files in S3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice import errors
from sluice.dynamodb.keys import KeySchema
from sluice.errors import WireError
from sluice.workflows.table_transform.batches import Batch
from sluice.workflows.table_transform.changes import Transfer, stored_item
from sluice.workflows.table_transform.journal import EntryKind, JournalStore, SliceJournal
from sluice.workflows.table_transform.progress import SegmentRequest, TransformProgress
from sluice.workflows.table_transform.slice_log import Entry
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.fake_dynamodb import FakeDynamoDB, Fault, Seen, serving
from tests.unit.fake_tables import FakeTable, FakeTables, Json
from tests.unit.lambda_context import Context
from tests.unit.run_items import TABLE as RUN_TABLE
from tests.unit.run_items import FakeRunTable
from tests.unit.segment_slices import (
    NESTS,
    lines,
)

USUAL = fixture("transform_segment", "usual")
BUCKET = "sluice-data-000000000000-us-east-1"
PREFIX = "table_transform/fixture/"


@dataclass
class TableServer(FakeDynamoDB):
    """Tables behind HTTP, as the wire finds them."""

    tables: FakeTables = field(default_factory=FakeTables)
    runs: FakeRunTable = field(default_factory=FakeRunTable)

    def answer(self, seen: Seen) -> tuple[Fault, bytes]:
        """The tables' answer."""
        name = seen.body.get("TableName") or next(iter(seen.body["RequestItems"]))
        if name == RUN_TABLE:
            return Fault(), json.dumps(self.runs.call(seen.operation, seen.raw)).encode()
        if name not in self.tables.tables:
            name = "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"
            return Fault(400), json.dumps({"__type": name, "message": "Requested resource not found"}).encode()
        try:
            return Fault(), json.dumps(self.tables.call(seen.operation, seen.raw)).encode()
        except WireError as error:
            return Fault(400), json.dumps({"__type": f"x#{error.name}", **error.details}).encode()


ICAO = KeySchema.from_state([{"name": "icao", "type": "S"}])


def airports() -> FakeTables:
    tables = FakeTables(airports=FakeTable(ICAO, page_items=20))
    for number in range(100):
        tables.tables["airports"].put({"icao": {"S": f"K{number:03}"}, "name": {"S": f"é {number}"}})
    return tables


@pytest.fixture(scope="module")
def server() -> Iterator[TableServer]:
    fake = TableServer()
    with serving(fake):
        yield fake


@pytest.fixture(scope="module")
def endpoint(server: TableServer) -> Iterator[None]:
    """The wire of the handler asks for its endpoint once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_DYNAMODB", server.url)
        yield


@pytest.fixture
def handler(server: TableServer, endpoint: None) -> Iterator[Any]:
    server.tables, server.runs = airports(), FakeRunTable()
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield import_module("transform_segment.handler")


def applied(item_source: Json | None = None, segment: int = 0, progress: Json | None = None, **changed: Any) -> Json:
    job = USUAL["transform"] | {"mode": "apply", "totalSegments": 1, **changed}
    job |= {"way": item_source} if item_source else {}
    return USUAL | {"transform": job, "segment": {"segment": segment}, "progress": progress}


def objects() -> dict[str, bytes]:
    """What the run has left in the bucket, by what follows its prefix."""
    s3 = boto3.client("s3")
    found = [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    return {key.removeprefix(PREFIX): s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in found}


def test_slice_leaves_its_sample_and_a_cursor(handler: Any, server: TableServer) -> None:
    progress = handler.lambda_handler(applied(), Context())
    assert (progress["done"], progress["counts"]["written"], progress["slices"]) == (True, 100, 1)
    assert all("label" in item for item in server.tables.tables["airports"].all)
    left = objects()
    assert sorted(left) == [
        "cursors/000000.json",
        "journal/000000/0000-000000.jsonl.gz",
        *(f"journal/000000/0000-{number:06d}.jsonl.gz" for number in range(1, 6)),
        "journal/000000/0000-000006.jsonl.gz",
        "sample/000000-0000.jsonl",
    ]
    assert json.loads(left["cursors/000000.json"]) == progress
    assert len(lines(left["sample/000000-0000.jsonl"])) == 13


def test_segments_are_the_whole_table(handler: Any) -> None:
    ends = [handler.lambda_handler(applied(segment=number, totalSegments=4), Context()) for number in range(4)]
    assert sum(each["counts"]["read"] for each in ends) == 100


def test_slices_of_the_function_go_on(handler: Any, server: TableServer) -> None:
    progress = None
    for slices in range(1, 4):
        progress = json.loads(json.dumps(handler.lambda_handler(applied(progress=progress), Context(30_000))))
        assert json.loads(objects()["cursors/000000.json"]) == progress
        assert (progress["done"], progress["slices"], progress["counts"]["read"]) == (False, slices, slices)
    progress = handler.lambda_handler(applied(progress=progress), Context())
    assert (progress["done"], progress["slices"]) == (True, 4)
    assert (progress["counts"]["read"], progress["counts"]["written"]) == (100, 100)


def test_slice_that_has_ended_is_not_done_again(handler: Any, server: TableServer) -> None:
    first, left = handler.lambda_handler(applied(), Context()), objects()
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=f"{PREFIX}cursors/000000.json")
    requests = len(server.tables.log)
    assert handler.lambda_handler(applied(), Context()) == first
    assert len(server.tables.log) == requests
    assert objects() == left


def test_attempt_that_was_given_up_does_not_turn_the_cursor_back(handler: Any) -> None:
    first = handler.lambda_handler(applied(), Context(30_000))
    second = handler.lambda_handler(applied(progress=first), Context())
    assert handler.lambda_handler(applied(), Context()) == first
    assert json.loads(objects()["cursors/000000.json"]) == second


@pytest.mark.parametrize("has_announced", [False, True])
def test_slice_that_did_not_end_is_begun_again(handler: Any, server: TableServer, has_announced: bool) -> None:
    """An earlier attempt announced an item, and put it; what it did not announce is not the run's."""
    server.tables.tables["target"] = FakeTable(ICAO)
    target = {"name": "target", "keys": [{"name": "icao", "type": "S"}]}
    event = applied({"mapping": {"icao": "{icao}"}}, target=target, onConflict="reject")
    request = SegmentRequest.from_event(event)
    first = SliceJournal(JournalStore(boto3.client("s3"), BUCKET, request.run, 0), 0)
    first.begin()
    if has_announced:
        key = {"icao": {"S": "K000"}}
        batch = Batch({"icao": {"S": "K000"}})
        batch.take_change(Entry(key, key), Transfer((stored_item(key, ICAO),)))
        first.append(EntryKind.PAGE, batch.head | {"startKey": None}, b"".join(batch.lines))
    del server.tables.tables["airports"].items[server.tables.tables["airports"].key({"icao": {"S": "K000"}})]
    if not has_announced:
        server.tables.tables["airports"].put({"icao": {"S": "K000"}})
    server.tables.tables["target"].put({"icao": {"S": "K000"}})
    counts = handler.lambda_handler(event, Context())["counts"]
    rejected = 0 if has_announced else 1
    assert (counts["read"], counts["written"], counts["rejected"]) == (100, 100 - rejected, rejected)
    with pytest.raises(errors.ServiceUnavailableError, match="another attempt at the slice has taken over"):
        first.append(EntryKind.PAGE, {}, b"")


def test_rejects_are_a_file(handler: Any) -> None:
    progress = handler.lambda_handler(applied({"mapping": {"n": {"N": "{name}"}}}), Context())
    assert (progress["counts"]["rejected"], progress["rejectSlices"]) == (100, [0])
    rejects = lines(objects()["rejects/00000000-0000.jsonl"])
    assert {each["error"] for each in rejects} == {"NumberInvalid"}
    assert sorted(each["key"]["icao"]["S"] for each in rejects) == [f"K{number:03}" for number in range(100)]


def test_moves_go_over_the_wire(handler: Any, server: TableServer) -> None:
    server.tables.tables["target"] = FakeTable(ICAO)
    target = {"name": "target", "keys": [{"name": "icao", "type": "S"}]}
    mapping = {"icao": "X{icao}", "name": "{name}"}
    event = applied({"mapping": mapping}, target=target, deleteSource=True)
    assert handler.lambda_handler(event, Context())["counts"]["written"] == 100
    assert not server.tables.tables["airports"].items
    assert len(server.tables.tables["target"].items) == 100


def test_limits_are_kept_within(handler: Any, server: TableServer) -> None:
    limited = {"readUnitsPerSecond": None, "writeUnitsPerSecond": 1e6, "workers": 1}
    assert handler.lambda_handler(applied(runItem=limited), Context())["counts"]["written"] == 100
    item = server.runs.items["table_transform/fixture"]
    assert (item["writeUnitsPerSecond"], item["rowsWritten"]) == ({"N": "1000000.0"}, {"N": "100"})


def test_stopped_run_begins_no_slice(handler: Any, server: TableServer) -> None:
    server.runs.stop("table_transform/fixture")
    progress = handler.lambda_handler(applied(), Context())
    assert (progress["stopped"], progress["done"], progress["slices"]) == (True, False, 0)
    assert [item["name"]["S"] for item in server.tables.tables["airports"].all[:2]] == ["é 0", "é 1"]


@pytest.mark.parametrize("path", sorted((EVENTS / "transform_segment").glob("*.json")), ids=lambda each: each.stem)
def test_fixture_ends_as_it_is_named(handler: Any, path: Path) -> None:
    error = expected_error(path)
    if error is None:
        assert handler.lambda_handler(fixture("transform_segment", path.stem), Context())["done"]
        return
    with pytest.raises(getattr(errors, error)):
        handler.lambda_handler(fixture("transform_segment", path.stem), Context())


def test_request_names_its_files() -> None:
    request = SegmentRequest.from_event(applied(segment=3, progress=TransformProgress(slices=2).to_state()))
    assert request.rejects_key == f"{PREFIX}rejects/00000003-0002.jsonl"
    assert request.sample_key == f"{PREFIX}sample/000003-0002.jsonl"
    assert NESTS.partition.name == "id"
