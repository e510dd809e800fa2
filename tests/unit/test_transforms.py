"""The user's own transforms: found by name, and what may come out of them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sluice.dynamodb.keys import KeySchema
from sluice.errors import InvalidInputError
from sluice.mapping.encoders import encoder_for
from sluice.mapping.transforms import TransformedRows, load_transform
from sluice.rejects import Reason
from tests.unit.plain_items import ID_SCHEMA, one_item, plain, rejected, schema_of

AIRPORT_COLUMNS = ["icao", "iata", "name", "city", "subd", "country", "elevation", "lat", "lon", "tz", "lid"]
AIRPORT_SCHEMA = schema_of(country="S", icao="S")
AIRPORT = ["KJFK", "JFK", "John F Kennedy", "New York", "", "US", "13", "40.639801", "-73.7789", "", "JFK"]

MODULES = {
    "good.py": "def transform(record):\n    return record\n",
    "nothing.py": "",
    "constant.py": "transform = 5\n",
    "broken.py": "raise RuntimeError('no such thing')\n",
    "generator.py": "def transform(record):\n    yield record\n",
    "later.py": "async def transform(record):\n    return record\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Iterator[ModuleType]:
    folder = tmp_path / "transforms_under_test"
    folder.mkdir()
    for name, source in {"__init__.py": "", **MODULES}.items():
        (folder / name).write_text(source)
    sys.path.insert(0, str(tmp_path))
    try:
        yield importlib.import_module("transforms_under_test")
    finally:
        sys.path.remove(str(tmp_path))
        for name in [name for name in sys.modules if name.startswith("transforms_under_test")]:
            del sys.modules[name]


def test_a_transform_is_found_by_name(package: ModuleType) -> None:
    assert load_transform("good", package)({"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("missing", "there are broken, constant, generator, good, later, nothing"),
        ("../good", "there is no transform"),
        ("good.py", "there is no transform"),
        ("", "there is no transform"),
        (5, "there is no transform"),
        ("nothing", "has no function named transform"),
        ("constant", "has no function named transform"),
        ("broken", "cannot be imported: RuntimeError: no such thing"),
        ("generator", "must return its items"),
        ("later", "must return its items"),
    ],
)
def test_a_transform_that_cannot_run_is_refused(package: ModuleType, name: Any, problem: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        load_transform(name, package)
    assert caught.value.field == "transform"
    assert problem in str(caught.value)


def encoder(result: Any, schema: KeySchema = ID_SCHEMA) -> TransformedRows:
    return TransformedRows(lambda _record: result, ["id"], schema)


def test_a_transform_gets_the_row_by_column_name() -> None:
    encode = TransformedRows(lambda record: {"id": "k", "got": record}, ["a", "b"], ID_SCHEMA)
    assert plain(one_item(encode, ["1", ""]).body) == {"id": "k", "got": {"a": "1", "b": ""}}
    assert plain(one_item(encode, {"a": "1"}).body) == {"id": "k", "got": {"a": "1"}}


def test_none_and_no_items_skip_the_row() -> None:
    assert encoder(None)(["k"]) == ()
    assert encoder([])(["k"]) == ()


@pytest.mark.parametrize("kind", [list, tuple])
def test_several_items_keep_their_order(kind: type) -> None:
    items = encoder(kind([{"id": "b"}, {"id": "a"}]))(["k"])
    assert [item.key for item in items] == [("b",), ("a",)]


def test_a_transform_that_changes_its_record_leaves_the_row_alone() -> None:
    row = {"id": "k", "extra": 1}
    encode = TransformedRows(lambda record: {"id": record.pop("id")}, None, ID_SCHEMA)
    assert one_item(encode, row).key == ("k",)
    assert row == {"id": "k", "extra": 1}


def test_what_a_transform_raises_rejects_the_row_by_class_and_message() -> None:
    def transform(record: dict[str, Any]) -> Any:
        return {"id": record["missing"]}

    error = rejected(TransformedRows(transform, ["id"], ID_SCHEMA), ["k"])
    assert error.reason == Reason.TRANSFORM_FAILED
    assert str(error) == "KeyError: 'missing'"


def test_a_long_message_is_cut() -> None:
    def transform(_record: dict[str, Any]) -> Any:
        raise ValueError("x" * 10_000)

    assert len(str(rejected(TransformedRows(transform, ["id"], ID_SCHEMA), ["k"]))) == 500


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (5, Reason.VALUE_UNSUPPORTED),
        ("item", Reason.VALUE_UNSUPPORTED),
        ([{"id": "a"}, None], Reason.VALUE_UNSUPPORTED),
        ({"id": "a", "x": object()}, Reason.VALUE_UNSUPPORTED),
        ({"id": "a", "x": set()}, Reason.SET_EMPTY),
        ({"x": "a"}, Reason.KEY_MISSING),
        ({"id": ""}, Reason.KEY_EMPTY),
        ({"id": b"a"}, Reason.KEY_TYPE_MISMATCH),
        ({"id": "x" * 2049}, Reason.KEY_TOO_LONG),
    ],
)
def test_what_is_no_item_of_the_table_rejects_the_row(result: Any, reason: str) -> None:
    assert rejected(encoder(result), ["k"]).reason == reason


def test_a_row_with_another_number_of_cells_is_ragged() -> None:
    assert rejected(encoder({"id": "a"}), ["k", "more"]).reason == Reason.ROW_RAGGED


@pytest.mark.parametrize(
    ("kind", "one", "other"), [("N", 1, Decimal("1.00")), ("N", 1.5, Decimal("1.5")), ("B", b"a", b"a")]
)
def test_keys_are_one_key_by_value(kind: str, one: Any, other: Any) -> None:
    schema = schema_of(id=kind)
    assert one_item(encoder({"id": one}, schema), ["k"]).key == one_item(encoder({"id": other}, schema), ["k"]).key


def test_the_worked_example_files_airports_under_their_country() -> None:
    encode = encoder_for({"transform": "airports_by_country"}, AIRPORT_COLUMNS, AIRPORT_SCHEMA)
    item = one_item(encode, AIRPORT)
    assert item.key == ("US", "KJFK")
    assert plain(item.body) == {
        "country": "US",
        "icao": "KJFK",
        "name": "John F Kennedy",
        "city": "New York",
        "elevationFeet": Decimal(13),
        "latitude": Decimal("40.639801"),
        "longitude": Decimal("-73.7789"),
        "codes": {"KJFK", "JFK"},
    }


def test_the_worked_example_skips_an_airport_without_a_country() -> None:
    encode = encoder_for({"transform": "airports_by_country"}, AIRPORT_COLUMNS, AIRPORT_SCHEMA)
    assert encode([*AIRPORT[:5], "", *AIRPORT[6:]]) == ()


def test_an_unknown_transform_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidInputError, match=r"there are .*airports_by_country"):
        encoder_for({"transform": "airports"}, AIRPORT_COLUMNS, AIRPORT_SCHEMA)
