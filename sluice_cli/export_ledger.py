"""The ledger of table_export, and what AWS says of the tables and executions that it names."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sluice_cli.aws import Aws, error_code
from sluice_cli.exit_code import BadInputError
from sluice_cli.export_processing import RUNNING, Processing, QueuedWindow
from sluice_cli.export_state import Flag, PastRun, TableState
from sluice_cli.run import UNKNOWN_EXECUTION

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STATE_ENTRY = "STATE"
COPY_ENTRY = "COPY"
RUN_PREFIX = "RUN#"
WINDOW_PREFIX = "PROCESS#"
# Entries sort as text, attempt 10 before attempt 9: enough are read to sort them by number.
RUNS_READ = 100
# What DescribeExecution's status is of an execution that AWS has forgotten.
NO_EXECUTION = "GONE"


@dataclass(frozen=True)
class Ledger:
    """The ledger's DynamoDB table."""

    client: "DynamoDBClient"
    name: str

    def states(self) -> list[TableState]:
        """Every table that the ledger knows, by name."""
        pages = self.client.get_paginator("scan").paginate(
            TableName=self.name,
            FilterExpression="#entry = :state",
            ExpressionAttributeNames={"#entry": "entry"},
            ExpressionAttributeValues={":state": {"S": STATE_ENTRY}},
            ConsistentRead=True,
        )
        found = [TableState.from_item(_plain(item)) for page in pages for item in page["Items"]]
        return sorted(found, key=lambda state: state.table)

    def state(self, table: str) -> TableState:
        """One table's state; an empty one for a table that the ledger does not know."""
        item = self._item(table, STATE_ENTRY)
        return TableState.from_item(item) if item else TableState(table)

    def processing(self, state: TableState) -> Processing | None:
        """How far the processing has come; None for a table whose exports are not processed."""
        if not state.queued:
            return None
        copy = self._item(state.table, COPY_ENTRY) or {}
        processed, until = copy.get("processed", 0), copy.get("to")
        # A run may have moved on since the state was read.
        queued = max(state.queued, processed)
        following = self._item(state.table, f"{WINDOW_PREFIX}{processed + 1:012d}") if processed < queued else None
        return Processing(
            queued=queued,
            processed=processed,
            until=datetime.fromisoformat(until) if until else None,
            next=QueuedWindow.from_item(following) if following else None,
        )

    def runs(self, table: str) -> list[PastRun]:
        """The last runs, newest first."""
        runs = map(PastRun.from_item, self._last(table, RUN_PREFIX))
        return sorted(runs, key=lambda run: (run.until, run.attempt), reverse=True)

    def windows(self, table: str) -> dict[str, QueuedWindow]:
        """The last windows that were queued for processing, by the names of their items."""
        return {item["entry"]: QueuedWindow.from_item(item) for item in self._last(table, WINDOW_PREFIX)}

    def _item(self, table: str, entry: str) -> dict[str, Any] | None:
        answer = self.client.get_item(TableName=self.name, Key=_key(table, entry), ConsistentRead=True)
        return _plain(answer["Item"]) if "Item" in answer else None

    def _last(self, table: str, prefix: str) -> list[dict[str, Any]]:
        answer = self.client.query(
            TableName=self.name,
            KeyConditionExpression="#table = :table AND begins_with(#entry, :prefix)",
            ExpressionAttributeNames={"#table": "table", "#entry": "entry"},
            ExpressionAttributeValues={":table": {"S": table}, ":prefix": {"S": prefix}},
            ScanIndexForward=False,
            Limit=RUNS_READ,
            ConsistentRead=True,
        )
        return [_plain(item) for item in answer["Items"]]

    def put_flag(self, table: str, flag: Flag, *, value: bool) -> bool:
        """Set the flag; False when it stood so already.

        The version goes up with it, so that no run carries out what it planned before.
        """
        try:
            self.client.update_item(
                TableName=self.name,
                Key=_key(table, STATE_ENTRY),
                UpdateExpression="SET #flag = :value ADD #version :one",
                ConditionExpression="attribute_not_exists(#flag) OR #flag = :before" if value else "#flag = :before",
                ExpressionAttributeNames={"#flag": flag, "#version": "version"},
                ExpressionAttributeValues={
                    ":value": {"BOOL": value},
                    ":before": {"BOOL": not value},
                    ":one": {"N": "1"},
                },
            )
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                return False
            raise
        return True


@dataclass(frozen=True)
class Recovery:
    """Point-in-time recovery of a table: how far back it reaches, None when it is off, and how far back it may."""

    earliest: datetime | None
    period: timedelta | None = None


def table_bytes(aws: Aws, table: str) -> int:
    """The table's size as DynamoDB knows it. Raises BadInputError when there is no such table."""
    try:
        return aws.dynamodb.describe_table(TableName=table)["Table"].get("TableSizeBytes", 0)
    except ClientError as error:
        if error_code(error) == "ResourceNotFoundException":
            raise no_such_table(aws, table) from error
        raise


def no_such_table(aws: Aws, table: str) -> BadInputError:
    """The table's name is wrong, or the target."""
    return BadInputError(f"there is no table named {table} on {aws}")


def recovery(aws: Aws, table: str) -> Recovery | None:
    """None when there is no such table."""
    try:
        answer = aws.dynamodb.describe_continuous_backups(TableName=table)
    except ClientError as error:
        if error_code(error) == "TableNotFoundException":
            return None
        raise
    described = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if described.get("PointInTimeRecoveryStatus") != "ENABLED":
        return Recovery(None)
    days = described.get("RecoveryPeriodInDays")
    return Recovery(described["EarliestRestorableDateTime"], timedelta(days=days) if days else None)


def owner_status(aws: Aws, execution_arn: str) -> str:
    """DescribeExecution's status, or GONE if AWS has no such execution."""
    try:
        return aws.stepfunctions.describe_execution(executionArn=execution_arn)["status"]
    except ClientError as error:
        if error_code(error) == UNKNOWN_EXECUTION:
            return NO_EXECUTION
        raise


def with_execution_status(aws: Aws, processing: Processing | None) -> Processing | None:
    """A run may have died before it could record how the execution ended: AWS knows."""
    window = processing and processing.next
    if not processing or not window or window.status != RUNNING or not window.execution_arn:
        return processing
    return replace(processing, execution_status=owner_status(aws, window.execution_arn))


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    from boto3.dynamodb.types import TypeDeserializer

    deserialize = TypeDeserializer().deserialize
    return {name: _whole(deserialize(value)) for name, value in item.items()}


def _whole(value: Any) -> Any:
    """The ledger's numbers are counts."""
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    return int(value) if isinstance(value, Decimal) else value


def _key(table: str, entry: str) -> dict[str, Any]:
    return {"table": {"S": table}, "entry": {"S": entry}}
