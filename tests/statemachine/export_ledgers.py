"""The export ledger on two DynamoDB engines, which evaluate the state machine's own expressions."""

from __future__ import annotations

import json
from functools import cache
from itertools import count
from typing import Any, Protocol

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError
from ministack.services import dynamodb

from local_aws.stepfunctions import dynamodb_calls
from local_aws.stepfunctions.errors import state_error
from tests.statemachine.definitions import resources

OPTIMISED = "arn:${Partition}:states:::dynamodb:"
_numbers = count()


class Ledger(Protocol):
    """A table with the ledger's keys."""

    name: str

    def call(self, action: str, given: dict[str, Any]) -> dict[str, Any]:
        """What the optimised integration answers. Raises its errors."""

    def items(self) -> list[dict[str, Any]]:
        """Every item, in DynamoDB JSON, in the order of its keys."""

    def close(self) -> None:
        """Drop the table."""


class LocalLedger:
    """Local AWS's own engine, in this process."""

    def __init__(self) -> None:
        self.name = f"ledger-{next(_numbers)}"
        status, _, body = dynamodb._create_table({"TableName": self.name, **_keys()})
        assert status == 200, body

    def call(self, action: str, given: dict[str, Any]) -> dict[str, Any]:
        return dynamodb_calls.call(OPTIMISED + action, given)

    def items(self) -> list[dict[str, Any]]:
        _, _, body = dynamodb._scan({"TableName": self.name})
        return sorted(json.loads(body)["Items"], key=_key)

    def close(self) -> None:
        dynamodb._delete_table({"TableName": self.name})


class ClientLedger:
    """The engine behind a boto3 client."""

    def __init__(self, client: Any) -> None:
        self.name = f"ledger-{next(_numbers)}"
        self._client = client
        client.create_table(TableName=self.name, **_keys())

    def call(self, action: str, given: dict[str, Any]) -> dict[str, Any]:
        operations = {
            "getItem": self._client.get_item,
            "putItem": self._client.put_item,
            "updateItem": self._client.update_item,
        }
        try:
            answer: dict[str, Any] = operations[action](**given)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            name = code if code.endswith("CheckFailedException") else "AmazonDynamoDBException"
            raise state_error(f"DynamoDB.{name}", str(error)) from error
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    def items(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client.scan(TableName=self.name)["Items"]
        return sorted(found, key=_key)

    def close(self) -> None:
        self._client.delete_table(TableName=self.name)


def plain(item: dict[str, Any]) -> dict[str, Any]:
    """An item in plain Python values."""
    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in item.items()}


@cache
def _keys() -> dict[str, Any]:
    """The table's keys as the template has them."""
    properties = resources()["ExportLedgerTable"]["Properties"]
    return {name: properties[name] for name in ("KeySchema", "AttributeDefinitions", "BillingMode")}


def _key(item: dict[str, Any]) -> tuple[str, str]:
    return item["table"]["S"], item["entry"]["S"]
