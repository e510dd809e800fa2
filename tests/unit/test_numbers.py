"""Which texts are numbers to DynamoDB, and which of them are the same number."""

from __future__ import annotations

from decimal import Context, Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluice.dynamodb.numbers import ORDINARY_NUMBER, check_number, normal_form
from sluice.errors import RejectError
from sluice.rejects import Reason

EXACT = Context(prec=500)
IN_RANGE = [
    *[
        "0",
        "-0",
        "1",
        "+1",
        "007",
        "1.",
        ".5",
        "-.5",
        "1e3",
        "1E+3",
        "1.50e-3",
        "1e-130",
        "0e999",
        "1e0000000000000000000000007",
    ],
    *("9" * 38, "1" + "0" * 125, "0." + "0" * 129 + "1", "9." + "9" * 37 + "E+125"),
]
OUTSIDE_GRAMMAR = [
    *[
        "1_000",
        "1,000",
        "0x10",
        "nan",
        "NaN",
        "inf",
        "-Infinity",
        "1e",
        "e5",
        ".",
        "-",
        "+",
        "--1",
        "1.2.3",
        "1e1.5",
        "½",
        "١٢",
        "1e+",
        "1d",
        "True",
    ],
    *("", " ", " 1", "1 ", "1\n", "1\x00"),
]
number_texts = st.from_regex(
    r"[+-]?([0-9]{1,45}(\.[0-9]{0,45})?|\.[0-9]{1,45})([eE][+-]?0{0,2}[0-9]{1,3})?", fullmatch=True
).filter(str.isascii)


def reason_of(text: str) -> str | None:
    try:
        check_number(text)
    except RejectError as error:
        return error.reason
    return None


def expected_reason(text: str) -> str | None:
    sign_digits_exponent = EXACT.create_decimal(text).normalize(EXACT)
    if not sign_digits_exponent:
        return None
    if len(sign_digits_exponent.as_tuple().digits) > 38:
        return Reason.NUMBER_TOO_PRECISE
    return None if -130 <= sign_digits_exponent.adjusted() <= 125 else Reason.NUMBER_OUT_OF_RANGE


@pytest.mark.parametrize("text", IN_RANGE)
def test_numbers_in_range_are_taken(text: str) -> None:
    assert reason_of(text) is None


@pytest.mark.parametrize("text", OUTSIDE_GRAMMAR)
def test_texts_outside_the_grammar_are_invalid(text: str) -> None:
    assert reason_of(text) == Reason.NUMBER_INVALID


@pytest.mark.parametrize("text", ["1e126", "-1e126", "1e-131", "1" + "0" * 126, "1e" + "9" * 5000, "1e-99999999999"])
def test_magnitudes_beyond_the_range_are_out_of_range(text: str) -> None:
    assert reason_of(text) == Reason.NUMBER_OUT_OF_RANGE


@pytest.mark.parametrize("text", ["1" * 39, "1." + "1" * 38, "-0.00" + "7" * 39])
def test_more_than_38_significant_digits_are_too_precise(text: str) -> None:
    assert reason_of(text) == Reason.NUMBER_TOO_PRECISE


def test_zeros_at_either_end_do_not_count_as_digits() -> None:
    assert reason_of("000" + "1" * 38 + "000") is None
    assert reason_of("0.000" + "1" * 38 + "000") is None


@given(number_texts)
@example("1e-0")
@example("9" * 19 + "." + "9" * 19)
@example("9" * 20 + "." + "9" * 19)
def test_what_is_taken_is_what_exact_arithmetic_finds_in_range(text: str) -> None:
    assert reason_of(text) == expected_reason(text)


@given(st.from_regex(ORDINARY_NUMBER, fullmatch=True))
def test_ordinary_numbers_need_no_closer_look(text: str) -> None:
    assert expected_reason(text) is None


@given(number_texts, number_texts)
@example("1", "1.0")
@example("100", "1e2")
@example("-0", "0.00")
@example("1.5", "15e-1")
@example("10", "1")
def test_normal_forms_are_equal_exactly_when_the_numbers_are(one: str, other: str) -> None:
    if expected_reason(one) is None and expected_reason(other) is None:
        assert (normal_form(one) == normal_form(other)) == (Decimal(one) == Decimal(other))


@given(number_texts)
def test_a_normal_form_is_a_spelling_of_its_number(text: str) -> None:
    if expected_reason(text) is None:
        normal = normal_form(text)
        assert Decimal(normal) == Decimal(text)
        assert normal_form(normal) == normal


def test_a_normal_form_of_what_is_no_number_is_rejected() -> None:
    with pytest.raises(RejectError, match='"abc" is not a number'):
        normal_form("abc")
