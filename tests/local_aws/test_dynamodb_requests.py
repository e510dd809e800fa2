"""Operations on items as requests: headers, bodies that are out of the ordinary, and what IAM says of them."""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from zlib import crc32

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws import LocalAws, running
from tests.local_aws.accounts import policy
from tests.local_aws.raw_requests import Answer, RawRequest, credentials_of, signed
from tests.local_aws.sessions import session_of

DEADLINE_SECONDS = 60
TABLE = "allowed"
TABLE_ARN = f"arn:aws:dynamodb:us-east-1:000000000000:table/{TABLE}"


def send(local_aws: LocalAws, operation: str, body: bytes, **headers: str) -> Answer:
    target = {"x-amz-target": f"DynamoDB_20120810.{operation}", "content-type": "application/x-amz-json-1.0"}
    request = RawRequest("POST", "/", {"host": f"127.0.0.1:{local_aws.port}", **target, **headers}, body)
    return signed(request, credentials_of(local_aws)).send(local_aws)


def test_answer_has_the_headers_of_dynamodb(local_aws: LocalAws, table: str) -> None:
    answer = send(local_aws, "GetItem", json.dumps({"TableName": table, "Key": {"pk": {"S": "k"}}}).encode())
    assert (answer.status, answer.text) == (200, "{}")
    assert answer.headers["content-type"] == "application/x-amz-json-1.0"
    assert answer.headers["x-amz-crc32"] == str(crc32(b"{}"))
    assert answer.headers["x-amzn-requestid"]
    assert answer.headers["date"].endswith("GMT")


def test_error_names_its_type_in_a_header_and_in_the_body(local_aws: LocalAws) -> None:
    answer = send(local_aws, "GetItem", json.dumps({"TableName": "none", "Key": {"pk": {"S": "k"}}}).encode())
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (400, "ResourceNotFoundException")
    assert json.loads(answer.text)["__type"] == "ResourceNotFoundException"


@pytest.mark.parametrize("body", [b"{", b"\xff"])
def test_body_that_is_not_json_is_refused(local_aws: LocalAws, body: bytes) -> None:
    answer = send(local_aws, "PutItem", body)
    assert answer.status >= 400


def test_gzipped_body_is_read(local_aws: LocalAws, table: str) -> None:
    body = json.dumps({"TableName": table, "Item": {"pk": {"S": "k"}}}).encode()
    headers = {"content-encoding": "gzip"}
    assert send(local_aws, "PutItem", gzip.compress(body), **headers).status == 200
    assert json.loads(send(local_aws, "Scan", json.dumps({"TableName": table}).encode()).text)["Count"] == 1


def test_half_of_a_surrogate_pair_comes_back(local_aws: LocalAws, table: str) -> None:
    item = {"pk": {"S": "k"}, "half": {"S": "\ud83d"}}
    assert send(local_aws, "PutItem", json.dumps({"TableName": table, "Item": item}).encode()).status == 200
    answer = send(local_aws, "GetItem", json.dumps({"TableName": table, "Key": {"pk": {"S": "k"}}}).encode())
    assert json.loads(answer.text)["Item"] == item


def test_regions_have_tables_of_their_own(local_aws: LocalAws, table: str) -> None:
    other = session_of(local_aws).client("dynamodb", endpoint_url=local_aws.endpoint_url, region_name="eu-west-1")
    with pytest.raises(other.exceptions.ResourceNotFoundException):
        other.get_item(TableName=table, Key={"pk": {"S": "k"}})


@pytest.fixture(scope="module")
def enforcing() -> Iterator[LocalAws]:
    with running(enforce_iam=True) as started:
        yield started


@pytest.fixture
def user(enforcing: LocalAws) -> Iterator[Callable[[list[str]], Any]]:
    """Gives a user these rights on the table, or takes them; returns its client."""
    session = session_of(enforcing)
    dynamodb = session.client("dynamodb", endpoint_url=enforcing.endpoint_url)
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    iam = session.client("iam", endpoint_url=enforcing.endpoint_url)
    iam.create_user(UserName="user")
    key = iam.create_access_key(UserName="user")["AccessKey"]

    def with_rights(actions: list[str]) -> Any:
        allowed = {"Effect": "Allow", "Action": actions or ["s3:ListBucket"], "Resource": TABLE_ARN}
        iam.put_user_policy(UserName="user", PolicyName="rights", PolicyDocument=policy(allowed))
        config = Config(inject_host_prefix=False, retries={"total_max_attempts": 1})
        own: Any = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
        return own.client("dynamodb", endpoint_url=enforcing.endpoint_url, config=config)

    yield with_rights
    dynamodb.delete_table(TableName=TABLE)


def is_denied(operation: Callable[..., Any], **request: Any) -> bool:
    try:
        operation(**request)
    except ClientError as error:
        return error.response["Error"]["Code"] == "AccessDeniedException"
    return False


def test_rights_hold_for_their_operation_and_can_be_taken_away(user: Callable[[list[str]], Any]) -> None:
    client = user(["dynamodb:PutItem"])
    item = {"pk": {"S": "k"}}
    for _ in range(2):
        client.put_item(TableName=TABLE, Item=item)
        assert is_denied(client.get_item, TableName=TABLE, Key=item)
        assert is_denied(client.batch_write_item, RequestItems={TABLE: [{"PutRequest": {"Item": item}}]})
    user([])
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_denied(client.put_item, TableName=TABLE, Item=item):
        assert time.monotonic() < deadline, "the right was not taken away"
        time.sleep(0.1)
