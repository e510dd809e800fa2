"""What the steps of a run exchange is read as it was written, and a wrong field is named by its path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Any, ClassVar, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import FormatVersionError, InvalidInputError
from sluice.state import FIELD, FORMAT, Inline, Named, State, VersionedState


class Color(StrEnum):
    RED = "red"
    DARK_BLUE = "darkBlue"


class Pair(NamedTuple):
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Inner(State):
    first_row: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Beside(State):
    rows_read: int = 0


@dataclass(frozen=True, slots=True)
class Whole(VersionedState):
    what: ClassVar = "the whole"

    text: str
    share: float
    is_done: Annotated[bool, Named("done")]
    color: Color | None
    pairs: tuple[Pair, ...]
    inner: Inner
    inners: tuple[Inner, ...]
    beside: Annotated[Beside, Inline]
    reasons: Counter[str] = field(default_factory=Counter)
    missing: frozenset[str] = frozenset()
    free: Mapping[str, Any] | None = None


WHOLE = Whole(
    text="a",
    share=0.5,
    is_done=True,
    color=Color.DARK_BLUE,
    pairs=(Pair(1, 2.5),),
    inner=Inner(7, ("x", "y")),
    inners=(Inner(1),),
    beside=Beside(3),
    reasons=Counter({"RowRagged": 2}),
    missing=frozenset({"b", "a"}),
    free={"any": [1, {"thing": None}]},
)
STATE = {
    FIELD: FORMAT,
    "text": "a",
    "share": 0.5,
    "done": True,
    "color": "darkBlue",
    "pairs": [[1, 2.5]],
    "inner": {"firstRow": 7, "names": ["x", "y"]},
    "inners": [{"firstRow": 1, "names": []}],
    "rowsRead": 3,
    "reasons": {"RowRagged": 2},
    "missing": ["a", "b"],
    "free": {"any": [1, {"thing": None}]},
}


def test_state_has_camel_case_names_and_json_values() -> None:
    assert WHOLE.to_state() == STATE


def test_state_is_read_as_it_was_written() -> None:
    assert Whole.from_state(STATE) == WHOLE


def test_field_with_a_default_may_be_missing() -> None:
    old = {name: value for name, value in STATE.items() if name not in ("reasons", "missing", "free")}
    assert Whole.from_state(old) == replace(WHOLE, reasons=Counter(), missing=frozenset(), free=None)


@given(st.builds(Inner, st.integers(), st.lists(st.text()).map(tuple)))
def test_any_value_is_read_as_it_was_written(inner: Inner) -> None:
    assert Inner.from_state(inner.to_state()) == inner


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"text": 1}, "text: must be a string, not a number"),
        ({"share": "x"}, "share: must be a number, not a string"),
        ({"share": True}, "share: must be a number, not a boolean"),
        ({"done": 1}, "done: must be true or false, not a number"),
        ({"inner": {"firstRow": 1.5, "names": []}}, "inner.firstRow: must be a whole number, not a number"),
        ({"inner": {"names": []}}, "inner.firstRow: is missing"),
        ({"inners": [{"firstRow": 1, "names": [2]}]}, r"inners\[0\].names\[0\]: must be a string, not a number"),
        ({"inners": {}}, "inners: must be a list, not an object"),
        ({"reasons": []}, "reasons: must be an object, not a list"),
        ({"reasons": {"a": "b"}}, "reasons.a: must be a whole number, not a string"),
        ({"inner": None}, "inner: must be an object, not null"),
    ],
)
def test_wrong_field_is_named_by_its_path(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{problem}$"):
        Whole.from_state(STATE | change)


def test_state_of_another_format_is_refused_by_name() -> None:
    with pytest.raises(FormatVersionError, match=f"^the whole is in format {FORMAT + 1}, "):
        Whole.from_state(STATE | {FIELD: FORMAT + 1})


def test_enum_value_that_is_unknown_is_refused() -> None:
    with pytest.raises(ValueError, match="green"):
        Whole.from_state(STATE | {"color": "green"})
