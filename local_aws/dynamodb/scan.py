"""Scan in hash order, by segments, from any start key, at a cost that does not depend on the table's size."""

import re
from collections.abc import Callable
from itertools import chain
from typing import Any

from ministack.core.responses import error_response_json, get_region, request_scope
from ministack.services import dynamodb as service

from local_aws.dynamodb.filters import filtered
from local_aws.dynamodb.json_text import json_answer, to_json
from local_aws.dynamodb.key_order import segment_slots
from local_aws.dynamodb.plain_items import Item
from local_aws.dynamodb.read_pages import consumed_capacity, index_entry, read_page
from local_aws.dynamodb.scan_order import Table, index_key_lists, table_keys
from local_aws.dynamodb.start_keys import start_position
from local_aws.dynamodb.table_orders import order_of
from local_aws.replacements import check, replace, require

Response = tuple[int, dict[str, str], Any]

# An account that no request is made for.
CHECKS_ACCOUNT = "checks"
TOP_LEVEL_NAMES = re.compile(r"\s*#?\w+\s*(?:,\s*#?\w+\s*)*")

# A table's identity and its indexes, and a request without its start key.
RequestShape = tuple[Any, tuple[Any, ...], bytes]
REMEMBERED_REQUESTS = 1_000

# The requests that ministack had nothing to say against: the pages of a Scan ask the same but for the start key.
_accepted: set[RequestShape] = set()
_original: dict[str, Callable[[dict[str, Any]], Response]] = {}


def install() -> None:
    """Replace Scan."""
    require(service, "_attribute_value_error", "_tables")
    check(service, "_apply_projection", ("item", "data"))
    check(service, "_normalize_table_name", ("value",))
    _original["scan"] = replace(service, "_scan", ("data",), scan)


def scan(data: dict[str, Any]) -> Response:
    """One page of a table or an index."""
    name = service._normalize_table_name(data.get("TableName"))
    table = service._tables.get(name)
    if table is None:
        return _original["scan"](data)
    shape = _shape(table, data)
    if shape not in _accepted:
        refusal = _refusal(name, table, data)
        if refusal is not None:
            return refusal
        _remember(shape)
    try:
        answer = _page(name, table, data)
    except ValueError as error:
        return _refused(str(error))
    return json_answer(answer)


def _shape(table: Table, data: dict[str, Any]) -> RequestShape:
    """All that decides whether a request is refused, but for its start key."""
    indexes = [*(table.get("GlobalSecondaryIndexes") or []), *(table.get("LocalSecondaryIndexes") or [])]
    kinds = tuple((index["IndexName"], (index.get("Projection") or {}).get("ProjectionType")) for index in indexes)
    request = {key: value for key, value in data.items() if key != "ExclusiveStartKey"}
    return table.get("TableId"), kinds, to_json(request)


def _remember(shape: RequestShape) -> None:
    if len(_accepted) >= REMEMBERED_REQUESTS:
        _accepted.clear()
    _accepted.add(shape)


def _refusal(name: str, table: Table, data: dict[str, Any]) -> Response | None:
    """What ministack says against the request, asked of an empty table of the same kind."""
    empty = {key: value for key, value in table.items() if key != service._INDEX_MEMBERS} | {"items": {}}
    request = {key: value for key, value in data.items() if key != "ExclusiveStartKey"}
    with request_scope(CHECKS_ACCOUNT, get_region()):
        service._tables[name] = empty
        try:
            response = _original["scan"](request)
        finally:
            del service._tables[name]
    return response if response[0] >= 400 else _select_refusal(table, data)


def _select_refusal(table: Table, data: dict[str, Any]) -> Response | None:
    for index in table.get("GlobalSecondaryIndexes") or []:
        holds_all = (index.get("Projection") or {}).get("ProjectionType", "ALL") == "ALL"
        if index["IndexName"] == data.get("IndexName") and data.get("Select") == "ALL_ATTRIBUTES" and not holds_all:
            return _refused(
                "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global "
                f"secondary index {index['IndexName']} because its projection type is not ALL"
            )
    return None


def _refused(message: str) -> Response:
    return error_response_json("ValidationException", message, 400)  # type: ignore[no-any-return]


def _page(name: str, table: Table, data: dict[str, Any]) -> dict[str, Any]:
    index_name, limit = data.get("IndexName"), data.get("Limit")
    order = order_of(table, index_name)
    slots = segment_slots(int(data.get("Segment") or 0), int(data.get("TotalSegments") or 1))
    own_keys, index_keys = (
        table_keys(table),
        [] if index_name is None else [*chain(*index_key_lists(table, index_name))],
    )
    after = start_position(order, own_keys, index_keys, data, slots)
    entry = index_entry(table, index_name)
    page = read_page(order.items(slots, after), None if limit is None else int(limit), entry)
    found = filtered([entry(item) for item in page.items], data)
    answer: dict[str, Any] = {"Count": len(found), "ScannedCount": len(page.items)}
    if data.get("Select") != "COUNT":
        answer["Items"] = _projected(found, data)
    if page.is_full:
        last = page.items[-1]
        answer["LastEvaluatedKey"] = {key.name: last[key.name] for key in (*own_keys, *index_keys)}
    if data.get("ReturnConsumedCapacity", "NONE") != "NONE":
        answer["ConsumedCapacity"] = consumed_capacity(table, name, page.size, data)
    return answer


def _projected(items: list[Item], data: dict[str, Any]) -> list[Item]:
    """What the projection leaves of the items; top-level attributes, the common case, are taken at once."""
    expression = data.get("ProjectionExpression")
    if not items or not expression or not TOP_LEVEL_NAMES.fullmatch(expression):
        return [service._apply_projection(item, data) for item in items]
    service._apply_projection(items[0], data)
    aliases = data.get("ExpressionAttributeNames") or {}
    names = [aliases.get(name.strip(), name.strip()) for name in expression.split(",")]
    return [{name: item[name] for name in names if name in item} for item in items]
