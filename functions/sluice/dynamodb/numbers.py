"""DynamoDB's numbers: which texts it takes, and when two of them are one number."""

from __future__ import annotations

import re
from typing import NamedTuple

from sluice.errors import RejectError
from sluice.rejects import Reason, quoted

MAX_DIGITS = 38
MAX_EXPONENT = 125
MIN_EXPONENT = -130

# What nearly every number looks like; whatever matches is within range and precision without a closer look.
ORDINARY_NUMBER = r"-?[0-9]{1,19}+(?:\.[0-9]{1,19}+)?+"

_is_ordinary = re.compile(ORDINARY_NUMBER).fullmatch
_is_normal_integer = re.compile(r"[1-9][0-9]{0,18}").fullmatch
_match_number = re.compile(
    r"(?P<sign>[+-]?)(?:(?P<whole>[0-9]+)(?:\.(?P<fraction>[0-9]*))?|\.(?P<only_fraction>[0-9]+))"
    r"(?:[eE](?P<exponent>[+-]?[0-9]+))?"
).fullmatch


class Number(NamedTuple):
    """A number in parts: sign, significant digits without outer zeros ("" for zero), and power of ten."""

    is_negative: bool
    digits: str
    exponent: int

    @classmethod
    def parse(cls, text: str) -> Number:
        """Take a text apart exactly. Raises RejectError if it is not a number in DynamoDB's grammar."""
        match = _match_number(text)
        if match is None:
            raise RejectError(Reason.NUMBER_INVALID, f"{quoted(text)} is not a number")
        sign, whole, fraction, only_fraction, exponent = match.groups(default="")
        fraction = fraction or only_fraction
        digits = (whole + fraction).rstrip("0")
        trimmed = len(whole + fraction) - len(digits)
        digits = digits.lstrip("0")
        if not digits:
            return cls(is_negative=False, digits="", exponent=0)
        return cls(sign == "-", digits, _power_of_ten(exponent) + trimmed - len(fraction))


def _power_of_ten(exponent: str) -> int:
    power = exponent.lstrip("+-").lstrip("0")
    if len(power) > 20:
        raise RejectError(Reason.NUMBER_OUT_OF_RANGE, f"the exponent {quoted(exponent)} is out of DynamoDB's range")
    return -int(power or 0) if exponent.startswith("-") else int(power or 0)


def check_number(text: str) -> Number | None:
    """Raise RejectError unless DynamoDB stores this text exactly; the parts where it was taken apart."""
    if _is_ordinary(text):
        return None
    number = Number.parse(text)
    if len(number.digits) > MAX_DIGITS:
        raise RejectError(
            Reason.NUMBER_TOO_PRECISE,
            f"{quoted(text)} has {len(number.digits)} significant digits, DynamoDB keeps {MAX_DIGITS}",
        )
    magnitude = number.exponent + len(number.digits) - 1
    if number.digits and not MIN_EXPONENT <= magnitude <= MAX_EXPONENT:
        raise RejectError(
            Reason.NUMBER_OUT_OF_RANGE, f"{quoted(text)} is outside 1E{MIN_EXPONENT} to 9.99E+{MAX_EXPONENT}"
        )
    return number


def normal_form(text: str) -> str:
    """One spelling per number, so that 1, 1.0 and 1e0 are one key: 100, -15e-1, 0. Raises RejectError."""
    if _is_normal_integer(text):
        return text
    number = check_number(text) or Number.parse(text)
    if not number.digits:
        return "0"
    sign = "-" if number.is_negative else ""
    if number.exponent >= 0:
        return sign + number.digits + "0" * number.exponent
    return f"{sign}{number.digits}e{number.exponent}"
