"""Rows to items: each type, what is left out, what is rejected and why."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.numbers import check_number
from sluice.errors import RejectError
from sluice.mapping.encoders import encoder_for
from sluice.rejects import Reason
from tests.unit.plain_items import ID_SCHEMA, mapping_encoder, one_item, plain, rejected, schema_of

JSON_NUMBER = Decimal("1.50")


def encoded(value: Any, cell: Any) -> Any:
    """What the attribute x of a mapping holds for one cell; None when it is left out."""
    encode = mapping_encoder({"id": "{id}", "x": value}, None if not isinstance(cell, str) else ["id", "c"])
    row = ["k", cell] if isinstance(cell, str) else {"id": "k", **cell}
    return json.loads(one_item(encode, row).body).get("x")


def rejection(value: Any, cell: Any) -> RejectError:
    encode = mapping_encoder({"id": "{id}", "x": value}, None if not isinstance(cell, str) else ["id", "c"])
    return rejected(encode, ["k", cell] if isinstance(cell, str) else {"id": "k", **cell})


@pytest.mark.parametrize(
    ("value", "cell", "expected"),
    [
        ("{c}", "a", {"S": "a"}),
        ("{c}", "", {"S": ""}),
        ("{c}", ' \\ "\t\r\n\x00\x7f é☃😀 ', {"S": ' \\ "\t\r\n\x00\x7f é☃😀 '}),
        ("<{c}, {c}>", "a", {"S": "<a, a>"}),
        ("{{{c}}}", "a", {"S": "{a}"}),
        ("{{c}}", "a", {"S": "{c}"}),
        ('100% "{c}" %s\n', "a%s", {"S": '100% "a%s" %s\n'}),
        ("", "a", {"S": ""}),
        ({"N": "{c}"}, "1.50", {"N": "1.50"}),
        ({"N": "{c}"}, "+1e3", {"N": "+1e3"}),
        ({"N": "-{c}"}, "5", {"N": "-5"}),
        ({"N": "7"}, "a", {"N": "7"}),
        ({"B": "{c}"}, "AAEC", {"B": "AAEC"}),
        ({"B": "{c}"}, "QR==", {"B": "QQ=="}),
        ({"BOOL": "{c}"}, "true", {"BOOL": True}),
        ({"BOOL": "{c}"}, "false", {"BOOL": False}),
        ({"BOOL": "{c}", "true": ["yes", "1"], "false": ["no", ""]}, "1", {"BOOL": True}),
        ({"BOOL": "{c}", "true": ["yes", "1"], "false": ["no", ""]}, "", {"BOOL": False}),
        ({"BOOL": True}, "a", {"BOOL": True}),
        ({"BOOL": False}, "a", {"BOOL": False}),
        ({"NULL": True}, "a", {"NULL": True}),
        ({"SS": ["{c}", "b", "{c}"]}, "a", {"SS": ["a", "b"]}),
        ({"SS": ["{c}", "b"]}, "", {"SS": ["", "b"]}),
        ({"SS": "{c}", "separator": "|"}, "a|b|a", {"SS": ["a", "b"]}),
        ({"SS": "{c}", "separator": ", "}, "a, b,c", {"SS": ["a", "b,c"]}),
        ({"SS": "{c}", "separator": "|"}, "a||b", {"SS": ["a", "", "b"]}),
        ({"NS": "{c}", "separator": " "}, "1 1.0 2e0 2", {"NS": ["1", "2e0"]}),
        ({"BS": "{c}", "separator": " "}, "QQ== QR==", {"BS": ["QQ=="]}),
        ({"M": {"a": "{c}", "%": {"N": "1"}}}, "x", {"M": {"a": {"S": "x"}, "%": {"N": "1"}}}),
        ({"M": {}}, "x", {"M": {}}),
        ({"L": ["{c}", {"L": [{"BOOL": True}]}]}, "x", {"L": [{"S": "x"}, {"L": [{"BOOL": True}]}]}),
        ({"L": []}, "x", {"L": []}),
        ({"M": "{c}"}, '{"a": [1.10, null]}', {"M": {"a": {"L": [{"N": "1.10"}, {"NULL": True}]}}}),
        ({"L": "{c}"}, '["a", true]', {"L": [{"S": "a"}, {"BOOL": True}]}),
    ],
)
def test_a_cell_is_written_as_the_mapping_says(value: Any, cell: str, expected: Any) -> None:
    assert encoded(value, cell) == expected


@pytest.mark.parametrize("cell", ["", "NA"])
@pytest.mark.parametrize(
    "value",
    [
        {"S": "{c}"},
        {"S": "{c}{c}"},
        {"S": "<{c}>"},
        {"N": "{c}"},
        {"N": "-{c}"},
        {"B": "{c}"},
        {"BOOL": "{c}"},
        {"SS": ["{c}"]},
        {"NS": "{c}", "separator": "|"},
        {"BS": "{c}", "separator": "|"},
        {"M": "{c}"},
        {"L": "{c}"},
    ],
)
def test_omit_empty_leaves_out_empty_cells_and_the_words_it_names(value: dict[str, Any], cell: str) -> None:
    assert encoded({**value, "omitEmpty": ["NA"]}, cell) is None
    assert encoded({**value, "omitEmpty": ["NA"]}, {"c": None}) is None
    assert encoded({**value, "omitEmpty": ["NA"]}, {}) is None
    assert encoded({**value, "omitEmpty": True}, "") is None


@pytest.mark.parametrize(
    ("value", "cell", "expected"),
    [
        ({"S": "{c}", "omitEmpty": True}, "a", {"S": "a"}),
        ({"S": "{c}", "omitEmpty": True}, "NA", {"S": "NA"}),
        ({"S": "{c}", "omitEmpty": False}, "", {"S": ""}),
        ({"S": "{id}{c}", "omitEmpty": True}, "", {"S": "k"}),
        ({"N": "{c}", "omitEmpty": ["NA"]}, "5", {"N": "5"}),
        ({"SS": ["{id}", "{c}", "x"], "omitEmpty": True}, "", {"SS": ["k", "x"]}),
        ({"NS": "{c}", "separator": "|", "omitEmpty": True}, "|1||2|", {"NS": ["1", "2"]}),
        ({"M": {"a": {"S": "{c}", "omitEmpty": True}, "b": "{id}"}}, "", {"M": {"b": {"S": "k"}}}),
        ({"M": {"a": {"S": "{c}", "omitEmpty": True}}}, "", {"M": {}}),
        ({"M": {"a": {"S": "{c}", "omitEmpty": True}}, "omitEmpty": True}, "", None),
        ({"L": [{"N": "{c}", "omitEmpty": True}, "{id}"]}, "", {"L": [{"S": "k"}]}),
        ({"L": [{"N": "{c}", "omitEmpty": True}], "omitEmpty": True}, "", None),
    ],
)
def test_what_is_there_is_kept_beside_what_is_left_out(value: Any, cell: str, expected: Any) -> None:
    assert encoded(value, cell) == expected


@pytest.mark.parametrize(
    ("value", "cell", "expected"),
    [
        ("{c}", "a", {"S": "a"}),
        ("{c}", 5, {"S": "5"}),
        ("{c}", JSON_NUMBER, {"S": "1.50"}),
        ("{c}", None, {"S": ""}),
        ("{id}-{c}", 5, {"S": "k-5"}),
        ({"N": "{c}"}, JSON_NUMBER, {"N": "1.50"}),
        ({"N": "{c}"}, 12, {"N": "12"}),
        ({"N": "{c}"}, "12", {"N": "12"}),
        ({"BOOL": "{c}"}, True, {"BOOL": True}),
        ({"BOOL": "{c}", "true": ["1"], "false": ["0"]}, False, {"BOOL": False}),
        ({"BOOL": "{c}", "true": ["1"], "false": ["0"]}, 1, {"BOOL": True}),
        ({"M": "{c}"}, {"a": [1, None]}, {"M": {"a": {"L": [{"N": "1"}, {"NULL": True}]}}}),
        ({"L": "{c}"}, ["a", False], {"L": [{"S": "a"}, {"BOOL": False}]}),
        ({"M": "{c}"}, '{"a": 1}', {"M": {"a": {"N": "1"}}}),
    ],
)
def test_a_json_value_is_written_as_the_mapping_says(value: Any, cell: Any, expected: Any) -> None:
    assert encoded(value, {"c": cell}) == expected


@pytest.mark.parametrize(
    ("value", "cell", "reason", "message"),
    [
        ({"N": "{c}"}, "", Reason.NUMBER_INVALID, "attribute x from 'c': \"\" is not a number"),
        (
            {"N": "{c}"},
            "x" * 99,
            Reason.NUMBER_INVALID,
            f"attribute x from 'c': \"{'x' * 40}...\" is not a number",
        ),
        ({"N": "{c}"}, "1e999", Reason.NUMBER_OUT_OF_RANGE, "attribute x from 'c': \"1e999\" is outside"),
        ({"N": "{c}"}, "1" * 39, Reason.NUMBER_TOO_PRECISE, "39 significant digits"),
        ({"B": "{c}"}, "", Reason.BINARY_INVALID, "attribute x from 'c': \"\" is not base64"),
        ({"B": "{c}"}, "QQ=", Reason.BINARY_INVALID, "attribute x from 'c': \"QQ=\" is not base64"),
        ({"B": "{c}"}, "QQ==\n", Reason.BINARY_INVALID, "is not base64"),
        ({"B": "{c}"}, "-_-_", Reason.BINARY_INVALID, "is not base64"),
        ({"BOOL": "{c}"}, "", Reason.BOOLEAN_UNKNOWN, '"" is not one of the words "true", "false"'),
        ({"BOOL": "{c}"}, "True", Reason.BOOLEAN_UNKNOWN, '"True" is not one of the words'),
        ({"BOOL": "{c}", "true": ["y"], "false": ["n"]}, "true", Reason.BOOLEAN_UNKNOWN, 'words "y", "n"'),
        ({"SS": "{c}", "separator": "|"}, "", Reason.SET_EMPTY, "attribute x from 'c': an empty set"),
        (
            {"NS": ["{c}", "{id}"]},
            "1",
            Reason.NUMBER_INVALID,
            "attribute x from 'c', 'id': \"k\" is not a number",
        ),
        (
            {"M": {"y": {"N": "{c}"}}},
            "?",
            Reason.NUMBER_INVALID,
            "attribute x.y from 'c': \"?\" is not a number",
        ),
        ({"L": [{"N": "{c}"}]}, "?", Reason.NUMBER_INVALID, "attribute x.0 from 'c'"),
        ({"M": "{c}"}, "", Reason.JSON_INVALID, "attribute x from 'c': \"\" is not JSON"),
        ({"M": "{c}"}, "[]", Reason.VALUE_UNSUPPORTED, 'a JSON object is needed, not "[]"'),
        ({"L": "{c}"}, "{}", Reason.VALUE_UNSUPPORTED, 'a JSON array is needed, not "{}"'),
        (
            {"L": "{c}"},
            "[" * 40 + "]" * 40,
            Reason.NESTING_TOO_DEEP,
            "attribute x from 'c': nested more than 32",
        ),
        ("{c}", {"c": True}, Reason.VALUE_UNSUPPORTED, "a text or a number is needed, not a boolean"),
        ("{c}", {"c": {}}, Reason.VALUE_UNSUPPORTED, "not an object"),
        ({"N": "{c}"}, {"c": []}, Reason.VALUE_UNSUPPORTED, "not an array"),
        ({"N": "{c}"}, {"c": None}, Reason.NUMBER_INVALID, '"" is not a number'),
        ({"M": "{c}"}, {"c": None}, Reason.VALUE_UNSUPPORTED, "a JSON object is needed, not null"),
        ({"L": "{c}"}, {"c": 5}, Reason.VALUE_UNSUPPORTED, "a JSON array is needed, not a number"),
        ("{c}", {}, Reason.COLUMN_MISSING, "attribute x from 'c': the record has no 'c'"),
        ("{id}{c}", {}, Reason.COLUMN_MISSING, "the record has no 'c'"),
        ({"BOOL": "{c}"}, {}, Reason.COLUMN_MISSING, "the record has no 'c'"),
        ({"SS": ["{c}"]}, {}, Reason.COLUMN_MISSING, "the record has no 'c'"),
        ({"M": "{c}"}, {}, Reason.COLUMN_MISSING, "the record has no 'c'"),
        ("{c}", {"c": "\ud800"}, Reason.TEXT_INVALID, "attribute x: half a surrogate pair"),
        ("{c}", "x" * 409_600, Reason.ITEM_TOO_LARGE, "the item has 409604 bytes"),
    ],
)
def test_a_cell_that_cannot_be_written_rejects_the_row(value: Any, cell: Any, reason: str, message: str) -> None:
    error = rejection(value, cell)
    assert error.reason == reason
    assert message in str(error)


def test_a_row_with_another_number_of_cells_is_ragged() -> None:
    encode = mapping_encoder({"id": "{id}"}, ["id", "c"])
    assert rejected(encode, ["k"]).reason == Reason.ROW_RAGGED
    assert rejected(encode, ["k", "a", "b"]).reason == Reason.ROW_RAGGED


def test_a_row_of_a_rejects_file_is_read_by_column_name() -> None:
    encode = mapping_encoder({"id": "{id}", "x": "{c}"}, ["id", "other", "c"])
    assert one_item(encode, {"c": "a", "id": "k"}) == one_item(encode, ["k", "", "a"])


def test_every_combination_of_empty_cells_leaves_out_just_those() -> None:
    columns = ["id", *(f"c{number}" for number in range(8))]
    encode = mapping_encoder({name: {"S": f"{{{name}}}", "omitEmpty": name != "id"} for name in columns}, columns)
    for number in range(256):
        cells = ["x" if number >> bit & 1 else "" for bit in range(8)]
        expected = {"id": "k", **{f"c{bit}": "x" for bit in range(8) if cells[bit]}}
        assert plain(one_item(encode, ["k", *cells]).body) == expected


@pytest.mark.parametrize(
    ("schema", "cell", "reason"),
    [
        (schema_of(id="S"), "", Reason.KEY_EMPTY),
        (schema_of(id="N"), "", Reason.KEY_EMPTY),
        (schema_of(id="B"), "", Reason.KEY_EMPTY),
        (schema_of(id="S"), "x" * 2049, Reason.KEY_TOO_LONG),
        (schema_of(id="S"), "é" * 1025, Reason.KEY_TOO_LONG),
        (schema_of(id="B"), base64.b64encode(bytes(2049)).decode(), Reason.KEY_TOO_LONG),
        (schema_of(id="N"), "one", Reason.NUMBER_INVALID),
        (schema_of(id="N"), "1e126", Reason.NUMBER_OUT_OF_RANGE),
        (schema_of(id="B"), "?", Reason.BINARY_INVALID),
    ],
)
def test_a_key_that_dynamodb_refuses_rejects_the_row(schema: KeySchema, cell: str, reason: str) -> None:
    encode = mapping_encoder({"id": {schema.partition.type: "{c}"}}, ["c"], schema)
    error = rejected(encode, [cell])
    assert error.reason == reason
    assert str(error).startswith("attribute id (a key) from 'c': ")


@pytest.mark.parametrize(("length", "is_taken"), [(1024, True), (1025, False)])
def test_a_sort_key_has_at_most_1024_bytes(length: int, is_taken: bool) -> None:
    encode = mapping_encoder({"id": "{id}", "at": "{c}"}, ["id", "c"], schema_of(id="S", at="S"))
    if is_taken:
        assert one_item(encode, ["k", "x" * length]).key == ("k", "x" * length)
    else:
        assert rejected(encode, ["k", "x" * length]).reason == Reason.KEY_TOO_LONG


@pytest.mark.parametrize("text", ["x" * 2048, "é" * 1024, "😀" * 512])
def test_a_partition_key_has_at_most_2048_bytes(text: str) -> None:
    assert one_item(mapping_encoder({"id": "{id}"}, ["id"]), [text]).key == (text,)


def test_a_key_of_several_columns_is_checked_as_a_whole() -> None:
    encode = mapping_encoder({"id": {"S": "{a}%{b}", "allowEmpty": True}}, ["a", "b"])
    assert one_item(encode, ["", ""]).key == ("%",)
    assert one_item(encode, ["1", "%s"]).key == ("1%%s",)
    assert one_item(encode, ["x" * 1500, "y" * 547]).key == ("x" * 1500 + "%" + "y" * 547,)
    assert rejected(encode, ["x" * 1500, "y" * 548]).reason == Reason.KEY_TOO_LONG


def test_a_constant_key_and_one_with_no_room_are_written() -> None:
    schema = schema_of(id="S", at="S")
    encode = mapping_encoder({"id": "fixed", "at": "x" * 1023 + "{c}"}, ["c"], schema)
    assert one_item(encode, ["y"]).key == ("fixed", "x" * 1023 + "y")
    assert rejected(encode, ["é"]).reason == Reason.KEY_TOO_LONG


keys_of_type = {
    "S": st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3),
    "N": st.sampled_from(["1", "1.0", "1e0", "+1", "01", "10e-1", "-1", "0", "-0", "0.0", "100", "1e2", "1e-2", ".01"]),
    "B": st.sampled_from(["QQ==", "QR==", "AAEC", "AAED", "QUE="]),
}
same_key: dict[str, Callable[[str, str], bool]] = {
    "S": lambda one, other: one == other,
    "N": lambda one, other: Decimal(one) == Decimal(other),
    "B": lambda one, other: base64.b64decode(one) == base64.b64decode(other),
}


@given(st.data(), st.sampled_from("SNB"), st.sampled_from("SNB"))
def test_keys_are_equal_exactly_when_dynamodb_sees_one_key(data: st.DataObject, pk: str, sk: str) -> None:
    encode = mapping_encoder({"p": {pk: "{p}"}, "s": {sk: "{s}"}}, ["p", "s"], schema_of(p=pk, s=sk))
    one, other = ([data.draw(keys_of_type[pk]), data.draw(keys_of_type[sk])] for _ in range(2))
    are_same = same_key[pk](one[0], other[0]) and same_key[sk](one[1], other[1])
    assert (one_item(encode, one).key == one_item(encode, other).key) is are_same


def number(cell: str) -> Decimal:
    check_number(cell)
    return Decimal(cell)


def boolean(cell: str) -> bool:
    if cell not in ("a", "1"):
        raise RejectError(Reason.BOOLEAN_UNKNOWN, cell)
    return cell == "a"


cells = st.sampled_from(
    ["", "a", "1", "-2.5", "1e3", "NA", 'q"', "back\\", "new\nline", "é", "😀", "%s", "{b}", "9" * 39]
)
specs: list[tuple[Any, Any]] = [
    ("{b}", lambda b, _c: b),
    ("{b}, {c}", lambda b, c: f"{b}, {c}"),
    ({"N": "{b}"}, lambda b, _c: number(b)),
    ({"BOOL": "{c}", "true": ["a"], "false": ["1"]}, lambda _b, c: boolean(c)),
    ({"SS": ["{b}", "{c}"]}, lambda b, c: {b, c}),
    ({"M": {"b": "{b}", "c": {"N": "{c}"}}}, lambda b, c: {"b": b, "c": number(c)}),
    ({"L": ["{c}", {"NULL": True}]}, lambda _b, c: [c, None]),
    ("constant", lambda _b, _c: "constant"),
    ({"S": "{b}", "omitEmpty": True}, lambda b, _c: b or ...),
    ({"N": "{c}", "omitEmpty": ["NA"]}, lambda _b, c: ... if c in ("", "NA") else number(c)),
    ({"S": "{b}", "omitEmpty": ["NA"]}, lambda b, _c: ... if b in ("", "NA") else b),
    ({"S": "{b}{c}", "omitEmpty": True}, lambda b, c: b + c or ...),
]


def expected_item(row: list[str], chosen: list[tuple[Any, Any]]) -> dict[str, Any] | None:
    try:
        values = {f"x{index}%": value_of(*row[1:]) for index, (_, value_of) in enumerate(chosen)}
    except RejectError:
        return None
    return {"id": row[0], **{name: value for name, value in values.items() if value is not ...}}


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(specs), max_size=6),
    st.lists(st.tuples(st.sampled_from(["k", 'k"', "é", "k\n"]), cells, cells).map(list), max_size=6),
)
@example([(specs[0])], [["k", "a", "a"]])
def test_rows_become_the_items_that_their_mapping_describes(
    chosen: list[tuple[Any, Any]], rows: list[list[str]]
) -> None:
    mapping = {"id": "{id}", **{f"x{index}%": spec for index, (spec, _) in enumerate(chosen)}}
    encode = mapping_encoder(mapping, ["id", "b", "c"])
    encode_records = mapping_encoder(mapping, None)
    for row in rows:
        record = dict(zip(("id", "b", "c"), row, strict=True))
        expected = expected_item(row, chosen)
        if expected is None:
            assert rejected(encode, row).reason == rejected(encode_records, record).reason
        else:
            item = one_item(encode, row)
            assert plain(item.body) == expected
            assert item.key == (row[0],)
            assert one_item(encode_records, record) == item


def test_keys_alone_load_every_column_as_text() -> None:
    encode = encoder_for({"keys": ["id"]}, ["id", "a{b}", "c"], ID_SCHEMA)
    assert plain(one_item(encode, ["k", "", "1"]).body) == {"id": "k", "a{b}": "", "c": "1"}
    assert rejected(encode, ["", "", ""]).reason == Reason.KEY_EMPTY


def test_keys_alone_load_json_by_its_own_types() -> None:
    encode = encoder_for({"keys": ["at", "id"]}, None, schema_of(id="S", at="N"))
    record = {"id": "k", "at": Decimal("1.0"), "a": None, "b": [1, {"c": "é"}], "d": True, "e": ""}
    item = one_item(encode, record)
    assert item.key == ("k", "1")
    assert plain(item.body) == record
    assert "é".encode() in item.body


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"at": 1}, Reason.KEY_MISSING),
        ({"id": "k"}, Reason.KEY_MISSING),
        ({"id": [5], "at": 1}, Reason.KEY_TYPE_MISMATCH),
        ({"id": "k", "at": "one"}, Reason.NUMBER_INVALID),
        ({"id": "k", "at": True}, Reason.KEY_TYPE_MISMATCH),
        ({"id": None, "at": 1}, Reason.KEY_TYPE_MISMATCH),
        ({"id": "", "at": 1}, Reason.KEY_EMPTY),
        ({"id": "k", "at": Decimal("1e999")}, Reason.NUMBER_OUT_OF_RANGE),
        ({"id": "k", "at": 1, "x": "\udc00"}, Reason.TEXT_INVALID),
        ({"id": "\udc00", "at": 1}, Reason.TEXT_INVALID),
        ({"id": "k", "at": 1, "": "x"}, Reason.VALUE_UNSUPPORTED),
        ({"id": "k", "at": 1, "x": "x" * 409_600}, Reason.ITEM_TOO_LARGE),
    ],
)
def test_a_json_record_that_is_no_item_of_the_table_is_rejected(record: dict[str, Any], reason: str) -> None:
    encode = encoder_for({"keys": ["id", "at"]}, None, schema_of(id="S", at="N"))
    assert rejected(encode, record).reason == reason
