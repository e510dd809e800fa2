"""The fast path of an operation answers, and leaves behind, what ministack's own code does."""

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ministack.services import dynamodb as service

from local_aws.dynamodb.expressions.texts import condition_of, update_of
from local_aws.dynamodb.expressions.tokens import NotPlainError
from local_aws.dynamodb.fast_paths import with_fast_path
from tests.local_aws.random_requests import ATTRIBUTES, Operation, outcome, queries, requests, sorted_items

ORIGINALS: dict[str, Operation] = {
    "GetItem": service._get_item,
    "PutItem": service._put_item,
    "DeleteItem": service._delete_item,
    "UpdateItem": service._update_item,
}
# ministack refuses a begins_with whose attribute is neither a string nor a binary; DynamoDB finds it untrue.
STRICTER = "operator or function: begins_with"


def not_plain(_: dict[str, Any]) -> Any:
    raise NotPlainError("the operation took the ordinary path")


@pytest.mark.parametrize("name", ORIGINALS)
@settings(max_examples=400)
@given(data=st.data())
def test_fast_path_ends_as_the_ordinary_one(name: str, data: st.DataObject) -> None:
    request = data.draw(requests(name))
    items = [{**data.draw(ATTRIBUTES), "pk": {"S": "k"}}]
    expected = outcome(ORIGINALS[name], request, items)
    assume(STRICTER not in str(expected[1].get("message")))
    assert outcome(with_fast_path(name, ORIGINALS[name]), request, items) == expected


@pytest.mark.parametrize("sort_type", ["S", "N"])
@settings(max_examples=400)
@given(data=st.data())
def test_short_query_ends_as_the_long_one(sort_type: str, data: st.DataObject) -> None:
    request, items = data.draw(queries(sort_type)), data.draw(sorted_items(sort_type))
    expected = outcome(service._query, request, items, sort_type)
    assume(STRICTER not in str(expected[1].get("message")))
    assert outcome(with_fast_path("Query", service._query), request, items, sort_type) == expected


@pytest.mark.parametrize("count", [5, 100])
@pytest.mark.parametrize("is_forward", [True, False])
def test_query_pages_through_a_stretch_of_any_partition(count: int, is_forward: bool) -> None:
    items = [{"pk": {"S": "k"}, "sk": {"N": str(number)}} for number in range(count)]
    request: dict[str, Any] = {
        "TableName": "table",
        "KeyConditionExpression": "pk = :p AND sk BETWEEN :s AND :t",
        "ExpressionAttributeValues": {":p": {"S": "k"}, ":s": {"N": "1"}, ":t": {"N": str(count - 2)}},
        "ScanIndexForward": is_forward,
        "Limit": 7,
    }
    found: list[int] = []
    while True:
        status, page, _ = outcome(with_fast_path("Query", not_plain), request, items, "N")
        assert status == 200
        found += [int(item["sk"]["N"]) for item in page["Items"]]
        if "LastEvaluatedKey" not in page:
            break
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    expected = list(range(1, count - 1))
    assert found == (expected if is_forward else expected[::-1])


PLAIN_UPDATES = [
    ("SET a = :v", {"a": {"N": "5"}}),
    ("SET #0 = :v REMOVE b", {"zero": {"N": "5"}, "b": None}),
    ("SET a = a + :v, b = if_not_exists(b, :v)", {"a": {"N": "6"}, "b": {"S": "x"}}),
    ("ADD a :v", {"a": {"N": "6"}}),
    ("SET c.d = :v", {"c": {"M": {"d": {"N": "5"}, "e": {"S": "y"}}}}),
    ("SET l = list_append(l, l)", {"l": {"L": [{"S": "z"}, {"S": "z"}]}}),
]


@pytest.mark.parametrize(("text", "changed"), PLAIN_UPDATES)
def test_plain_updates_take_the_fast_path(text: str, changed: dict[str, Any]) -> None:
    item = {
        "pk": {"S": "k"},
        "a": {"N": "1"},
        "b": {"S": "x"},
        "c": {"M": {"e": {"S": "y"}}},
        "l": {"L": [{"S": "z"}]},
    }
    request = {"TableName": "table", "Key": {"pk": {"S": "k"}}, "UpdateExpression": text}
    if ":v" in text:
        request["ExpressionAttributeValues"] = {":v": {"N": "5"}}
    if "#0" in text:
        request["ExpressionAttributeNames"] = {"#0": "zero"}
    status, _, left = outcome(with_fast_path("UpdateItem", not_plain), request, [item])
    expected = {name: value for name, value in (item | changed).items() if value is not None}
    assert (status, left) == (200, {"k": {"__no_sort__": expected}})


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("attribute_exists(a) AND attribute_not_exists(b)", True),
        ("a = :v", True),
        ("a <> :v OR NOT a < :w", False),
        ("a BETWEEN :v AND :w", True),
        ("a IN (:w, :v)", True),
        ("size(s) = :v", False),
        ("size(s) = :w", True),
        ("begins_with(s, :s) AND contains(s, :s)", True),
        ("attribute_type(l[0].m, :s)", False),
        ("nothing <> :v", True),
        ("nothing = :v", False),
        ("a < :s", False),
    ],
)
def test_condition_holds_as_in_dynamodb(text: str, holds: bool) -> None:
    values = {":v": {"N": "1"}, ":w": {"N": "2"}, ":s": {"S": "s"}}
    item: dict[str, Any] = {"a": {"N": "1"}, "s": {"S": "st"}, "l": {"L": [{"M": {"m": {"S": ""}}}]}}
    condition = condition_of(text, (), "ConditionExpression")
    condition.check(values)
    assert condition.evaluate(item, values) is holds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a = ",
        "a = :v :v",
        "((a = :v))",
        "date = :v",
        "a = :v AND OR b = :v",
        "unknown(a)",
        "a ! :v",
        "a = :v" + " " * 4096,
        "#missing = :v",
    ],
)
def test_text_that_is_no_condition_is_left_to_ministack(text: str) -> None:
    with pytest.raises(NotPlainError):
        condition_of(text, (), "ConditionExpression")


@pytest.mark.parametrize(
    "text",
    ["", "a = :v", "SET a", "SET a = :v SET b = :v", "SET a = :v, a.b = :v", "SET a[0] = :v", "SET a = :v + :v + :v"],
)
def test_text_that_is_no_plain_update_is_left_to_ministack(text: str) -> None:
    with pytest.raises(NotPlainError):
        update_of(text, ())


def test_update_leaves_the_item_before_it_as_it_was() -> None:
    item = {"m": {"M": {"a": {"N": "1"}}}}
    changed = update_of("SET m.a = :v ADD n :v", ()).apply(item, {":v": {"N": "2"}})
    assert item == {"m": {"M": {"a": {"N": "1"}}}}
    assert changed == {"m": {"M": {"a": {"N": "2"}}}, "n": {"N": "2"}}
