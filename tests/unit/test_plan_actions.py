"""PlanActions: what is wrong with an input is named by its field, before any object is touched."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice import errors
from sluice.errors import InvalidInputError, StoppedError
from sluice.run_item.item_requests import stop_run
from sluice.runs.paths import Run
from sluice.settings import ObjectSettings
from sluice.workflows.object_map.input import ObjectMapInput
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.lambda_context import Context

BUCKET = "sluice-data-000000000000-us-east-1"
USUAL = fixture("plan_actions", "usual")
RUN = Run.from_state(USUAL["run"])
ALLOWED = ObjectSettings(("my-function",), "raw-*", "copies", "scratch-*")
COPY = {"copyObject": {"destination": {"prefix": "output/copies"}}}
TAGS = {"putObjectTagging": {"tags": {"a": "b"}}}
DELETE = {"deleteObject": {"confirm": True}}
FUNCTION = {"function": "my-function"}


def request(**fields: Any) -> ObjectMapInput:
    """An input with these fields; those that are None are left out."""
    document = {"bucket": "raw-1", "action": FUNCTION, **fields}
    return ObjectMapInput.from_input(document, RUN, BUCKET, ALLOWED)


def tagging(**tags: Any) -> dict[str, Any]:
    return {"putObjectTagging": {"tags": tags}}


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"bucket": None}, "bucket", "give one of bucket (with prefix), inventory and objects, not none of them"),
        ({"objects": {"bucket": "raw-1", "key": "k"}}, "bucket", "not bucket and objects"),
        ({"bucket": "others"}, "bucket", "others is not among the buckets of the stack's SourceBucketPattern: raw-*"),
        ({"bucket": "raw-1", "action": TAGS}, "bucket", "the stack's OutputBucketPattern: copies"),
        ({"bucket": "raw-1", "action": DELETE}, "bucket", "the stack's DeleteBucketPattern: scratch-*"),
        ({"bucket": None, "objects": {"bucket": "x1", "key": "k"}}, "objects.bucket", "SourceBucketPattern"),
        ({"bucket": "B D"}, "bucket", "not a bucket name"),
        ({"bucket": BUCKET}, "prefix", "writes below object_map/fixture/, which begins with the empty prefix"),
        ({"bucket": BUCKET, "prefix": "object"}, "prefix", "which begins with object"),
        ({"bucket": BUCKET, "prefix": "csv_load/", "action": DELETE}, "prefix", "must begin with input/ or output/"),
        ({"bucket": BUCKET, "action": TAGS}, "prefix", "not be empty"),
        (
            {"bucket": BUCKET, "prefix": "output/", "action": COPY},
            "action.copyObject.destination.prefix",
            "are themselves below the prefix output/",
        ),
        ({"minBytes": 5, "maxBytes": 4}, "maxBytes", "is less than minBytes"),
        ({"modifiedSince": "yesterday"}, "modifiedSince", "is not a date such as 2026-11-30"),
        ({"storageClass": []}, "storageClass", "must not be empty"),
        ({"storageClass": "glacier"}, "storageClass", "is not a storage class such as"),
        ({"action": {}}, "action", "give one of function, copyObject, deleteObject, putObjectTagging"),
        ({"action": FUNCTION | COPY}, "action", "give one of"),
        ({"action": {"function": "others"}}, "action.function", "is not among the stack's ProcessorFunctions"),
        ({"action": {"deleteObject": {}}, "bucket": "scratch-1"}, "action.deleteObject.confirm", "must be true"),
        ({"action": tagging(), "bucket": "copies"}, "action.putObjectTagging.tags", "at least one tag"),
        ({"action": tagging(a=1), "bucket": "copies"}, "action.putObjectTagging.tags.a", "must be a string"),
        ({"action": tagging(a="v" * 257), "bucket": "copies"}, "action.putObjectTagging.tags.a", "at most 256"),
        ({"action": tagging(a="<"), "bucket": "copies"}, "action.putObjectTagging.tags.a", "only"),
        (
            {"action": tagging(**{f"t{number}": "" for number in range(11)}), "bucket": "copies"},
            "action.putObjectTagging.tags",
            "has 11 tags; an object has at most 10",
        ),
        ({"action": COPY, "childType": "STANDARD"}, "childType", "leave it out for copyObject"),
        ({"batchSize": 501}, "batchSize", "from 1 to 500"),
        ({"toleratedFailureCount": -1}, "toleratedFailureCount", "from 0"),
        ({"sufix": ".csv"}, "sufix", "did you mean suffix?"),
    ],
)
def test_wrong_input_is_named_by_its_field(fields: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        request(**fields)
    assert refused.value.field == field
    assert words in str(refused.value)


def test_dry_run_of_a_deletion_needs_no_confirmation() -> None:
    assert request(bucket="scratch-1", action={"deleteObject": {}}, mode="dryRun").mode == "dryRun"


@pytest.fixture
def handler() -> Iterator[Any]:
    """The function, with the data bucket and the table of runs in moto."""
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        boto3.client("dynamodb").create_table(
            TableName="runs-table",
            KeySchema=[{"AttributeName": "run", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "run", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield import_module("plan_actions.handler").lambda_handler


@pytest.mark.parametrize("path", sorted((EVENTS / "plan_actions").glob("*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(handler: Any, path: Path) -> None:
    event, error = fixture("plan_actions", path.stem), expected_error(path)
    if error is None:
        assert handler(event, Context())["action"]["destination"]["isEmpty"]
        return
    with pytest.raises(getattr(errors, error)):
        handler(event, Context())


def test_bucket_that_is_not_there_is_named(handler: Any) -> None:
    event = USUAL | {"input": USUAL["input"] | {"bucket": "not-there"}}
    with pytest.raises(InvalidInputError, match="bucket: there is no bucket not-there"):
        handler(event, Context())


def test_run_that_was_not_listed_cannot_be_resumed(handler: Any) -> None:
    event = USUAL | {"input": USUAL["input"] | {"resume": {"run": "none"}}}
    with pytest.raises(InvalidInputError, match=r"resume\.run: none is not a run of object_map that has listed"):
        handler(event, Context())


def test_run_that_is_stopped_while_it_is_planned_ends(handler: Any) -> None:
    handler(USUAL, Context())
    assert stop_run(boto3.client("dynamodb"), "runs-table", RUN.item_key, "a test", 1.0)
    with pytest.raises(StoppedError):
        handler(USUAL, Context())
