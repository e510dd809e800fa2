"""Random items and requests on them, for comparing the fast path of an operation with ministack's."""

import copy
import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from ministack.core.responses import request_scope
from ministack.services import dynamodb as service

TABLE = "table"
NAMES = ("a", "b", "c")
PATHS = ("a", "b", "c", "#a", "#c", "c.a", "#c.#a", "b[0]", "b[1].a", "c.b")
# None of these leads to another.
TARGETS = ("a", "b", "#c.a", "c.b", "d", "e")
ALIASES = {"#a": "a", "#c": "c"}
VALUES = (":v", ":w", ":0")
COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")

Operation = Callable[[dict[str, Any]], Any]
Draw = st.DrawFn

TEXTS = st.sampled_from(("", "x", "xy", "y", "é", "S", "N"))
NUMBERS = st.sampled_from(("0", "1", "-1", "2.5", "10", "007", "1.50", "1E2", "12345678901234567890"))
BINARIES = st.sampled_from(("", "AA==", "AAE=", "/w=="))
SCALARS = st.one_of(
    st.builds(lambda text: {"S": text}, TEXTS),
    st.builds(lambda number: {"N": number}, NUMBERS),
    st.builds(lambda binary: {"B": binary}, BINARIES),
    st.sampled_from(({"BOOL": True}, {"BOOL": False}, {"NULL": True})),
)
SETS = st.sampled_from(({"SS": ["x", "y"]}, {"SS": ["y"]}, {"NS": ["1", "2.5"]}, {"NS": ["1"]}, {"BS": ["AA=="]}))
ANY_VALUE = st.recursive(
    st.one_of(SCALARS, SETS),
    lambda inner: st.one_of(
        st.builds(lambda members: {"L": members}, st.lists(inner, max_size=3)),
        st.builds(lambda members: {"M": members}, st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)),
    ),
    max_leaves=5,
)
ATTRIBUTES = st.dictionaries(st.sampled_from(NAMES), ANY_VALUE, max_size=3)
KEYS = st.sampled_from(({"S": "k"}, {"S": "other"}))


@st.composite
def conditions(draw: Draw, depth: int = 2) -> str:
    """The text of a condition; not all of them are valid."""
    if depth and draw(st.booleans()):
        left, right = draw(conditions(depth - 1)), draw(conditions(depth - 1))
        shape = draw(st.sampled_from(("({}) AND {}", "{} OR {}", "NOT {} AND {}", "{} and ({})")))
        return shape.format(left, right)
    path, operand, other = (draw(st.sampled_from(each)) for each in (PATHS, PATHS + VALUES, VALUES))
    return draw(
        st.sampled_from(
            (
                f"{path} {draw(st.sampled_from(COMPARATORS))} {operand}",
                f"{operand} {draw(st.sampled_from(COMPARATORS))} {other}",
                f"size({path}) {draw(st.sampled_from(COMPARATORS))} {operand}",
                f"{path} BETWEEN {other} AND {draw(st.sampled_from(VALUES))}",
                f"{path} IN ({operand}, {other})",
                f"attribute_exists({path})",
                f"attribute_not_exists({path})",
                f"attribute_type({path}, {other})",
                f"begins_with({path}, {other})",
                f"contains({path}, {other})",
            )
        )
    )


@st.composite
def updates(draw: Draw) -> str:
    """The text of an update; not all of them are valid, and one in four may name a clause or a path twice."""
    is_clean = draw(st.integers(0, 3)) > 0
    names = st.sampled_from(("SET", "REMOVE", "ADD", "DELETE"))
    clauses = draw(st.lists(names, min_size=1, max_size=3, unique=is_clean))
    paths = iter(draw(st.permutations(TARGETS) if is_clean else st.lists(st.sampled_from(PATHS), min_size=6)))
    return " ".join(
        f"{clause} {', '.join(draw(_actions(clause, next(paths))) for _ in range(draw(st.integers(1, 2))))}"
        for clause in clauses
    )


def _actions(clause: str, path: str) -> st.SearchStrategy[str]:
    if clause == "REMOVE":
        return st.just(path)
    if clause == "SET":
        return st.builds(f"{path} = {{}}".format, _settings())
    return st.builds(f"{path} {{}}".format, st.sampled_from((":0", ":w", ":w", ":v")))


def _settings() -> st.SearchStrategy[str]:
    path, value = st.sampled_from(PATHS), st.sampled_from((*VALUES, ":0"))
    operand = st.one_of(value, value, path, st.builds("if_not_exists({}, {})".format, path, value))
    return st.one_of(
        operand,
        st.builds("{} {} {}".format, operand, st.sampled_from("+-"), operand),
        st.builds("list_append({}, {})".format, operand, operand),
    )


@st.composite
def requests(draw: Draw, operation: str) -> dict[str, Any]:
    """A request of PutItem, UpdateItem, DeleteItem or GetItem, with the names and values that it uses."""
    request: dict[str, Any] = {"TableName": TABLE}
    key = {"pk": draw(KEYS)}
    request |= {"Item": {**draw(ATTRIBUTES), **key}} if operation == "PutItem" else {"Key": key}
    request["ReturnConsumedCapacity"] = draw(st.sampled_from(("NONE", "TOTAL", "INDEXES")))
    if operation == "GetItem":
        return request | {"ConsistentRead": draw(st.booleans())}
    if operation == "UpdateItem":
        request["UpdateExpression"] = draw(updates())
        request["ReturnValues"] = draw(st.sampled_from(("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")))
    else:
        request["ReturnValues"] = draw(st.sampled_from(("NONE", "ALL_OLD")))
    if draw(st.integers(0, 2)) == 0:
        request["ConditionExpression"] = draw(conditions())
        request["ReturnValuesOnConditionCheckFailure"] = draw(st.sampled_from(("NONE", "ALL_OLD")))
    return with_references(request, {":v": draw(ANY_VALUE), ":w": draw(SETS), ":0": {"N": draw(NUMBERS)}})


SORT_VALUES = {
    "S": st.builds(lambda text: {"S": text}, st.sampled_from(("x", "xy", "xyz", "y", "é", "X"))),
    "N": st.builds(lambda number: {"N": number}, st.sampled_from(("0", "-1", "2", "10", "1.5", "1E2", "007"))),
}


@st.composite
def sorted_items(draw: Draw, sort_type: str) -> list[dict[str, Any]]:
    """Items of a table whose sort key has this type."""
    keys = st.builds(lambda pk, sk: {"pk": pk, "sk": sk}, KEYS, SORT_VALUES[sort_type])
    return [{**draw(ATTRIBUTES), **key} for key in draw(st.lists(keys, max_size=12))]


@st.composite
def queries(draw: Draw, sort_type: str) -> dict[str, Any]:
    """A Query on such a table; not all of them are valid."""
    sort = draw(
        st.sampled_from(
            ("", *(f"sk {sign} :s" for sign in COMPARATORS), "sk BETWEEN :s AND :t", "begins_with(sk, :s)", "a = :s")
        )
    )
    parts = draw(st.permutations([part for part in ("pk = :p", sort) if part]))
    request: dict[str, Any] = {"TableName": TABLE, "KeyConditionExpression": " AND ".join(parts)}
    optional: dict[str, st.SearchStrategy[Any]] = {
        "FilterExpression": conditions(1),
        "ScanIndexForward": st.booleans(),
        "Limit": st.integers(min_value=1, max_value=4),
        "ProjectionExpression": st.sampled_from(("a", "#a, sk", "a, a", "c.a", "date")),
        "ExclusiveStartKey": st.builds(lambda pk, sk: {"pk": pk, "sk": sk}, KEYS, SORT_VALUES[sort_type]),
        "Select": st.sampled_from(("COUNT", "ALL_ATTRIBUTES", "SPECIFIC_ATTRIBUTES")),
    }
    request |= {name: draw(values) for name, values in optional.items() if draw(st.integers(0, 2)) == 0}
    values = {":p": draw(KEYS), ":s": draw(SORT_VALUES[sort_type]), ":t": draw(SORT_VALUES[sort_type])}
    return with_references(request, {**values, **{name: draw(ANY_VALUE) for name in VALUES}})


def with_references(request: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """The request with those names and values that its expressions use."""
    text = " ".join(value for name, value in request.items() if name.endswith("Expression"))
    used = {
        "ExpressionAttributeNames": {alias: name for alias, name in ALIASES.items() if alias in text},
        "ExpressionAttributeValues": {name: value for name, value in values.items() if name in text},
    }
    return request | {field: found for field, found in used.items() if found}


def outcome(
    operation: Operation, request: dict[str, Any], items: list[dict[str, Any]], sort_type: str = ""
) -> tuple[int, Any, Any]:
    """Status, body and the table's items after the operation on a table of these items."""
    with request_scope("000000000000", "us-east-1"):
        table = table_of(items, sort_type)
        service._tables[TABLE] = table
        try:
            status, _, body = operation(copy.deepcopy(request))
            return status, json.loads(body), json.loads(json.dumps(table["items"]))
        finally:
            del service._tables[TABLE]


def table_of(items: list[dict[str, Any]], sort_type: str = "") -> dict[str, Any]:
    """A table as ministack has it, with the partition key `pk`, and the sort key `sk` if it has a type."""
    keys = [("pk", "S"), *([("sk", sort_type)] if sort_type else [])]
    table: dict[str, Any] = {
        "TableName": TABLE,
        "TableId": f"table {keys}",
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in keys],
        "KeySchema": [
            {"AttributeName": name, "KeyType": role} for (name, _), role in zip(keys, ("HASH", "RANGE"), strict=False)
        ],
        "pk_name": "pk",
        "sk_name": "sk" if sort_type else None,
        "items": defaultdict(dict),
        "GlobalSecondaryIndexes": [],
        "LocalSecondaryIndexes": [],
    }
    for item in copy.deepcopy(items):
        service._validate_item(item)
        sort = service._extract_key_val(item["sk"]) if sort_type else "__no_sort__"
        service._set_item(table, item["pk"]["S"], sort, item)
    return table
