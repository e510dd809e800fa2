"""Operations whose plain requests take a fast path; the others take ministack's."""

from collections.abc import Callable
from typing import Any

from local_aws.dynamodb import plain_query, single_items
from local_aws.dynamodb.expressions.tokens import NotPlainError
from local_aws.dynamodb.json_text import Response
from local_aws.dynamodb.plain_requests import PlainTable, check_members, plain_table

Operation = Callable[[dict[str, Any]], Response]
PlainOperation = Callable[[dict[str, Any], PlainTable], Response]

CONDITIONAL = frozenset(
    (
        "TableName",
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "ReturnValues",
        "ReturnValuesOnConditionCheckFailure",
        "ReturnConsumedCapacity",
    )
)
# The members that a plain request may have, and what serves it. The latter changes nothing before it raises
# NotPlainError.
FAST_PATHS: dict[str, tuple[frozenset[str], PlainOperation]] = {
    "GetItem": (frozenset(("TableName", "Key", "ConsistentRead", "ReturnConsumedCapacity")), single_items.get_item),
    "PutItem": (CONDITIONAL | {"Item"}, single_items.put_item),
    "DeleteItem": (CONDITIONAL | {"Key"}, single_items.delete_item),
    "UpdateItem": (CONDITIONAL | {"Key", "UpdateExpression"}, single_items.update_item),
    "Query": (plain_query.MEMBERS, plain_query.query),
}


def with_fast_path(name: str, operation: Operation) -> Operation:
    """The operation, with a fast path for plain requests if it has one."""
    if name not in FAST_PATHS:
        return operation
    members, fast_path = FAST_PATHS[name]

    def run(data: dict[str, Any]) -> Response:
        try:
            check_members(data, members)
            return fast_path(data, plain_table(data.get("TableName")))
        except NotPlainError:
            return operation(data)

    return run
