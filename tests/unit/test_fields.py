"""Wrong input is named by the path of its field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sluice.errors import InvalidInputError
from sluice.fields import Fields


def fields(**raw: Any) -> Fields:
    return Fields(raw, ("name", "other", "count"), "source")


def test_unknown_field_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(InvalidInputError, match=r"source\.naem: unknown field; did you mean name\?"):
        fields(naem=1)
    with pytest.raises(InvalidInputError, match=r"source\.zzz: unknown field; known are name, other, count"):
        fields(zzz=1)


@pytest.mark.parametrize("raw", [None, 5, "text", [1], True])
def test_what_is_no_object_is_named(raw: object) -> None:
    with pytest.raises(InvalidInputError, match="input: must be an object, not "):
        Fields(raw, ())


@pytest.mark.parametrize(
    ("read", "raw", "problem"),
    [
        (lambda each: each.text("name"), {}, "source.name: is required"),
        (lambda each: each.text("name"), {"name": None}, "source.name: is required"),
        (lambda each: each.text("name"), {"name": 5}, "source.name: must be a string, not a number"),
        (lambda each: each.text("name"), {"name": {}}, "source.name: must be a string, not an object"),
        (lambda each: each.text("name"), {"name": ""}, "source.name: must not be empty"),
        (
            lambda each: each.character("name", None),
            {"name": "ab"},
            "source.name: must be one character, not 2",
        ),
        (
            lambda each: each.choice("name", ("a", "b"), "a"),
            {"name": "c"},
            "source.name: must be one of a, b, not c",
        ),
        (
            lambda each: each.texts("name"),
            {"name": "a"},
            "source.name: must be a list of strings, not a string",
        ),
        (
            lambda each: each.texts("name"),
            {"name": ["a", 1]},
            r"source.name\[1\]: must be a string, not a number",
        ),
        (
            lambda each: each.number("count", 0, low=0, high=100),
            {"count": True},
            "must be a number, not a boolean",
        ),
        (
            lambda each: each.number("count", 0, low=0, high=100),
            {"count": 100.5},
            "must be from 0 to 100, not 100.5",
        ),
        (
            lambda each: each.integer("count", 0, low=1, high=9),
            {"count": 1.5},
            "must be a whole number, not 1.5",
        ),
        (
            lambda each: each.integer("count", 0, low=1, high=9),
            {"count": 10},
            "source.count: must be from 1 to 9",
        ),
        (lambda each: each.section("name", ("x",)), {"name": {"y": 1}}, r"source\.name\.y: unknown field"),
    ],
)
def test_wrong_value_is_named(read: Callable[[Fields], object], raw: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem):
        read(fields(**raw))


def test_absent_and_null_fields_take_the_default() -> None:
    each = fields(name=None)
    assert each.text_or("name", None) is None
    assert each.character("other", ",") == ","
    assert each.integer("count", 7, low=0, high=9) == 7
    assert each.is_null("name")
    assert not each.is_null("other")


def test_values_are_read() -> None:
    each = fields(name="é", other=["a"], count=5.0)
    assert (each.character("name", None), each.texts("other"), each.integer("count", 0, low=5, high=5)) == (
        "é",
        ("a",),
        5,
    )
