"""PlanScan: checks before anything is read, and segments that have enough to learn from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from sluice import errors
from sluice.errors import InvalidInputError, SettingError, SourceNotFoundError
from sluice.run_item.item import NO_LIMITS, RunItem
from sluice.run_item.shares import UnitKind
from sluice.runs.paths import Run
from sluice.runs.segments import SEGMENTS_WHEN_UNKNOWN
from sluice.runs.workers import Quota, workers_for
from sluice.settings import ProcessorSettings
from sluice.workflows.distinct_keys import given_keys
from sluice.workflows.distinct_keys.given_keys import KeysObject, copy_keys
from sluice.workflows.distinct_keys.input import DistinctInput
from sluice.workflows.distinct_keys.plan import ScanPlan, plan_scan
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.lambda_context import Context

ALLOWED = ProcessorSettings(("my-function",), ("my-machine",))
USUAL = fixture("plan_scan", "usual")
BUCKET = "sluice-data-000000000000-us-east-1"
RUN_TABLE = "runs-table"
RUN = Run("distinct_keys", "july", "arn:aws:states:us-east-1:000000000000:execution:distinct_keys:july")


def table(**changed: Any) -> Any:
    """What DescribeTable says of a table; its key attributes are not in the order of its schema."""
    return {
        "KeySchema": [
            {"AttributeName": "ConnectionId", "KeyType": "RANGE"},
            {"AttributeName": "UserRef", "KeyType": "HASH"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": "ConnectionId", "AttributeType": "N"},
            {"AttributeName": "Region", "AttributeType": "S"},
            {"AttributeName": "UserRef", "AttributeType": "B"},
        ],
        "ItemCount": 1_000_000,
        "TableSizeBytes": 200_000_000,
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by-region",
                "KeySchema": [
                    {"AttributeName": "Region", "KeyType": "HASH"},
                    {"AttributeName": "UserRef", "KeyType": "HASH"},
                    {"AttributeName": "ConnectionId", "KeyType": "RANGE"},
                ],
                "IndexStatus": "ACTIVE",
                "ItemCount": 50_000,
                "IndexSizeBytes": 5_000_000,
            },
            {"IndexName": "new", "KeySchema": [], "IndexStatus": "CREATING"},
        ],
        "LocalSecondaryIndexes": [{"IndexName": "local"}],
        **changed,
    }


def request(**fields: Any) -> DistinctInput:
    """An input with these fields."""
    return DistinctInput.from_input({"table": "t", **fields}, ALLOWED)


def plan(request: DistinctInput, **described: Any) -> ScanPlan:
    workers = workers_for("segments", request.max_concurrency, Quota(1000), request.limits)
    return plan_scan(request, table(**described), RUN, workers.number)


def test_keys_are_taken_by_name() -> None:
    planned = plan(request())
    assert planned.to_state() == {
        "formatVersion": 3,
        "table": {"name": "t", "keys": [{"name": "UserRef", "type": "B"}, {"name": "ConnectionId", "type": "N"}]},
        "index": None,
        "totalSegments": 20,
        "optimize": "balanced",
        "itemBytes": 200.0,
        "runItem": {"readUnitsPerSecond": None, "writeUnitsPerSecond": None, "workers": 50},
    }


def test_index_has_its_own_size_and_all_its_key_attributes() -> None:
    planned = plan(request(index="by-region", optimize="time"))
    assert planned.index is not None
    assert planned.index.to_state() == {
        "name": "by-region",
        "keys": {
            "partition": [{"name": "Region", "type": "S"}, {"name": "UserRef", "type": "B"}],
            "sort": [{"name": "ConnectionId", "type": "N"}],
        },
    }
    assert (planned.segments, planned.item_bytes, planned.optimize) == (1, 100.0, "time")


@pytest.mark.parametrize(
    ("items", "fields", "segments"),
    [
        (0, {}, SEGMENTS_WHEN_UNKNOWN),
        (49_999, {}, 1),
        (100_000, {}, 2),
        (10**9, {}, 200),
        (10**9, {"maxConcurrency": 10}, 40),
        (10**12, {"maxConcurrency": 10_000}, 10_000),
        (10, {"segments": 7}, 7),
    ],
)
def test_segments_have_enough_items_each(items: int, fields: dict[str, Any], segments: int) -> None:
    planned = plan(request(**fields), ItemCount=items)
    assert planned.segments == segments
    assert planned.item_bytes is None or items


@pytest.mark.parametrize(
    ("fields", "children"),
    [
        ({"maxReadUnitsPerSecond": 1000, "segments": 4}, 50),
        ({"maxReadUnitsPerSecond": 1000, "maxConcurrency": 10}, 10),
        ({"maxReadUnitsPerSecond": 120.5, "segments": 100}, 7),
        ({"maxReadUnitsPerSecond": 12.5, "segments": 100}, 1),
        ({"maxReadUnitsPerSecond": 1}, 1),
    ],
)
def test_rate_is_shared_by_no_more_children_than_it_has_units(fields: dict[str, Any], children: int) -> None:
    planned = plan(request(**fields))
    limits = {UnitKind.READ: fields["maxReadUnitsPerSecond"], UnitKind.WRITE: None}
    assert planned.children == children
    assert planned.run_item == RunItem("distinct_keys/july", limits, children)


def test_without_a_rate_the_item_has_no_limits() -> None:
    planned = plan(request())
    assert (planned.children, planned.run_item) == (50, RunItem("distinct_keys/july", NO_LIMITS, 50))


@pytest.mark.parametrize(
    ("index", "words"), [("none", "by-region, new"), ("local", "local index"), ("new", "is CREATING")]
)
def test_index_that_cannot_be_scanned_is_refused(index: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words) as refused:
        plan(request(index=index))
    assert refused.value.field == "index"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"table": None}, "table"),
        ({"segments": 0}, "segments"),
        ({"optimize": "speed"}, "optimize"),
        ({"maxReadUnitsPerSecond": 0}, "maxReadUnitsPerSecond"),
        ({"processor": "mesure"}, "processor"),
        ({"processor": {}}, "processor"),
        ({"processor": {"function": "my-function", "stateMachine": "my-machine"}}, "processor"),
        ({"processor": {"function": "other"}}, "processor.function"),
        ({"processor": {"stateMachine": "my-function"}}, "processor.stateMachine"),
        ({"batchSize": 501}, "batchSize"),
        ({"keys": {"bucket": "b", "key": "k"}}, "processor"),
        ({"keys": {"bucket": "b"}, "processor": "measure"}, "keys.key"),
        ({"keys": {"bucket": "b", "key": "failed_keys.jsonl.gz"}, "processor": "measure"}, "keys.key"),
        ({"tabel": "t"}, "tabel"),
    ],
)
def test_bad_input_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        request(**fields)
    assert refused.value.field == field


def test_setting_that_is_missing_is_named() -> None:
    with pytest.raises(SettingError, match="PROCESSOR_FUNCTIONS"):
        ProcessorSettings.from_env({})
    assert ProcessorSettings.from_env({"PROCESSOR_FUNCTIONS": "", "PROCESSOR_STATE_MACHINES": "a, b"}) == (
        ProcessorSettings((), ("a", "b"))
    )


# The handler.


@pytest.fixture
def handler() -> Iterator[Any]:
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        for name, key in (("airports", "icao"), (RUN_TABLE, "run")):
            boto3.client("dynamodb").create_table(
                TableName=name,
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        yield import_module("plan_scan.handler").lambda_handler


def segments_of(planned: dict[str, Any]) -> list[int]:
    body = boto3.client("s3").get_object(Bucket=BUCKET, Key=planned["plan"]["key"])["Body"].read()
    return [json.loads(line)["segment"] for line in body.splitlines()]


def test_every_segment_is_planned_once_and_shuffled(handler: Any) -> None:
    event = USUAL | {"input": {"table": "airports", "segments": 50}}
    planned = handler(event, Context())
    assert planned["plan"]["segments"] == 50
    first = segments_of(planned)
    assert sorted(first) == list(range(50))
    assert first != sorted(first)
    handler(event, Context())
    assert segments_of(planned) == first


def test_state_machine_is_named_beside_the_runs_own(handler: Any) -> None:
    planned = handler(USUAL | {"input": {"table": "airports", "processor": {"stateMachine": "my-machine"}}}, Context())
    assert planned["processor"] == {
        "type": "stateMachine",
        "function": None,
        "stateMachine": "arn:aws:states:us-east-1:000000000000:stateMachine:my-machine",
    }


def test_given_keys_need_no_scan(handler: Any) -> None:
    given = {"bucket": BUCKET, "key": "distinct_keys/earlier/failed_keys.jsonl"}
    event = USUAL | {"input": {"table": "airports", "processor": {"function": "my-function"}, "keys": given}}
    with pytest.raises(SourceNotFoundError, match=given["key"]):
        handler(event, Context())
    s3 = boto3.client("s3")
    s3.put_object(Bucket=BUCKET, Key=given["key"], Body=b"{}", Tagging="team=night")
    s3.put_object(Bucket=BUCKET, Key=given["key"] + ".old", Body=b"{}")
    planned = handler(event, Context())
    assert planned["plan"] is None
    copies = s3.list_objects_v2(Bucket=BUCKET, Prefix=planned["keys"]["prefix"])["Contents"]
    assert [s3.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read() for each in copies] == [b"{}"]
    assert planned["keys"] == {"bucket": BUCKET, "prefix": "distinct_keys/fixture/keys/"}
    assert planned["processor"]["function"] == "my-function"


@pytest.mark.parametrize(("body", "copied"), [(b"", b""), (b" \r\n\n", b""), (b"\n{}\n", b"\n{}\n")])
def test_blank_lines_are_not_keys(handler: Any, body: bytes, copied: bytes) -> None:
    given = {"bucket": BUCKET, "key": "distinct_keys/earlier/blank.jsonl"}
    s3 = boto3.client("s3")
    s3.put_object(Bucket=BUCKET, Key=given["key"], Body=body)
    handler(USUAL | {"input": {"table": "airports", "processor": "measure", "keys": given}}, Context())
    assert s3.get_object(Bucket=BUCKET, Key="distinct_keys/fixture/keys/given.jsonl")["Body"].read() == copied


def test_line_that_is_not_json_becomes_a_string_that_fails_alone(handler: Any) -> None:
    given = {"bucket": BUCKET, "key": "distinct_keys/earlier/bad.jsonl"}
    s3 = boto3.client("s3")
    good = b'{"icao": {"S": "LSZH"}}'
    s3.put_object(Bucket=BUCKET, Key=given["key"], Body=good + b'\n\n{"icao": {\nNaN\n"caf\xe9\n' + good)
    handler(USUAL | {"input": {"table": "airports", "processor": "measure", "keys": given}}, Context())
    copied = s3.get_object(Bucket=BUCKET, Key="distinct_keys/fixture/keys/given.jsonl")["Body"].read()
    assert copied.endswith(b"\n")
    assert [json.loads(line) for line in copied.splitlines()] == [
        {"icao": {"S": "LSZH"}},
        '{"icao": {',
        "NaN",
        '"caf\\xe9',
        {"icao": {"S": "LSZH"}},
    ]


def test_line_that_is_not_json_is_named_in_an_object_too_large_to_be_written_again(
    handler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given_keys, "REWRITE_MAX_BYTES", 20)
    given = {"bucket": BUCKET, "key": "distinct_keys/earlier/large.jsonl"}
    s3, event = boto3.client("s3"), USUAL | {"input": {"table": "airports", "processor": "measure", "keys": given}}
    s3.put_object(Bucket=BUCKET, Key=given["key"], Body=b'{"icao": {"S": "LSZH"}}\n\n{"icao": {\n')
    with pytest.raises(
        InvalidInputError, match=r"keys\.key: line 3 of s3://.*large\.jsonl is not JSON; correct it, or"
    ):
        handler(event, Context())
    for body in (b'{"icao": {"S": "LSZH"}}\n\n{}', b"\n" * 30):
        s3.put_object(Bucket=BUCKET, Key=given["key"], Body=body)
        handler(event, Context())
        copied = s3.get_object(Bucket=BUCKET, Key="distinct_keys/fixture/keys/given.jsonl")["Body"].read()
        assert copied.strip() == body.strip()


def test_keys_that_are_too_many_to_copy_are_refused() -> None:
    s3 = boto3.client("s3")
    with Stubber(s3) as stubber:
        stubber.add_response("head_object", {"ContentLength": (5 << 30) + 1}, {"Bucket": "b", "Key": "k"})
        with pytest.raises(InvalidInputError, match=r"keys\.key: s3://b/k has 5,368,709,121 bytes"):
            copy_keys(s3, KeysObject("b", "k"), BUCKET, "copy")
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("fields", "scan", "processing"),
    [
        ({"maxReadUnitsPerSecond": 20, "processor": "measure"}, 2, 2),
        ({"maxReadUnitsPerSecond": 20, "processor": {"function": "my-function"}}, 2, 50),
    ],
)
def test_as_many_children_as_the_rate_allows(handler: Any, fields: dict[str, Any], scan: int, processing: int) -> None:
    planned = handler(USUAL | {"input": {"table": "airports", **fields}}, Context())
    assert (planned["plan"]["maxConcurrency"], planned["maxConcurrency"]) == (scan, processing)
    item = planned["scan"]["runItem"]
    assert (item["readUnitsPerSecond"], item["workers"]) == (20, 2)
    item = boto3.client("dynamodb").get_item(TableName=RUN_TABLE, Key={"run": {"S": "distinct_keys/fixture"}})["Item"]
    assert item["readUnitsPerSecond"] == {"N": "20"}


@pytest.mark.parametrize("path", sorted((EVENTS / "plan_scan").glob("*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(handler: Any, path: Path) -> None:
    event, error = fixture("plan_scan", path.stem), expected_error(path)
    if error is None:
        assert handler(event, Context())["processor"]["type"] == "measure"
        return
    with pytest.raises(getattr(errors, error)):
        handler(event, Context())
