"""What a transform has changed of an item, and what rejects it."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.dynamodb.items import equal, item_size
from sluice.dynamodb.values import encode_attributes
from sluice.errors import InvalidInputError, RejectError
from sluice.mapping.delete import DELETE
from sluice.runs.columns_found import ColumnsFound
from sluice.workflows.table_transform.changes import MEASURED_BYTES, Transfer, Update
from sluice.workflows.table_transform.transforms import (
    MappedForTarget,
    MappedInPlace,
    TransformedForTarget,
    TransformedInPlace,
    in_place,
    into_target,
)
from tests.unit.fake_tables import Json
from tests.unit.plain_items import schema_of
from tests.unit.plain_values import items, values

ID = schema_of(id="S")
Item = dict[str, Any]


def stored(item: Item) -> Json:
    """The item as DynamoDB returns it."""
    return {name: json.loads(value) for name, value in encode_attributes(item).items()}


def change(before: Item, transform: Callable[[Item], Any]) -> Any:
    return TransformedInPlace(transform, ID)(stored({"id": "x", **before}))


def rejection(before: Item, transform: Callable[[Item], Any]) -> RejectError:
    with pytest.raises(RejectError) as raised:
        change(before, transform)
    return raised.value


def put(**attributes: Any) -> Callable[[Item], Item]:
    return lambda item: item | attributes


@given(items)
def test_equal_values_are_no_change(item: Item) -> None:
    before = stored({**item, "id": "x"})
    assert TransformedInPlace(lambda each: each, ID)(before) is None
    assert TransformedInPlace(lambda each: dict(reversed(copy.deepcopy(each).items())), ID)(before) is None
    assert TransformedInPlace(lambda _each: None, ID)(before) is None


@given(items, st.dictionaries(st.sampled_from("abc"), values, max_size=3), st.sets(st.sampled_from("abc")))
def test_change_makes_of_the_item_what_the_transform_returns(item: Item, new: Item, removed: set[str]) -> None:
    item = {name: value for name, value in item.items() if name not in new} | {"id": "x", "a": 1, "b": "y"}
    wanted = {name: value for name, value in (item | new).items() if name not in removed}
    changed = TransformedInPlace(lambda _item: wanted, ID)(stored(item))
    after = changed.after() if changed else stored(item)
    assert after is not None
    assert equal(after, stored(wanted))
    if isinstance(changed, Update):
        assert changed.values.keys() <= new.keys()
        assert all(
            not equal({"v": stored(item).get(name, {"NULL": False})}, {"v": after[name]}) for name in changed.values
        )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Decimal("1.50"), Decimal("1.5")),
        (1, 1.0),
        (Decimal(100), Decimal("1E+2")),
        ({1, 2}, {Decimal("2.0"), Decimal(1)}),
        ({"a", "b"}, frozenset({"b", "a"})),
        ([1, {"a": b"x"}], (1, {"a": b"x"})),
    ],
)
def test_another_spelling_of_a_value_is_no_change(before: Any, after: Any) -> None:
    assert change({"v": before}, put(v=after)) is None


@pytest.mark.parametrize(("before", "after"), [("1", 1), (1, True), ("", None), (b"a", "a"), ([], {}), ({"a"}, ["a"])])
def test_another_type_is_a_change(before: Any, after: Any) -> None:
    changed = change({"v": before}, put(v=after))
    assert isinstance(changed, Update)
    assert changed.values == {"v": encode_attributes({"v": after})["v"].encode()}
    assert changed.removed == ()


def test_containers_that_are_changed_in_place_are_changes() -> None:
    def add(item: Item) -> Item:
        item["l"].append(1)
        item["s"].discard("a")
        item["m"]["n"] = 1
        return item

    changed = change({"l": [], "s": {"a", "b"}, "m": {}, "other": []}, add)
    assert changed.values == {"l": b'{"L":[{"N":"1"}]}', "s": b'{"SS":["b"]}', "m": b'{"M":{"n":{"N":"1"}}}'}


def test_attributes_that_are_left_out_are_removed() -> None:
    changed = change({"b": 1, "a": 2, "c": 3}, lambda item: {"id": item["id"], "c": 3})
    assert (changed.values, changed.removed) == ({}, ("a", "b"))
    assert changed.after() == {"id": {"S": "x"}, "c": {"N": "3"}}


def test_marker_deletes() -> None:
    deleted = change({"a": 1}, lambda _item: DELETE)
    assert isinstance(deleted, Transfer)
    assert deleted.write_units() == 1.0


class Odd(Mapping[str, Any]):
    """A mapping that can be read once."""

    def __getitem__(self, name: str) -> Any:
        raise OSError("no more")

    def __iter__(self) -> Iterator[str]:
        return iter(["id"])

    def __len__(self) -> int:
        return 1


class Unspeakable(Exception):  # noqa: N818 - raised by a transform
    """An error that cannot be shown."""

    def __str__(self) -> str:
        raise ValueError


def fail(error: BaseException) -> Callable[[Item], Any]:
    def transform(_item: Item) -> Any:
        raise error

    return transform


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("transform", "reason", "message"),
    [
        (fail(KeyError("name")), "TransformFailed", "KeyError: 'name'"),
        (fail(SystemExit(3)), "TransformFailed", "SystemExit: 3"),
        (fail(RecursionError("deep")), "TransformFailed", "RecursionError: deep"),
        (fail(Unspeakable()), "TransformFailed", "Unspeakable"),
        (lambda _item: Odd(), "TransformFailed", "OSError: no more"),
        (lambda item: [item], "SeveralItems", "the transform returned 1 items for one instead"),
        (lambda _item: "text", "ValueUnsupported", "the transform returned a str for an item"),
        (put(v=float("nan")), "NumberInvalid", "attribute v: nan is not a number"),
        (put(v=Decimal("sNaN")), "NumberInvalid", "attribute v: "),
        (put(v=object()), "ValueUnsupported", "attribute v: a value of type object"),
        (put(v=1 << 500), "NumberOutOfRange", "attribute v: an integer over"),
        (put(v=set()), "SetEmpty", "attribute v: an empty set"),
        (put(v=endless()), "NestingTooDeep", "attribute v: nested more than 32 levels deep"),
        (put(v="\ud800"), "TextInvalid", "attribute v: half a surrogate pair"),
        (lambda item: item | {5: 1}, "ValueUnsupported", "the attribute name 5 is not a str"),
        (put(v="x" * 409_600), "ItemTooLarge", "the item would have 4096"),
        (put(id="y"), "KeyChanged", "attribute id is the item's key"),
        (put(id=5), "KeyChanged", "attribute id is the item's key"),
        (lambda _item: {}, "KeyChanged", "attribute id is the item's key"),
    ],
)
def test_poison_is_rejected_by_name(transform: Callable[[Item], Any], reason: str, message: str) -> None:
    error = rejection({"v": 1}, transform)
    assert error.reason == reason
    assert message in str(error)


def test_size_is_measured_as_dynamodb_counts_it() -> None:
    before = stored({"id": "x", "v": "é" * 1000, "n": 1})
    changed = TransformedInPlace(put(v="é" * 1_500, n=2), ID)(before)
    assert isinstance(changed, Update)
    assert changed.write_units() == -(-item_size(changed.after()) // 1024) == 3
    shrunk = TransformedInPlace(put(v=""), ID)(before)
    assert isinstance(shrunk, Update)
    assert shrunk.write_units() == 2
    assert len(b'{"S":"%b"}' % ("é" * 1_500).encode()) < MEASURED_BYTES


def mapped(mapping: Json, before: Item) -> Any:
    return MappedInPlace(mapping, ID)(stored({"id": "x", **before}))


def test_mapping_sets_the_attributes_that_it_names() -> None:
    mapping = {
        "label": "{name} ({id})",
        "n": {"N": "{count}"},
        "open": {"BOOL": "{is_open}"},
        "raw": {"B": "{photo}"},
        "copy": {"M": "{details}"},
        "mail": {"S": "{mail_address}", "omitEmpty": True},
    }
    before = {"name": "é", "count": Decimal("1.5"), "is_open": True, "photo": b"x", "details": {"a": b"y"}, "mail": "m"}
    assert mapped(mapping, before).values == {
        "label": '{"S":"é (x)"}'.encode(),
        "n": b'{"N":"1.5"}',
        "open": b'{"BOOL":true}',
        "raw": b'{"B":"eA=="}',
        "copy": b'{"M":{"a":{"B":"eQ=="}}}',
    }
    assert mapped({"name": "{name}"}, before) is None


def test_mapping_takes_members_of_maps() -> None:
    before = {"details": {"city": "Oslo"}, "exact.name": "x"}
    taken = mapped({"city": "{details.city}", "copy": "{exact.name}"}, before)
    assert taken.values == {"city": b'{"S":"Oslo"}', "copy": b'{"S":"x"}'}


@pytest.mark.parametrize("target", [False, True])
def test_mapping_knows_the_columns_that_no_item_had(target: bool) -> None:
    mapping: Json = {"id": "{id}"} if target else {}
    mapping |= {"mail": {"S": "{mial}", "omitEmpty": True}, "city": {"S": "{details.city}", "omitEmpty": True}}
    source = {"mapping": mapping}
    transform: Any = into_target(source, ID, deletes=False) if target else in_place(source, ID)
    assert transform.columns == ColumnsFound()
    transform(stored({"id": "x", "mail": "m"}))
    assert transform.columns == ColumnsFound(frozenset({"mial", "details.city"}), ("id", "mail"))
    transform(stored({"id": "y", "details": {"city": "Oslo"}}))
    assert transform.columns.absent == {"mial"}
    transform(stored({"id": "z", "mial": "m"}))
    assert not transform.columns.absent


def test_mapping_rejects_items_that_lack_what_it_takes() -> None:
    with pytest.raises(RejectError, match="the record has no 'name'") as raised:
        mapped({"label": "{name}"}, {})
    assert raised.value.reason == "ColumnMissing"


def test_mapping_leaves_the_key_alone() -> None:
    with pytest.raises(InvalidInputError, match=r"mapping\.id: is part of the table's key"):
        in_place({"mapping": {"id": "{name}"}}, ID)


def test_transforms_are_found_by_name() -> None:
    assert isinstance(in_place({"transform": "airports_geohash"}, ID), TransformedInPlace)
    assert isinstance(into_target({"transform": "airports_geohash"}, ID, deletes=False), TransformedForTarget)
    with pytest.raises(InvalidInputError, match="there is no transform 'missing'"):
        in_place({"transform": "missing"}, ID)


# Into another table.


def target(transform: Callable[[Item], Any], *, deletes: bool = False) -> Any:
    made = TransformedForTarget(transform, ID, deletes=deletes)(stored({"pk": "p", "n": 1}))
    return made if made is DELETE else [json.loads(each.body) for each in made]


def test_target_gets_one_item_several_or_none() -> None:
    assert target(lambda item: {"id": item["pk"]}) == [{"id": {"S": "p"}}]
    assert target(lambda _item: ({"id": "a"}, {"id": "b"})) == [{"id": {"S": "a"}}, {"id": {"S": "b"}}]
    assert target(lambda _item: None) == target(lambda _item: []) == []


def test_marker_applies_to_moves_only() -> None:
    assert target(lambda _item: DELETE, deletes=True) is DELETE
    with pytest.raises(RejectError, match="DELETE means nothing"):
        target(lambda _item: DELETE)


@pytest.mark.parametrize(
    ("transform", "reason"),
    [
        (lambda item: item, "KeyMissing"),
        (lambda _item: {"id": 5}, "KeyTypeMismatch"),
        (lambda _item: {"id": ""}, "KeyEmpty"),
        (lambda _item: [{"id": "a"}, DELETE], "ValueUnsupported"),
        (lambda _item: {"id": "a", "v": "x" * 409_600}, "ItemTooLarge"),
        (fail(ZeroDivisionError()), "TransformFailed"),
        (lambda _item: Odd(), "TransformFailed"),
    ],
)
def test_poison_for_a_target_is_rejected_by_name(transform: Callable[[Item], Any], reason: str) -> None:
    with pytest.raises(RejectError) as raised:
        target(transform)
    assert raised.value.reason == reason


def test_mapping_is_the_whole_item_of_a_target() -> None:
    encode = into_target({"mapping": {"id": "{pk}", "raw": {"B": "{photo}"}}}, ID, deletes=False)
    assert isinstance(encode, MappedForTarget)
    (item,) = encode(stored({"pk": "p", "photo": b"x", "other": 1}))
    assert json.loads(item.body) == {"id": {"S": "p"}, "raw": {"B": "eA=="}}
    with pytest.raises(InvalidInputError, match="mapping: has no id"):
        into_target({"mapping": {"name": "x"}}, ID, deletes=False)


def test_marker_is_importable_beside_the_transforms() -> None:
    import transforms

    assert transforms.DELETE is DELETE
    assert "transforms" in sys.modules
