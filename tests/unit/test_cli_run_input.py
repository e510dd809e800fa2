import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_cli.exit_code import BadInputError
from sluice_cli.run_input import Setting, apply_settings, fill_placeholders, parse_setting, read_input

names = st.text(st.characters(exclude_characters=".=", codec="utf-8"), min_size=1)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def value_at(document: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document


def paths_of(document: Any, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(document, dict):
        inner = [((*prefix, name), value) for name, value in document.items()]
    elif isinstance(document, list):
        inner = [((*prefix, str(index)), value) for index, value in enumerate(document)]
    else:
        return []
    return [path for path, _ in inner] + [deep for path, value in inner for deep in paths_of(value, path)]


@given(st.lists(names, min_size=1, max_size=4), json_values)
def test_parse_setting_returns_the_json_value_that_was_written(path: list[str], value: Any) -> None:
    assert parse_setting(f"{'.'.join(path)}={json.dumps(value)}") == Setting(tuple(path), value)


@given(st.dictionaries(names, json_values, min_size=1), json_values, st.data())
def test_a_setting_changes_its_own_path_and_nothing_else(
    document: dict[str, Any], value: Any, data: st.DataObject
) -> None:
    before = json.dumps(document)
    path = data.draw(st.sampled_from(paths_of(document)))

    changed = apply_settings(document, [Setting(path, value)])

    assert value_at(changed, path) == value
    for other in paths_of(document):
        if other[: len(path)] != path and path[: len(other)] != other:
            assert value_at(changed, other) == value_at(document, other)
    assert json.dumps(document) == before


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=;", ";"),
        ("a=1", 1),
        ("a=01", "01"),
        ("a=true", True),
        ("a=True", "True"),
        ("a=null", None),
        ('a="1"', "1"),
        ("a=", ""),
        ("a=b=c", "b=c"),
        ("a=NaN", "NaN"),
        ('a={"count": 5}', {"count": 5}),
    ],
)
def test_a_value_is_json_when_it_parses_else_text(text: str, value: Any) -> None:
    assert parse_setting(text) == Setting(("a",), value)


@pytest.mark.parametrize("text", ["", "a", "=1", "a..b=1", ".a=1", "a.=1"])
def test_a_setting_without_a_path_is_bad_input(text: str) -> None:
    with pytest.raises(BadInputError, match="--set"):
        parse_setting(text)


def test_a_setting_creates_missing_objects() -> None:
    assert apply_settings({"a": None}, [Setting(("a", "b", "c"), 1)]) == {"a": {"b": {"c": 1}}}


def test_settings_apply_in_order() -> None:
    settings = [Setting(("a",), {"b": 1}), Setting(("a", "b"), 2)]

    assert apply_settings({}, settings) == {"a": {"b": 2}}


def test_a_setting_goes_into_list_elements() -> None:
    assert apply_settings({"a": [{"b": 1}, {"b": 2}]}, [Setting(("a", "1", "b"), 3)]) == {"a": [{"b": 1}, {"b": 3}]}


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        (("list", "2"), "2 is not an index of a list of 2"),
        (("list", "-1"), "-1 is not an index"),
        (("list", "x"), "x is not an index"),
        (("list", "²"), "is not an index"),
        (("text", "x"), "x is inside a value that is not an object"),
    ],
)
def test_a_setting_that_leads_nowhere_is_bad_input(path: tuple[str, ...], problem: str) -> None:
    with pytest.raises(BadInputError, match=problem):
        apply_settings({"list": [1, 2], "text": "y"}, [Setting(path, 0)])


def test_placeholders_become_outputs_wherever_a_string_is() -> None:
    document = {"source": {"bucket": "${DataBucket}"}, "uris": ["s3://${DataBucket}/${Prefix}/x", 7, None]}

    filled = fill_placeholders(document, {"DataBucket": "data", "Prefix": "in"})

    assert filled == {"source": {"bucket": "data"}, "uris": ["s3://data/in/x", 7, None]}


def test_an_unknown_placeholder_is_bad_input_that_names_it_and_what_there_is() -> None:
    with pytest.raises(BadInputError, match=r"\$\{Bucket\}.*DataBucket, Other"):
        fill_placeholders({"bucket": "${Bucket}"}, {"Other": "x", "DataBucket": "data"})


def test_a_doubled_dollar_stands_for_the_text_itself() -> None:
    assert fill_placeholders("$${price} of {price}", {}) == "${price} of {price}"


def test_an_outputs_value_is_left_as_it_is() -> None:
    assert fill_placeholders("${A}", {"A": "${B}"}) == "${B}"


def test_input_comes_from_a_file_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_bytes(b'\xef\xbb\xbf{"a": "\xc3\xa9"}')

    assert read_input(str(file), io.StringIO()) == {"a": "é"}


def test_input_comes_from_stdin_for_a_dash() -> None:
    assert read_input("-", io.StringIO('{"a": 1}')) == {"a": 1}


@pytest.mark.parametrize("text", ["", "{", "[1]", "1", '{"a": NaN}', '{"a": 1} x'])
def test_input_that_is_no_json_object_is_bad_input(text: str) -> None:
    with pytest.raises(BadInputError):
        read_input("-", io.StringIO(text))


def test_a_file_that_cannot_be_read_is_bad_input_that_names_it(tmp_path: Path) -> None:
    latin = tmp_path / "latin.json"
    latin.write_bytes(b'{"a": "\xe9"}')

    for file in (latin, tmp_path / "missing.json", tmp_path):
        with pytest.raises(BadInputError, match=file.name):
            read_input(str(file), io.StringIO())


def test_schema_for_editors_is_no_field_of_the_input() -> None:
    assert read_input("-", io.StringIO('{"$schema": "../schemas/csv_load.json", "table": "orders"}')) == {
        "table": "orders"
    }
