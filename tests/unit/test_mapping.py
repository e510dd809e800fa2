"""A mapping that cannot work is refused before any row, by an error that names the exact place."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.dynamodb.keys import KeySchema
from sluice.errors import InvalidInputError
from sluice.mapping.encoders import encoder_for
from tests.unit.plain_items import ID_SCHEMA, schema_of

COLUMNS = ["id", "name", "lat", "tags"]


def refused(
    load: dict[str, Any], columns: list[str] | None = COLUMNS, schema: KeySchema = ID_SCHEMA
) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        encoder_for(load, columns, schema)
    return caught.value


def deep(levels: int) -> Any:
    value: Any = "{name}"
    for _ in range(levels - 1):
        value = {"L": [value]}
    return value


@pytest.mark.parametrize(
    ("value", "field", "problem"),
    [
        ({"N": "{latt}"}, "mapping.x.N", 'no column "latt"; it has id, name, lat, tags'),
        ("{nme}", "mapping.x.S", 'no column "nme"'),
        ("{name", "mapping.x.S", "an unmatched brace at character 1"),
        ("name}", "mapping.x.S", "an unmatched brace at character 5"),
        ("{a{b}}", "mapping.x.S", "an unmatched brace"),
        ({"S": 5}, "mapping.x.S", "must be a text"),
        ({"N": 5}, "mapping.x.N", "must be a text"),
        (5, "mapping.x", "must be a text"),
        (None, "mapping.x", "must be a text"),
        ({}, "mapping.x", "must have one type of S, N, B, BOOL, NULL, SS, NS, BS, M, L, and has none"),
        ({"X": "{name}"}, "mapping.x", "and has X"),
        ({"s": "{name}"}, "mapping.x", "and has s"),
        ({"S": "{name}", "N": "{lat}"}, "mapping.x", "and has S and N"),
        ({"omitEmpty": True}, "mapping.x", "and has none"),
        ({"S": "{name}", "omitEmpty": "yes"}, "mapping.x.omitEmpty", "must be true, false, or a list"),
        ({"S": "{name}", "omitEmpty": []}, "mapping.x.omitEmpty", "must be true, false, or a list"),
        ({"S": "{name}", "omitEmpty": [1]}, "mapping.x.omitEmpty", "must be true, false, or a list"),
        ({"S": "fixed", "omitEmpty": True}, "mapping.x.omitEmpty", "has no effect"),
        ({"S": "{name}", "separator": "|"}, "mapping.x.separator", "belongs to SS, NS, BS, not to S"),
        ({"N": "{lat}", "true": ["1"]}, "mapping.x.true", "belongs to BOOL, not to N"),
        ({"NULL": True, "omitEmpty": True}, "mapping.x.omitEmpty", "not to NULL"),
        ({"NULL": "{name}"}, "mapping.x.NULL", "must be true"),
        ({"NULL": False}, "mapping.x.NULL", "must be true"),
        ({"BOOL": 1}, "mapping.x.BOOL", "must be a text"),
        ({"BOOL": "yes"}, "mapping.x.BOOL", '"yes" is not one of the words "true", "false"'),
        ({"BOOL": "{name}", "true": ["y"]}, "mapping.x.false", "true and false are named together"),
        ({"BOOL": "{name}", "false": ["n"]}, "mapping.x.true", "true and false are named together"),
        ({"BOOL": "{name}", "true": "y", "false": ["n"]}, "mapping.x.true", "must be a list of words"),
        (
            {"BOOL": "{name}", "true": ["y"], "false": ["y"]},
            "mapping.x.false",
            "'y', which means true already",
        ),
        (
            {"BOOL": "{name}", "true": ["y"], "false": ["n", ""], "omitEmpty": True},
            "mapping.x.false",
            "'', which omitEmpty leaves out",
        ),
        ({"N": "abc"}, "mapping.x.N", '"abc" is not a number'),
        ({"N": "1e999"}, "mapping.x.N", "outside"),
        ({"B": "%"}, "mapping.x.B", '"%" is not base64'),
        ({"SS": "{tags}"}, "mapping.x.SS", "a list of texts, or one text with a separator"),
        ({"SS": []}, "mapping.x.SS", "a list of texts"),
        ({"SS": [5]}, "mapping.x.SS", "must be a text"),
        ({"SS": ["{tgs}"]}, "mapping.x.SS", 'no column "tgs"'),
        ({"NS": ["1", "x"]}, "mapping.x.NS", '"x" is not a number'),
        ({"SS": "{tags}", "separator": ""}, "mapping.x.separator", "must be a text, not empty"),
        ({"SS": "{tags}", "separator": None}, "mapping.x.separator", "must be a text, not empty"),
        ({"M": {"y": {"N": "{latt}"}}}, "mapping.x.M.y.N", 'no column "latt"'),
        ({"L": ["{name}", {"Q": 1}]}, "mapping.x.L.1", "and has Q"),
        ({"M": "{name}{lat}"}, "mapping.x.M", "takes its value from one column"),
        ({"L": 5}, "mapping.x.L", "must be a text"),
        ({"M": {}, "omitEmpty": True}, "mapping.x.omitEmpty", "has no effect"),
        ({"L": ["{name}"], "omitEmpty": ["NA"]}, "mapping.x.omitEmpty", "where the members are spelled out"),
    ],
)
def test_a_wrong_value_is_refused_by_its_path(value: Any, field: str, problem: str) -> None:
    error = refused({"mapping": {"id": "{id}", "x": value}})
    assert error.field == field
    assert problem in str(error)


@pytest.mark.parametrize(
    ("mapping", "schema", "field", "problem"),
    [
        ({"name": "{name}"}, ID_SCHEMA, "mapping", "has no id, which is a key attribute"),
        ({"id": "{id}"}, schema_of(id="S", at="N"), "mapping", "has no at"),
        ({"id": {"N": "{id}"}}, ID_SCHEMA, "mapping.id", "must be of type S"),
        ({"id": "{id}"}, schema_of(id="N"), "mapping.id", "must be of type N"),
        ({"id": {"BOOL": True}}, ID_SCHEMA, "mapping.id", "must be of type S"),
        ({"id": {"SS": ["{id}"]}}, ID_SCHEMA, "mapping.id", "must be of type S"),
        ({"id": {"S": "{id}", "omitEmpty": True}}, ID_SCHEMA, "mapping.id.omitEmpty", "cannot be left out"),
        ({"id": ""}, ID_SCHEMA, "mapping.id", "a key cannot be empty"),
        ({"id": "x" * 2049}, ID_SCHEMA, "mapping.id", "2049 bytes, DynamoDB accepts at most 2048"),
        ({"id": "{id}", "": "{name}"}, ID_SCHEMA, "mapping", "1 to 65535 bytes"),
        ({"id": "{id}", "x" * 65536: "{name}"}, ID_SCHEMA, "mapping", "1 to 65535 bytes"),
        ({}, ID_SCHEMA, "mapping", "must be an object"),
        (["{id}"], ID_SCHEMA, "mapping", "must be an object"),
    ],
)
def test_a_mapping_that_yields_no_item_of_the_table_is_refused(
    mapping: Any, schema: KeySchema, field: str, problem: str
) -> None:
    error = refused({"mapping": mapping}, schema=schema)
    assert error.field == field
    assert problem in str(error)


def test_a_long_header_is_listed_in_part() -> None:
    error = refused({"mapping": {"id": "{x}"}}, columns=[f"c{number}" for number in range(250)])
    assert "c99 and 150 more" in str(error)


def test_a_source_without_header_takes_any_field_name() -> None:
    encoder_for({"mapping": {"id": "{whatever}"}}, None, ID_SCHEMA)


def test_32_levels_are_taken_and_33_are_refused() -> None:
    encoder_for({"mapping": {"id": "{id}", "x": deep(32)}}, COLUMNS, ID_SCHEMA)
    assert "nested more than 32 levels" in str(refused({"mapping": {"id": "{id}", "x": deep(33)}}))


@pytest.mark.parametrize(
    "load",
    [{}, {"mapping": None}, {"mapping": {"id": "{id}"}, "keys": ["id"]}, {"transform": "x", "keys": ["id"]}],
)
def test_exactly_one_item_source_is_given(load: dict[str, Any]) -> None:
    error = refused(load)
    assert error.field == "mapping"
    assert "give one of mapping, transform, keys" in str(error)


@pytest.mark.parametrize("keys", [["name"], ["id", "name"], [], "id", [5], {"id": 1}])
def test_keys_are_the_tables_key_attributes(keys: Any) -> None:
    error = refused({"keys": keys})
    assert error.field == "keys"
    assert "must be the table's key attributes: id" in str(error)


@pytest.mark.parametrize(
    ("columns", "schema", "problem"),
    [
        (["name"], ID_SCHEMA, "the source has no column id; it has name"),
        (["id", "name", "name"], ID_SCHEMA, 'the column "name" more than once (columns 2 and 3)'),
    ],
)
def test_a_header_that_keys_cannot_load_is_refused(columns: list[str], schema: KeySchema, problem: str) -> None:
    error = refused({"keys": ["id"]}, columns, schema)
    assert error.field == "keys"
    assert problem in str(error)
