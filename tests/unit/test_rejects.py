"""Rejected rows as lines of the rejects file, and values as messages quote them."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import RejectError
from sluice.rejects import Reason, Reject, located, quoted, shortened


def test_a_line_holds_the_row_and_why_it_was_rejected() -> None:
    line = Reject(7, Reason.KEY_EMPTY, "a key cannot be empty", {"id": "", "name": "é"}, byte_offset=12).to_line()
    assert (
        line
        == (
            '{"row": 7, "error": "KeyEmpty", "message": "a key cannot be empty", "byteOffset": 12, '
            '"record": {"id": "", "name": "é"}}\n'
        ).encode()
    )


def test_half_a_surrogate_pair_is_escaped() -> None:
    line = Reject(1, Reason.TEXT_INVALID, "no UTF-8", {"id": "\ud800é"}).to_line()
    assert json.loads(line.decode())["record"] == {"id": "\ud800é"}


def test_what_json_lines_cannot_hold_is_an_error() -> None:
    with pytest.raises(TypeError, match="object cannot be written to a rejects file"):
        Reject(1, Reason.ROW_RAGGED, "", {"id": object()}).to_line()


def test_a_decimal_is_kept_in_full() -> None:
    assert b"1.50" in Reject(1, Reason.KEY_MISSING, "", {"n": Decimal("1.50")}).to_line()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", '"a"'),
        ('"\n', '"\\"\\n"'),
        ("é", '"é"'),
        ("\ud800", '"\\ud800"'),
        ("x" * 41, f'"{"x" * 40}..."'),
    ],
)
def test_a_value_is_quoted_short(text: str, shown: str) -> None:
    assert quoted(text) == shown


def test_a_located_rejection_keeps_its_reason() -> None:
    error = located("attribute a", RejectError(Reason.SET_EMPTY, "an empty set"))
    assert (error.reason, str(error)) == (Reason.SET_EMPTY, "attribute a: an empty set")


@given(st.text(), st.integers(10, 100))
def test_message_is_cut_in_the_middle_only(text: str, most: int) -> None:
    short = shortened(text, most)
    assert len(short) <= most
    if len(text) <= most:
        assert short == text
    else:
        half = (most - len(" ... ")) // 2
        assert short[-half:] == text[-half:]
        assert short[: most - half] == text[: most - half - len(" ... ")] + " ... "


def test_end_of_a_long_message_survives() -> None:
    assert shortened("ValueError: " + "x" * 1_000 + " has no price", 40) == "ValueError: xxxxxx ... xxxx has no price"
