"""With `keys` every column becomes an attribute: by `types`, `omitEmpty` and `rename`, and by the table's keys."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.dynamodb.keys import KeySchema
from sluice.errors import InvalidInputError
from sluice.mapping.encoders import SourceEncoder, encoder_for
from sluice.rejects import Reason
from tests.unit.plain_items import ID_SCHEMA, one_item, plain, rejected, schema_of

# A table with the key id, and indexes on at (N), name (S, a sort key) and photo (B).
INDEXED = KeySchema.with_indexes(
    {
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": kind}
            for name, kind in {"id": "S", "at": "N", "name": "S", "photo": "B"}.items()
        ],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [
            {"IndexName": "by_at", "KeySchema": [{"AttributeName": "at", "KeyType": "HASH"}]},
            {"IndexName": "by_photo", "KeySchema": [{"AttributeName": "photo", "KeyType": "HASH"}]},
        ],
        "LocalSecondaryIndexes": [
            {
                "IndexName": "by_name",
                "KeySchema": [
                    {"AttributeName": "id", "KeyType": "HASH"},
                    {"AttributeName": "name", "KeyType": "RANGE"},
                ],
            }
        ],
    }
)


def keys_encoder(columns: list[str] | None, schema: KeySchema = ID_SCHEMA, **options: Any) -> SourceEncoder:
    return encoder_for({"keys": [key.name for key in schema.attributes], **options}, columns, schema)


def item_of(columns: list[str], row: list[str], schema: KeySchema = ID_SCHEMA, **options: Any) -> dict[str, Any]:
    return plain(one_item(keys_encoder(columns, schema, **options), row).body)


def refused(columns: list[str] | None, schema: KeySchema = ID_SCHEMA, **options: Any) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        keys_encoder(columns, schema, **options)
    return caught.value


def test_keys_of_indexes_travel_in_state() -> None:
    read = KeySchema.from_state(INDEXED.to_state())
    assert (read, read.indexed) == (INDEXED, INDEXED.indexed)
    assert [(key.name, key.type, key.max_bytes, key.index) for key in read.indexed] == [
        ("at", "N", 2048, "by_at"),
        ("photo", "B", 2048, "by_photo"),
        ("name", "S", 1024, "by_name"),
    ]


def test_columns_have_the_types_that_are_given() -> None:
    types = {"price": "N", "open": "BOOL", "photo": "B", "tags": "L", "more": "M"}
    row = ["k", "19.90", "true", "QQ==", '["a"]', '{"x": 1}', "text"]
    assert item_of(["id", *types, "rest"], row, types=types) == {
        "id": "k",
        "price": Decimal("19.90"),
        "open": True,
        "photo": b"A",
        "tags": ["a"],
        "more": {"x": 1},
        "rest": "text",
    }


def test_a_star_types_the_rest_but_for_keys() -> None:
    columns, types = ["id", "a", "b", "name"], {"*": "N", "b": "S"}
    assert item_of(columns, ["1", "2", "3", "4"], INDEXED, types=types) == {"id": "1", "a": 2, "b": "3", "name": "4"}


def test_keys_of_the_table_and_of_indexes_have_its_types() -> None:
    schema = schema_of(id="N", at="B")
    encode = keys_encoder(["id", "at"], schema)
    assert one_item(encode, ["1.0", "QQ=="]).key == ("1", "QQ==")
    assert item_of(["id", "at", "photo"], ["k", "30", "QQ=="], INDEXED) == {"id": "k", "at": 30, "photo": b"A"}


@pytest.mark.parametrize(
    ("columns", "row", "reason", "message"),
    [
        (["id", "name"], ["k", ""], Reason.KEY_EMPTY, "omitEmpty leaves it out"),
        (["id", "at"], ["k", ""], Reason.KEY_EMPTY, "the key of index by_at"),
        (["id", "at"], ["k", "old"], Reason.NUMBER_INVALID, "attribute at (a key) from 'at'"),
        (["id", "photo"], ["k", ""], Reason.KEY_EMPTY, "the key of index by_photo"),
        (["id", "name"], ["k", "x" * 1025], Reason.KEY_TOO_LONG, "1025 bytes"),
        (["id", ""], ["k", "x"], Reason.COLUMN_UNNAMED, 'column 2 has no name, and the value "x"'),
        (["id", "", ""], ["k", "", "x"], Reason.COLUMN_UNNAMED, "column 3"),
    ],
)
def test_a_cell_that_no_attribute_can_hold_rejects_the_row(
    columns: list[str], row: list[str], reason: Reason, message: str
) -> None:
    error = rejected(keys_encoder(columns, INDEXED), row)
    assert error.reason == reason
    assert message in str(error)


def test_empty_cells_are_left_out() -> None:
    columns = ["id", "at", "name", "x", "n"]
    options = {"omitEmpty": True, "types": {"n": "N"}}
    assert item_of(columns, ["k", "", "", "", ""], INDEXED, **options) == {"id": "k"}
    assert item_of(columns, ["k", "1", "a", "b", "2"], INDEXED, **options) == {
        "id": "k",
        "at": 1,
        "name": "a",
        "x": "b",
        "n": 2,
    }
    assert rejected(keys_encoder(columns, INDEXED, **options), ["", "", "", "", ""]).reason == Reason.KEY_EMPTY


def test_an_empty_unnamed_column_is_dropped() -> None:
    assert item_of(["id", "x", ""], ["k", "y", ""]) == {"id": "k", "x": "y"}
    assert item_of(["id", ""], ["k", ""], omitEmpty=True) == {"id": "k"}


WORDS = ["NA", "0", "n.a.", "true", "line\nbreak"]
cells = st.sampled_from(
    ["", "NA", "NAN", "N", "0", "00", "10", "-", "true", "false", "n.a.", "nya.", 'q"', "line\nbreak"]
)


@given(st.lists(cells, min_size=4, max_size=4), st.lists(st.sampled_from(WORDS), min_size=1, unique=True))
def test_words_that_mean_empty_are_left_out_whatever_the_type(row: list[str], words: list[str]) -> None:
    options: dict[str, Any] = {"omitEmpty": words, "types": {"n": "N", "b": "BOOL"}}
    expected = {"id": row[0], "n": row[1], "b": row[2], "s": row[3]}
    kept = {name: cell for name, cell in expected.items() if name == "id" or cell not in ("", *words)}
    encode = keys_encoder(["id", "n", "b", "s"], **options)
    problems = {
        Reason.KEY_EMPTY: row[0] in ("", *words),
        Reason.NUMBER_INVALID: "n" in kept and not kept["n"].isdigit(),
        Reason.BOOLEAN_UNKNOWN: "b" in kept and kept["b"] not in ("true", "false"),
    }
    if any(problems.values()):
        assert problems[Reason(rejected(encode, row).reason)]
    else:
        item = plain(one_item(encode, row).body)
        assert item.keys() == kept.keys()
        assert {name: str(value).lower() for name, value in item.items()} == {
            name: str(int(cell)) if name == "n" else cell.lower() for name, cell in kept.items()
        }


def test_columns_are_renamed() -> None:
    schema = schema_of(pk="N")
    options = {"rename": {"id": "pk", "a": "b"}, "types": {"a": "BOOL"}}
    assert item_of(["id", "a", "c"], ["1", "true", "x"], schema, **options) == {"pk": 1, "b": True, "c": "x"}


@pytest.mark.parametrize(
    ("options", "field", "problem"),
    [
        ({"types": {"prize": "N"}}, "types.prize", 'the source has no column "prize"; it has id, name, at'),
        ({"types": {"name": "NUMBER"}}, "types.name", "must be one of S, N, B, BOOL, M, L, not NUMBER"),
        ({"types": {"name": ["N"]}}, "types.name", "must be one of"),
        ({"types": ["N"]}, "types", "must be an object"),
        ({"types": {"id": "N"}}, "types.id", "must be S, as the table's key is"),
        ({"types": {"at": "S"}}, "types.at", "must be N, as the key of index by_at is"),
        ({"types": {"name": "N"}}, "types.name", "must be S, as the key of index by_name is"),
        ({"omitEmpty": "yes"}, "omitEmpty", "must be true, false, or a list of words"),
        ({"omitEmpty": []}, "omitEmpty", "must be true, false, or a list of words"),
        ({"omitEmpty": [1]}, "omitEmpty", "must be true, false, or a list of words"),
        ({"rename": {"nme": "x"}}, "rename.nme", 'the source has no column "nme"'),
        ({"rename": {"name": "at"}}, "rename.name", 'is "at", which is a column too'),
        ({"rename": {"name": "x", "at": "x"}}, "rename.at", 'is "x", as rename.name is'),
        ({"rename": {"name": ""}}, "rename.name", "1 to 65535 bytes"),
        ({"rename": {"name": 5}}, "rename.name", "must be the name of an attribute"),
        ({"rename": ["name"]}, "rename", "must be an object"),
        ({"rename": {"id": "x"}}, "keys", "the source has no column id"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(options: dict[str, Any], field: str, problem: str) -> None:
    error = refused(["id", "name", "at"], INDEXED, **options)
    assert error.field == field
    assert problem in str(error)


def test_swapped_names_are_taken() -> None:
    assert item_of(["id", "a", "b"], ["k", "1", "2"], rename={"a": "b", "b": "a"}) == {"id": "k", "a": "2", "b": "1"}


@pytest.mark.parametrize(
    ("mapping", "field", "problem"),
    [
        ({"id": "{id}", "at": "{at}"}, "mapping.at", "must be of type N, as the key of index by_at is"),
        ({"id": "{id}", "name": {"N": "{at}"}}, "mapping.name", "must be of type S, as the key of index by_name is"),
        ({"id": "{id}", "name": {"NULL": True}}, "mapping.name", "must be of type S"),
        ({"id": "{id}", "name": ""}, "mapping.name", "the key of index by_name, which cannot be empty"),
        ({"id": "{id}", "x": {"S": "{at}", "allowEmpty": True}}, "mapping.x.allowEmpty", "belongs to key attributes"),
    ],
)
def test_a_mapping_that_an_index_cannot_take_is_refused(mapping: Any, field: str, problem: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        encoder_for({"mapping": mapping}, ["id", "at"], INDEXED)
    assert caught.value.field == field
    assert problem in str(caught.value)


def json_item(record: dict[str, Any], schema: KeySchema = ID_SCHEMA, **options: Any) -> dict[str, Any]:
    return plain(one_item(keys_encoder(None, schema, **options), record).body)


def test_json_records_take_types_too() -> None:
    record = {"id": 5, "at": "30", "x": "1.50", "y": 7, "z": None, "w": ""}
    assert json_item(record, INDEXED, types={"x": "N", "y": "S"}, omitEmpty=True) == {
        "id": "5",
        "at": 30,
        "x": Decimal("1.50"),
        "y": "7",
    }
    assert json_item({"id": "k", "a": 1}, rename={"a": "b"}) == {"id": "k", "b": 1}
    assert json_item({"a": "k"}, rename={"a": "id"}) == {"id": "k"}


@pytest.mark.parametrize(
    ("record", "options", "reason"),
    [
        ({"id": "k", "at": None}, {}, Reason.KEY_TYPE_MISMATCH),
        ({"id": "k", "name": ""}, {}, Reason.KEY_EMPTY),
        ({"id": "k", "name": True}, {}, Reason.KEY_TYPE_MISMATCH),
        ({"id": "NA"}, {"omitEmpty": ["NA"]}, Reason.KEY_EMPTY),
        ({"id": "k", "x": "y"}, {"types": {"*": "N"}}, Reason.NUMBER_INVALID),
        ({"id": "k", "x": [1]}, {"types": {"x": "S"}}, Reason.VALUE_UNSUPPORTED),
        ({"id": "k", "a": 1, "b": 2}, {"rename": {"a": "b"}}, Reason.VALUE_UNSUPPORTED),
    ],
)
def test_json_records_that_no_item_can_hold_are_rejected(
    record: dict[str, Any], options: dict[str, Any], reason: Reason
) -> None:
    assert rejected(keys_encoder(None, INDEXED, **options), record).reason == reason


def test_columns_that_no_record_has_are_known() -> None:
    encode = keys_encoder(None, ID_SCHEMA, types={"*": "S", "a": "N"}, rename={"b": "c"})
    assert encode.unseen == {"a", "b"}
    one_item(encode, {"id": "k", "a": 1})
    assert encode.unseen == {"b"}
