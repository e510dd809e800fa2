"""Templates: nested members, a row's number, object and UUID, dates, decimal commas, and keys that are not empty."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import InvalidInputError
from sluice.mapping.encoders import SourceEncoder, encoder_for
from sluice.mapping.row_identity import RowIdentity
from sluice.mapping.transforms import TransformedRows
from sluice.rejects import Reason
from tests.unit.plain_items import ID_SCHEMA, mapping_encoder, one_item, plain, rejected, schema_of
from tests.unit.test_typed_columns import INDEXED
from transforms import SourceRow


def identified(mapping: dict[str, Any], columns: list[str] | None, run: str = "run") -> SourceEncoder:
    encode = encoder_for({"mapping": mapping}, columns, ID_SCHEMA, has_identity=True)
    encode.identity = RowIdentity(run, "input/a.csv")
    return encode


def number_of(cell: str, **modifiers: Any) -> Any:
    encode = mapping_encoder({"id": "{id}", "n": {"N": "{n}", **modifiers}}, ["id", "n"])
    return plain(one_item(encode, ["k", cell]).body)["n"]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"id": "k", "a": {"b": {"c": 5}}}, "5"),
        ({"id": "k", "a.b.c": 7}, "7"),
        ({"id": "k", "a.b.c": 7, "a": {"b": {"c": 5}}}, "7"),
        ({"id": "k", "a": {"b": {"c": "x"}}}, "x"),
        ({"id": "k", "a": {"b": {"c": None}}}, None),
        ({"id": "k", "a": {"b": [1]}}, None),
        ({"id": "k", "a": "text"}, None),
        ({"id": "k"}, None),
    ],
)
def test_a_path_takes_a_nested_member_unless_a_field_has_that_name(record: dict[str, Any], expected: Any) -> None:
    encode = mapping_encoder({"id": "{id}", "c": {"S": "{a.b.c}", "omitEmpty": True}}, None)
    assert plain(one_item(encode, record).body).get("c") == expected


def test_a_missing_nested_member_is_named() -> None:
    encode = mapping_encoder({"id": "{id}", "c": "{a.b}"}, None)
    error = rejected(encode, {"id": "k", "a": {}})
    assert error.reason == Reason.COLUMN_MISSING
    assert "'a.b'" in str(error)


def test_nested_objects_become_maps() -> None:
    encode = mapping_encoder({"id": "{a.id}", "m": {"M": "{a.m}"}}, None)
    assert plain(one_item(encode, {"a": {"id": "k", "m": {"x": 1}}}).body) == {"id": "k", "m": {"x": 1}}


def test_a_dotted_column_of_a_header_is_taken_by_its_exact_name() -> None:
    encode = mapping_encoder({"id": "{a.b}"}, ["a.b"])
    assert one_item(encode, ["k"]).key == ("k",)
    with pytest.raises(InvalidInputError, match=r'no column "a\.c"'):
        mapping_encoder({"id": "{a.c}"}, ["a.b"])


@pytest.mark.parametrize("columns", [["name"], None])
def test_a_row_has_a_number_an_object_and_a_uuid(columns: list[str] | None) -> None:
    encode = identified({"id": "{$uuid}", "r": {"N": "{$row}"}, "o": "{$object}", "x": "{name}"}, columns)
    row: Any = ["x"] if columns else {"name": "x"}
    (item,), (again,), (other,) = encode(row, 7), encode(row, 7), encode(row, 8)
    assert item == again != other
    assert plain(item.body) | {"id": ""} == {"id": "", "r": 7, "o": "input/a.csv", "x": "x"}
    assert UUID(item.key[0]).version == 5
    assert str(UUID(item.key[0])) == item.key[0]
    assert encode.unseen == set()


@given(st.sets(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["c", "d"]), st.integers(1, 10**12))))
def test_uuids_differ_by_run_object_and_row(rows: set[tuple[str, str, int]]) -> None:
    assert len({RowIdentity(run, name).uuid(number) for run, name, number in rows}) == len(rows)


def test_a_column_comes_before_the_rows_identity() -> None:
    assert one_item(identified({"id": "{$row}"}, ["$row"]), ["k"]).key == ("k",)


def test_rows_without_an_identity_have_fields_of_such_names() -> None:
    assert one_item(mapping_encoder({"id": "{$row}"}, None), {"$row": "k"}).key == ("k",)


def test_a_transform_gets_the_row() -> None:
    def transform(record: dict[str, Any], row: SourceRow) -> dict[str, Any]:
        return {"id": row.uuid, "number": row.number, "object": row.object, **record}

    encode = TransformedRows(transform, ["x"], ID_SCHEMA)
    encode.identity = RowIdentity("run", "a.csv")
    (item,) = encode(["y"], 3)
    uuid = RowIdentity("run", "a.csv").uuid(3)
    assert plain(item.body) == {"id": uuid, "number": 3, "object": "a.csv", "x": "y"}


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("iso8601", "2026-12-31T00:00:00Z", "1798675200"),
        ("iso8601", "2026-12-31", "1798675200"),
        ("iso8601", "2026-12-31T00:00:00", "1798675200"),
        ("iso8601", "2026-12-31 01:00:00+01:00", "1798675200"),
        ("iso8601", "20261231T000000Z", "1798675200"),
        ("iso8601", "2026-12-31T00:00:00.250Z", "1798675200.25"),
        ("iso8601", "1969-12-31T23:59:59.5Z", "-0.5"),
        ("iso8601", "0001-01-01", "-62135596800"),
        ("%Y-%m-%d", "2026-12-31", "1798675200"),
        ("%d.%m.%Y %H:%M", "31.12.2026 00:30", "1798677000"),
        ("%d/%b/%Y:%H:%M:%S %z", "31/Dec/2026:02:00:00 +0200", "1798675200"),
        ("%m/%d/%y", "12/31/26", "1798675200"),
        ("%Y%%%m%d", "2026%1231", "1798675200"),
    ],
)
def test_a_date_is_seconds_since_1970(form: str, text: str, expected: str) -> None:
    assert number_of(text, date=form) == Decimal(expected)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("iso8601", "31.12.2026"),
        ("iso8601", "2026-02-30"),
        ("iso8601", ""),
        ("%Y-%m-%d", "2026-12-31T00:00:00"),
        ("%Y-%m-%d", " 2026-12-31"),
        ("%Y-%m-%d", ""),
    ],
)
def test_what_is_no_date_rejects_the_row(form: str, text: str) -> None:
    error = rejected(mapping_encoder({"id": "{id}", "n": {"N": "{n}", "date": form}}, ["id", "n"]), ["k", text])
    assert error.reason == Reason.DATE_INVALID
    assert str(error).startswith("attribute n from 'n': ")


@given(st.datetimes(timezones=st.sampled_from([UTC])))
def test_every_instant_is_exact(instant: datetime) -> None:
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    expected = Decimal(since.days * 86_400 + since.seconds) + Decimal(since.microseconds).scaleb(-6)
    assert number_of(instant.isoformat(), date="iso8601") == expected


@pytest.mark.parametrize(
    ("decimal", "group", "text", "expected"),
    [
        (",", ".", "1.234,56", "1234.56"),
        (",", ".", "1234,56", "1234.56"),
        (",", ".", "1.234", "1234"),
        (",", ".", "-1.234.567,8", "-1234567.8"),
        (",", None, "19,90", "19.90"),
        (",", None, "1,5e3", "1500"),
        (None, ",", "19,582", "19582"),
        (None, ",", "1,234,567.89", "1234567.89"),
        (None, ",", "12,34,567", "1234567"),
        (None, "'", "1'234.5", "1234.5"),
        (None, " ", "1 234", "1234"),
        (None, ".", None, None),
        (",", ".", "1,234.56", None),
        (",", ".", "1.23,4", None),
        (",", ".", "1.2345", None),
        (",", ".", ".234", None),
        (",", None, "1.5", None),
        (None, ",", "1,23", None),
        (None, ",", "1234,567", None),
        (None, ",", "", None),
        (None, ",", "$5", None),
        (None, ",", "\uff11\uff12", None),
    ],
)
def test_a_number_with_other_separators_is_read_or_rejected(
    decimal: str | None, group: str | None, text: str | None, expected: str | None
) -> None:
    modifiers = {name: mark for name, mark in (("decimal", decimal), ("group", group)) if mark}
    if text is None:
        with pytest.raises(InvalidInputError, match="as the decimal separator is"):
            number_of("1", **modifiers)
    elif expected is None:
        encode = mapping_encoder({"id": "{id}", "n": {"N": "{n}", **modifiers}}, ["id", "n"])
        assert rejected(encode, ["k", text]).reason == Reason.NUMBER_INVALID
    else:
        assert number_of(text, **modifiers) == Decimal(expected)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=3))
def test_any_formatted_number_is_read_exactly(number: Decimal) -> None:
    german = f"{number:,}".translate({ord(","): ".", ord("."): ","})
    assert number_of(german, decimal=",", group=".") == number
    assert number_of(f"{number:,}", group=",") == number


@pytest.mark.parametrize(
    ("modifiers", "field", "problem"),
    [
        ({"date": "%H:%M"}, "mapping.n.date", "has no year"),
        ({"date": "%Y-%Q"}, "mapping.n.date", "not a format that Python's strptime reads"),
        ({"date": ""}, "mapping.n.date", "must be"),
        ({"date": 5}, "mapping.n.date", "must be"),
        ({"date": "iso8601", "decimal": ","}, "mapping.n.date", "cannot be combined with decimal"),
        ({"decimal": ",,"}, "mapping.n.decimal", "must be one character"),
        ({"decimal": "1"}, "mapping.n.decimal", "neither a digit"),
        ({"group": "-"}, "mapping.n.group", "neither a digit"),
        ({"decimal": ",", "group": ","}, "mapping.n.group", "as the decimal separator is"),
        ({"allowEmpty": "yes"}, "mapping.n.allowEmpty", "must be true or false"),
    ],
)
def test_modifiers_that_cannot_work_are_refused(modifiers: dict[str, Any], field: str, problem: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        number_of("1", **modifiers)
    assert caught.value.field == field
    assert problem in str(caught.value)


def test_a_date_can_be_a_key() -> None:
    encode = mapping_encoder(
        {"id": "{id}", "at": {"N": "{day}", "date": "iso8601"}}, ["id", "day"], schema_of(id="S", at="N")
    )
    assert one_item(encode, ["k", "2026-12-31"]).key == one_item(encode, ["k", "2026-12-31T00:00:00Z"]).key
    assert rejected(encode, ["k", ""]).reason == Reason.DATE_INVALID


@pytest.mark.parametrize("columns", [["a", "b"], None])
@pytest.mark.parametrize("row", [("", "x"), ("x", ""), ("", "")])
def test_a_key_of_an_empty_column_rejects_the_row_unless_it_is_allowed(
    columns: list[str] | None, row: tuple[str, str]
) -> None:
    cells: Any = list(row) if columns else {"a": row[0], "b": row[1]}
    error = rejected(mapping_encoder({"id": "U#{a}#{b}"}, columns), cells)
    assert error.reason == Reason.KEY_EMPTY
    assert "allowEmpty" in str(error)
    allowed = mapping_encoder({"id": {"S": "U#{a}#{b}", "allowEmpty": True}}, columns)
    assert one_item(allowed, cells).key == (f"U#{row[0]}#{row[1]}",)


def test_a_key_of_an_index_made_of_an_empty_column_rejects_the_row_or_is_left_out() -> None:
    mapping: dict[str, Any] = {"id": "{id}", "name": "N#{name}"}
    encode = encoder_for({"mapping": mapping}, ["id", "name"], INDEXED)
    assert rejected(encode, ["k", ""]).reason == Reason.KEY_EMPTY
    mapping["name"] = {"S": "N#{name}", "omitEmpty": True}
    encode = encoder_for({"mapping": mapping}, ["id", "name"], INDEXED)
    assert plain(one_item(encode, ["k", ""]).body) == {"id": "k"}
