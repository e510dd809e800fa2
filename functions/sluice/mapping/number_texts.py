"""Texts that become numbers: dates as seconds since 1970, and numbers with a decimal comma or groups of digits."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from sluice.errors import RejectError
from sluice.rejects import Reason, quoted

NumberText = Callable[[str], str]

ISO_8601 = "iso8601"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Dates repeat: most files have few of them.
_DATES_CACHED = 4096
_YEARS = ("%Y", "%y", "%G", "%c", "%x")


def date_number(form: str) -> NumberText:
    """Seconds since 1970 of a date: ISO 8601, or as strptime reads it; UTC where no zone is given.

    Raises ValueError for a format that strptime cannot read, or that has no year.
    """
    if form != ISO_8601:
        _check_format(form)

    def read(text: str) -> datetime:
        # Most formats have no zone; _seconds takes such dates as UTC.
        return datetime.fromisoformat(text) if form == ISO_8601 else datetime.strptime(text, form)  # noqa: DTZ007

    @lru_cache(_DATES_CACHED)
    def convert(text: str) -> str:
        try:
            return _seconds(read(text))
        except (ValueError, OverflowError) as error:
            expected = "in ISO 8601, such as 2026-12-31T00:00:00Z" if form == ISO_8601 else f"of the format {form}"
            raise RejectError(Reason.DATE_INVALID, f"{quoted(text)} is not a date {expected}") from error

    return convert


def _check_format(form: str) -> None:
    if not any(year in form.replace("%%", "") for year in _YEARS):
        raise ValueError(f"{quoted(form)} has no year: use {ISO_8601}, or a format such as %Y-%m-%d")
    try:
        datetime.strptime(_EPOCH.strftime(form), form)  # noqa: DTZ007 - thrown away
    except (ValueError, re.error) as error:
        raise ValueError(f"{quoted(form)} is not a format that Python's strptime reads ({error})") from error


def _seconds(date: datetime) -> str:
    microseconds = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
    seconds, rest = divmod(microseconds, 1_000_000)
    if not rest:
        return str(seconds)
    return format(Decimal(microseconds).scaleb(-6).normalize(), "f")


def grouped_number(decimal: str, group: str | None) -> NumberText:
    """A number with this decimal separator, and groups of digits where `group` is given: 1.234,56 is 1234.56.

    Groups have three digits, or as in India two before the last three; a number without groups is taken too.
    """
    whole = "[0-9]+"
    if group is not None:
        mark = re.escape(group)
        whole = f"(?:[0-9]+|[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+|[0-9]{{1,2}}(?:{mark}[0-9]{{2}})+{mark}[0-9]{{3}})"
    match = re.compile(f"([+-]?{whole})(?:{re.escape(decimal)}([0-9]+))?([eE][+-]?[0-9]+)?").fullmatch

    def convert(text: str) -> str:
        found = match(text)
        if found is None:
            groups = f" and {quoted(group)} between groups of digits" if group is not None else ""
            raise RejectError(
                Reason.NUMBER_INVALID,
                f"{quoted(text)} is not a number with the decimal separator {quoted(decimal)}{groups}",
            )
        integer, fraction, exponent = found.groups(default="")
        digits = integer.replace(group, "") if group is not None else integer
        return f"{digits}.{fraction}{exponent}" if fraction else f"{digits}{exponent}"

    return convert
