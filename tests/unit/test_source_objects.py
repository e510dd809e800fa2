"""What S3 and DynamoDB say of a source and a table, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from sluice.dynamodb.tables import find_table
from sluice.errors import (
    AccessDeniedError,
    InvalidInputError,
    ServiceUnavailableError,
    SluiceError,
    SourceNotFoundError,
    TableNotFoundError,
)
from sluice.reading.source import SourceInput
from sluice.reading.source_objects import find_source
from sluice.workflows.csv_load.input import LoadInput
from sluice.workflows.csv_load.plan import begin

REQUEST = SourceInput.from_input({"bucket": "data", "key": "rows.csv", "versionId": "v1", "headers": ["id"]})
TABLE = {
    "TableStatus": "ACTIVE",
    "KeySchema": [{"AttributeName": "at", "KeyType": "RANGE"}, {"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [
        {"AttributeName": "at", "AttributeType": "N"},
        {"AttributeName": "id", "AttributeType": "S"},
    ],
}


def stubbed(service: str) -> Iterator[tuple[Any, Stubber]]:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    client = session.client(service)  # type: ignore[call-overload]
    with Stubber(client) as stubber:
        yield client, stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def s3() -> Iterator[tuple[Any, Stubber]]:
    yield from stubbed("s3")


@pytest.fixture
def dynamodb() -> Iterator[tuple[Any, Stubber]]:
    yield from stubbed("dynamodb")


def an_object(size: int, data: bytes = b"") -> dict[str, Any]:
    return {"Body": StreamingBody(BytesIO(data), len(data)), "ETag": '"e"', "ContentLength": size}


def test_source_is_pinned(s3: tuple[Any, Stubber]) -> None:
    client, stubber = s3
    expected = {"Bucket": "data", "Key": "rows.csv", "VersionId": "v1"}
    stubber.add_response("get_object", an_object(7) | {"VersionId": "v1"}, expected)
    source = find_source(client, REQUEST)
    assert (source.version_id, source.etag, source.size, source.header) == ("v1", '"e"', 7, ("id",))


@pytest.mark.parametrize(
    ("code", "status", "error", "problem"),
    [
        ("NoSuchBucket", 404, SourceNotFoundError, "there is no bucket data"),
        ("NoSuchKey", 404, SourceNotFoundError, r"the bucket data has no object rows\.csv"),
        ("NoSuchVersion", 404, SourceNotFoundError, r"s3://data/rows\.csv has no version v1"),
        ("InvalidArgument", 400, SourceNotFoundError, "has no version v1"),
        (
            "MethodNotAllowed",
            405,
            SourceNotFoundError,
            r"version v1 of s3://data/rows\.csv is a delete marker",
        ),
        ("InvalidObjectState", 403, SourceNotFoundError, r"s3://data/rows\.csv is archived"),
        ("AccessDenied", 403, AccessDeniedError, r"GetObject on s3://data/rows\.csv: AccessDenied"),
        ("KMS.DisabledException", 403, AccessDeniedError, "KMS.DisabledException"),
        ("ServiceUnavailable", 503, ServiceUnavailableError, r"GetObject on s3://data/rows\.csv"),
    ],
)
def test_source_that_cannot_be_had_is_named(
    s3: tuple[Any, Stubber], code: str, status: int, error: type[SluiceError], problem: str
) -> None:
    client, stubber = s3
    stubber.add_client_error("get_object", code, "said so", status)
    with pytest.raises(error, match=problem):
        find_source(client, REQUEST)


def test_key_schema_is_read_by_name(dynamodb: tuple[Any, Stubber]) -> None:
    client, stubber = dynamodb
    stubber.add_response("describe_table", {"Table": TABLE}, {"TableName": "rows"})
    assert find_table(client, "rows").to_state() == [{"name": "id", "type": "S"}, {"name": "at", "type": "N"}]


def test_table_that_is_being_updated_is_written_all_the_same(dynamodb: tuple[Any, Stubber]) -> None:
    client, stubber = dynamodb
    stubber.add_response("describe_table", {"Table": TABLE | {"TableStatus": "UPDATING"}})
    assert find_table(client, "rows").partition.name == "id"


@pytest.mark.parametrize("status", ["CREATING", "DELETING", "ARCHIVED", "INACCESSIBLE_ENCRYPTION_CREDENTIALS"])
def test_table_that_is_not_active_is_named(dynamodb: tuple[Any, Stubber], status: str) -> None:
    client, stubber = dynamodb
    stubber.add_response("describe_table", {"Table": TABLE | {"TableStatus": status}})
    with pytest.raises(TableNotFoundError, match=f"the table rows is {status}, not ACTIVE"):
        find_table(client, "rows")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ResourceNotFoundException", TableNotFoundError),
        ("AccessDeniedException", AccessDeniedError),
        ("ThrottlingException", ServiceUnavailableError),
    ],
)
def test_table_that_cannot_be_had_is_named(dynamodb: tuple[Any, Stubber], code: str, error: type[SluiceError]) -> None:
    client, stubber = dynamodb
    stubber.add_client_error("describe_table", code, "said so", 400)
    with pytest.raises(error, match="table rows"):
        find_table(client, "rows")


def test_endpoint_that_cannot_be_reached_may_be_tried_again() -> None:
    class Unreachable:
        def describe_table(self, **_request: Any) -> None:
            raise EndpointConnectionError(endpoint_url="https://dynamodb")

    client: Any = Unreachable()
    with pytest.raises(ServiceUnavailableError, match="table rows: Could not connect"):
        find_table(client, "rows")


def test_too_many_ranges_name_the_size_that_will_do(s3: tuple[Any, Stubber], dynamodb: tuple[Any, Stubber]) -> None:
    size = 5 << 40
    s3[1].add_response("get_object", an_object(size))
    s3[1].add_response("get_object", an_object(size, b"a,1\n" * 2000))
    dynamodb[1].add_response("describe_table", {"Table": TABLE})
    raw = {"source": {"bucket": "data", "key": "rows.csv", "headers": ["id", "at"]}, "table": "rows"}
    load = LoadInput.from_input(raw | {"mapping": {"id": "{id}", "at": {"N": "{at}"}}})
    with pytest.raises(
        InvalidInputError, match="rangeSize: would make more than 100,000 ranges; use at least 54,975,582 bytes"
    ):
        begin(s3[0], dynamodb[0], load)
