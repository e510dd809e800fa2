"""Installs this package instead of ministack's writes."""

import json
from collections.abc import Callable
from typing import Any

from ministack.services import dynamodb as service

from local_aws.dynamodb import (
    direct_requests,
    empty_names,
    filters,
    json_text,
    number_keys,
    query,
    remembered_texts,
    request_permissions,
    scan,
    single_items,
    table_orders,
    validation_messages,
)
from local_aws.dynamodb.batch_write import write_batch
from local_aws.dynamodb.expressions import texts
from local_aws.dynamodb.expressions.tokens import NotPlainError
from local_aws.dynamodb.fast_paths import with_fast_path
from local_aws.dynamodb.request_faults import planned_failure, split_unprocessed
from local_aws.dynamodb.table_orders import one_at_a_time
from local_aws.replacements import check, replace, require

Response = tuple[int, dict[str, str], Any]
Operation = Callable[[dict[str, Any]], Response]

SINGLE_OPERATIONS = {
    "_put_item": "PutItem",
    "_update_item": "UpdateItem",
    "_delete_item": "DeleteItem",
    "_get_item": "GetItem",
    "_query": "Query",
    "_scan": "Scan",
    "_batch_get_item": "BatchGetItem",
    "_transact_get_items": "TransactGetItems",
    "_transact_write_items": "TransactWriteItems",
    "_execute_statement": "ExecuteStatement",
    "_batch_execute_statement": "BatchExecuteStatement",
    "_execute_transaction": "ExecuteTransaction",
}

REPLACEMENTS = (
    json_text,
    validation_messages,
    empty_names,
    remembered_texts,
    number_keys,
    table_orders,
    scan,
    filters,
    query,
    texts,
    single_items,
    direct_requests,
    request_permissions,
)
USED = (
    "_attribute_value_error",
    "_attribute_value_size",
    "_item_size_bytes",
    "_number_size_bytes",
    "_tables",
)

_original: dict[str, Operation] = {}


def install() -> None:
    """Replace BatchWriteItem and Scan, and let the operations on items run one at a time."""
    require(service, *USED)
    check(service, "_emit_stream_event", ("table_name", "event_name", "old_item", "new_item", "replicate"))
    check(service, "_validate_attribute_value", ("attr_name", "value", "_depth"))
    for replacement in REPLACEMENTS:
        replacement.install()
    for name, operation in SINGLE_OPERATIONS.items():
        function = check(service, name, ("data",))
        replace(service, name, ("data",), _guarded(operation, with_fast_path(operation, function)))
    _original["batch_write"] = replace(service, "_batch_write_item", ("data",), batch_write_item)


def _guarded(operation: str, function: Operation) -> Operation:
    def run(data: dict[str, Any]) -> Response:
        failure = planned_failure(operation, [data.get("TableName", "")])
        if failure is not None:
            return failure
        with one_at_a_time:
            return function(data)

    return run


def batch_write_item(data: dict[str, Any]) -> Response:
    """BatchWriteItem, with the faults that a test has planned."""
    request_items = data.get("RequestItems") or {}
    failure = planned_failure("BatchWriteItem", list(request_items))
    if failure is not None:
        return failure
    split = split_unprocessed(request_items)
    if split is None:
        return _write(data)
    done, left = split
    answer: dict[str, Any] = {}
    if done:
        status, headers, body = _write({**data, "RequestItems": done})
        if status >= 400:
            return status, headers, body
        answer = json.loads(body)
    return json_text.json_answer({**answer, "UnprocessedItems": left})


def _write(data: dict[str, Any]) -> Response:
    with one_at_a_time:
        try:
            return write_batch(data)
        except NotPlainError:
            return _original["batch_write"](data)
