"""DynamoDB's refusals of requests, in the words that AWS was recorded with."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws import LocalAws
from tests.local_aws.sessions import session_of

KEY = {"pk": {"S": "k"}}
VALUES = {"ExpressionAttributeValues": {":v": {"S": "x"}}}
INVALID = "One or more parameter values were invalid: "


@pytest.fixture(scope="module")
def dynamodb(local_aws: LocalAws) -> Any:
    config = Config(parameter_validation=False, inject_host_prefix=False, retries={"total_max_attempts": 1})
    return session_of(local_aws).client("dynamodb", endpoint_url=local_aws.endpoint_url, config=config)


def refusal(call: Callable[..., Any], **request: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException"
    return error["Message"]


@pytest.mark.parametrize("operation", ["BatchGetItem", "BatchWriteItem"])
def test_batch_without_requests_lacks_its_parameter(dynamodb: Any, operation: str) -> None:
    call = dynamodb.batch_get_item if operation == "BatchGetItem" else dynamodb.batch_write_item
    assert refusal(call, RequestItems={}) == f"The requestItems parameter is required for {operation}"
    expected = refusal(call, RequestItems={}, ReturnConsumedCapacity="ALL")
    assert expected.startswith("1 validation error detected: Value 'ALL' at 'returnConsumedCapacity'")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"SS": ["a", "a"]}, INVALID + "Input collection [a, a] contains duplicates."),
        ({"BS": [b"a", b"a"]}, INVALID + "Input collection [YQ==, YQ==]of type BS contains duplicates."),
        ({"NS": ["1", "1.0"]}, INVALID + "Input collection contains duplicates."),
        ({"N": "one"}, "The parameter cannot be converted to a numeric value: one"),
        ({"N": "1" * 39}, "Attempting to store more than 38 significant digits in a Number"),
    ],
)
def test_wrong_value_is_named_without_an_envelope(
    dynamodb: Any, table: str, value: dict[str, Any], expected: str
) -> None:
    assert refusal(dynamodb.put_item, TableName=table, Item={**KEY, "a": value}) == expected
    update = {"UpdateExpression": "SET a = :v", "ExpressionAttributeValues": {":v": value}}
    assert refusal(dynamodb.update_item, TableName=table, Key=KEY, **update) == expected


def test_values_without_expressions_name_what_lacks(dynamodb: Any, table: str) -> None:
    start = "ExpressionAttributeValues can only be specified when using expressions: "
    condition = start + "ConditionExpression is null"
    assert refusal(dynamodb.put_item, TableName=table, Item=KEY, **VALUES) == condition
    assert refusal(dynamodb.delete_item, TableName=table, Key=KEY, **VALUES) == condition
    both = start + "UpdateExpression and ConditionExpression are null"
    assert refusal(dynamodb.update_item, TableName=table, Key=KEY, **VALUES) == both


def test_condition_with_an_unknown_value_is_refused_without_an_envelope(dynamodb: Any, table: str) -> None:
    expected = refusal(dynamodb.put_item, TableName=table, Item=KEY, ConditionExpression="a = :v")
    assert expected == (
        "Invalid ConditionExpression: An expression attribute value used in expression is not defined; "
        "attribute value: :v"
    )


@pytest.mark.parametrize("operation", ["put_item", "update_item", "delete_item"])
def test_every_wrong_enum_is_named(dynamodb: Any, table: str, operation: str) -> None:
    item = {"Item": KEY} if operation == "put_item" else {"Key": KEY}
    wrong = {"ReturnValues": "X", "ReturnConsumedCapacity": "Y", "ReturnItemCollectionMetrics": "Z"}
    expected = refusal(getattr(dynamodb, operation), TableName=table, **item, **wrong)
    assert expected.startswith("3 validation errors detected: ")
    for value, member in (("X", "returnValues"), ("Y", "returnConsumedCapacity"), ("Z", "returnItemCollectionMetrics")):
        assert f"Value '{value}' at '{member}' failed to satisfy constraint: " in expected


def test_constraint_of_a_member_stays_in_its_envelope(dynamodb: Any) -> None:
    expected = refusal(dynamodb.put_item, TableName="", Item=KEY)
    assert expected == (
        "1 validation error detected: Value '' at 'tableName' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1"
    )
