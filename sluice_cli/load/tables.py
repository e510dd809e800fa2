"""The table that a load writes to: its key, and a new one where there is none."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError

from sluice_cli.aws import Aws, error_code
from sluice_cli.exit_code import BadInputError
from sluice_cli.stack import Stack

TABLE_NAME = re.compile(r"[a-zA-Z0-9_.-]{3,255}")
TABLE_PATTERN = "TableNamePattern"
KEY_TYPES = ("S", "N", "B")
KINDS = ("HASH", "RANGE")
MISSING = "ResourceNotFoundException"
IN_USE = "ResourceInUseException"
ACTIVE_POLL_SECONDS, ACTIVE_POLLS_MAX = 1, 300


@dataclass(frozen=True)
class Table:
    """`keys`: type by key attribute, the partition key first. `indexed`: type by key attribute of an index."""

    name: str
    keys: Mapping[str, str]
    indexed: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}, whose key is {' and '.join(self.keys)}"


def check_name(name: str, stack: Stack) -> None:
    """Raises BadInputError for a table that DynamoDB cannot have, or that the stack's runs may not use."""
    if not TABLE_NAME.fullmatch(name):
        raise BadInputError(f"--table {name}: a table name has 3 to 255 letters, digits, hyphens, underscores and dots")
    pattern = stack.parameters.get(TABLE_PATTERN, "*")
    if not fnmatchcase(name, pattern):
        raise BadInputError(
            f"--table {name}: runs of stack {stack.name} may use tables named {pattern}; deploy it with another "
            f"{TABLE_PATTERN} to change that"
        )


def describe(aws: Aws, name: str) -> Table | None:
    """The table; None where there is none."""
    try:
        found = aws.dynamodb.describe_table(TableName=name)["Table"]
    except ClientError as error:
        if error_code(error) == MISSING:
            return None
        raise
    types = {each["AttributeName"]: each["AttributeType"] for each in found["AttributeDefinitions"]}
    keys = _by_kind(found["KeySchema"], types)
    return Table(name, keys, {name: kind for name, kind in types.items() if name not in keys})


def create(aws: Aws, table: Table) -> None:
    """Create an on-demand table, and wait until it can be used. Raises BadInputError if it has appeared meanwhile."""
    key_schema: Any = [{"AttributeName": name, "KeyType": kind} for name, kind in zip(table.keys, KINDS, strict=False)]
    definitions: Any = [{"AttributeName": name, "AttributeType": kind} for name, kind in table.keys.items()]
    try:
        aws.dynamodb.create_table(
            TableName=table.name,
            KeySchema=key_schema,
            AttributeDefinitions=definitions,
            BillingMode="PAY_PER_REQUEST",
        )
    except ClientError as error:
        if error_code(error) == IN_USE:
            raise BadInputError(f"table {table.name} has been created meanwhile; load again") from error
        raise
    aws.dynamodb.get_waiter("table_exists").wait(
        TableName=table.name, WaiterConfig={"Delay": ACTIVE_POLL_SECONDS, "MaxAttempts": ACTIVE_POLLS_MAX}
    )


def check_same_key(table: Table, key: Sequence[str]) -> None:
    """Raises BadInputError unless `key`, if any, is what the table has."""
    if key and list(table.keys) != list(key):
        raise BadInputError(
            f"--key {','.join(key)}: table {table.name} exists, and its key is {','.join(table.keys)}; "
            "load into another table, or omit --key"
        )


def _by_kind(schema: Sequence[Any], types: Mapping[str, str]) -> dict[str, str]:
    ordered = sorted(schema, key=lambda each: KINDS.index(each["KeyType"]))
    return {each["AttributeName"]: types[each["AttributeName"]] for each in ordered}
