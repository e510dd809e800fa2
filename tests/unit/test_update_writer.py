"""Updates against a fake table that throttles, refuses, loses connections and answers late."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.aws.wire import Wire
from sluice.dynamodb.items import Item
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.update_writer import UpdateWriter
from sluice.errors import AccessDeniedError, ThrottledError
from sluice.rejects import Reason
from tests.unit.fake_dynamodb import TABLE, FakeDynamoDB, Fault, serving, throttle, wire_to
from tests.unit.test_writers import FAULTS, HASTY, PATIENT

SCHEMA = KeySchema.from_state([{"name": "pk", "type": "S"}])
REFUSED = "refused"
Json = dict[str, Any]


def refuses(item: Json) -> str | None:
    return "One or more parameter values were invalid" if {"S": REFUSED} in item.values() else None


@pytest.fixture(scope="module")
def served() -> Iterator[FakeDynamoDB]:
    with serving(FakeDynamoDB(refuses=refuses)) as started:
        yield started


@pytest.fixture
def table(served: FakeDynamoDB) -> FakeDynamoDB:
    served.items.clear()
    served.seen.clear()
    served.faults = deque()
    return served


def item(name: str, **attributes: Json) -> Item:
    return Item((name,), json.dumps({"pk": {"S": name}, **attributes}, ensure_ascii=False).encode())


def write(table: FakeDynamoDB, items: list[Item], *, must_exist: bool = False) -> UpdateWriter:
    with wire_to(table.url, PATIENT) as wire, UpdateWriter(wire, TABLE, SCHEMA, must_exist=must_exist) as writer:
        for row, each in enumerate(items):
            writer.put(each, row)
    return writer


def stored(table: FakeDynamoDB) -> dict[str, Json]:
    return {each["pk"]["S"]: each for each in table.items.values()}


def test_attributes_are_set_and_others_stay(table: FakeDynamoDB) -> None:
    write(table, [item("a", w={"S": "kept"}, v={"S": "old"})])
    outcome = write(table, [item("a", v={"S": 'é"'}), item("b", v={"M": {"x": {"N": "1"}}})]).outcome
    assert stored(table) == {
        "a": {"pk": {"S": "a"}, "w": {"S": "kept"}, "v": {"S": 'é"'}},
        "b": {"pk": {"S": "b"}, "v": {"M": {"x": {"N": "1"}}}},
    }
    assert (outcome.written, outcome.write_units, outcome.requests) == (2, 2.0, 2)


def test_an_item_of_its_key_alone_is_created(table: FakeDynamoDB) -> None:
    assert write(table, [item("a")]).outcome.written == 1
    assert stored(table) == {"a": {"pk": {"S": "a"}}}
    assert "UpdateExpression" not in table.seen[0].body


def test_an_item_that_must_exist_and_does_not_rejects_the_row(table: FakeDynamoDB) -> None:
    write(table, [item("a", v={"N": "1"})])
    outcome = write(table, [item("b", v={"N": "2"}), item("a", v={"N": "2"}), item("c")], must_exist=True).outcome
    assert stored(table) == {"a": {"pk": {"S": "a"}, "v": {"N": "2"}}}
    assert [(each.origin, each.reason) for each in outcome.rejected] == [
        (0, Reason.ITEM_MISSING),
        (2, Reason.ITEM_MISSING),
    ]
    assert outcome.write_units == 3.0


def test_too_many_attributes_for_an_expression_reject_the_row(table: FakeDynamoDB) -> None:
    wide, narrow = ({f"a{number}": {"N": "1"} for number in range(count)} for count in (600, 400))
    outcome = write(table, [item("wide", **wide), item("narrow", **narrow)]).outcome
    assert [(each.origin, each.reason) for each in outcome.rejected] == [(0, Reason.ITEM_TOO_WIDE)]
    assert len(stored(table)["narrow"]) == 401


def test_what_dynamodb_refuses_rejects_the_row_in_its_words(table: FakeDynamoDB) -> None:
    outcome = write(table, [item("a", v={"S": REFUSED}), item("b", v={"S": "x"})]).outcome
    assert [(each.origin, each.reason) for each in outcome.rejected] == [(0, Reason.WRITE_REJECTED)]
    assert "One or more parameter values were invalid" in outcome.rejected[0].message
    assert stored(table).keys() == {"b"}


@pytest.mark.parametrize(
    ("fault", "error"),
    [(throttle(), ThrottledError), (Fault(400, "AccessDeniedException"), AccessDeniedError)],
)
def test_an_update_that_cannot_be_carried_out_is_raised(
    table: FakeDynamoDB, fault: Fault, error: type[Exception]
) -> None:
    table.faults.extend([fault] * 10)

    def update(wire: Wire) -> None:
        with UpdateWriter(wire, TABLE, SCHEMA) as writer:
            writer.put(item("a", v={"S": "x"}), 0)

    with wire_to(table.url, HASTY) as wire, pytest.raises(error):
        update(wire)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 12),
            st.dictionaries(st.sampled_from("vwx"), st.sampled_from(["1", "2", REFUSED]), max_size=2),
        ),
        max_size=80,
    ),
    faults=st.lists(FAULTS, max_size=30),
    must_exist=st.booleans(),
)
def test_table_ends_as_if_rows_were_merged_one_by_one_whatever_goes_wrong(
    served: FakeDynamoDB, rows: list[tuple[int, dict[str, str]]], faults: list[Fault], must_exist: bool
) -> None:
    served.items.clear()
    served.faults = deque()
    before = [item(f"k{number}", w={"S": "0"}) for number in range(0, 12, 2)]
    write(served, before)
    served.faults = deque(faults)
    items = [item(f"k{key}", **{name: {"S": value} for name, value in change.items()}) for key, change in rows]
    outcome = write(served, items, must_exist=must_exist).outcome
    expected = {f"k{number}": {"pk": {"S": f"k{number}"}, "w": {"S": "0"}} for number in range(0, 12, 2)}
    rejected = set()
    for row, (key, change) in enumerate(rows):
        name = f"k{key}"
        if REFUSED in change.values() or (must_exist and name not in expected):
            rejected.add(row)
        else:
            merged = {attribute: {"S": value} for attribute, value in change.items()}
            expected[name] = expected.get(name, {"pk": {"S": name}}) | merged
    assert stored(served) == expected
    assert {each.origin for each in outcome.rejected} == rejected
    assert outcome.written == len(rows) - len(rejected)
    assert served.problems == []
