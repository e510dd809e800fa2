"""The table that a run works on, as DescribeTable describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.aws.clients import aws_errors
from sluice.dynamodb.keys import KeySchema
from sluice.errors import TableNotFoundError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef


# A table that is being updated takes reads and writes all the same.
_USABLE = ("ACTIVE", "UPDATING")


def describe_table(dynamodb_client: DynamoDBClient, name: str) -> TableDescriptionTypeDef:
    """DescribeTable's `Table`. Raises TableNotFoundError when missing or not active, AccessDeniedError."""
    missing = TableNotFoundError(f"there is no table {name}")
    with aws_errors(f"table {name}", {"ResourceNotFoundException": missing}):
        table = dynamodb_client.describe_table(TableName=name)["Table"]
    if table["TableStatus"] not in _USABLE:
        raise TableNotFoundError(f"the table {name} is {table['TableStatus']}, not ACTIVE")
    return table


def find_table(dynamodb_client: DynamoDBClient, name: str) -> KeySchema:
    """The table's primary key, and the keys of its indexes. Raises what describe_table raises."""
    return KeySchema.with_indexes(describe_table(dynamodb_client, name))
