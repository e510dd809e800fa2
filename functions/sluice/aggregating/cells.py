"""What single cells are: numbers, and parts of dates."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from datetime import date
from decimal import Decimal
from functools import lru_cache

from sluice.aggregating.aggregation import DatePart
from sluice.encoding.numbers import check_number
from sluice.errors import RejectError
from sluice.rejects import Reason, quoted

# What may stand around a number.
BLANKS = " \t"

_match_date = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:[T ](?:[01][0-9]|2[0-3]))?)?)?",
).fullmatch


def number_of(cell: str, missing: AbstractSet[str], column: str) -> Decimal | None:
    """The number that a cell holds, None where it is missing. Raises RejectError for what DynamoDB would not take."""
    text = number_text(cell, missing, column)
    return None if text is None else Decimal(text)


def number_text(cell: str, missing: AbstractSet[str], column: str) -> str | None:
    """What `number_of` reads, still as text: [+-]digits[.digits][e[+-]digits], or none of the digits before the dot."""
    text = cell.strip(BLANKS)
    if not text or text in missing:
        return None
    try:
        check_number(text)
    except RejectError as error:
        raise RejectError(error.reason, f"column {column}: {error}") from error
    return text


def part_of_date(cell: str, part: DatePart, column: str) -> str:
    """The date's first characters, with a T before the hour. Raises RejectError where they are no date."""
    found = valid_part(cell[: part.characters], part)
    if found is None:
        raise RejectError(
            Reason.DATE_INVALID, f"column {column}: {quoted(cell)} does not begin with a date down to the {part}"
        )
    return found


@lru_cache(maxsize=1 << 14)
def valid_part(text: str, part: DatePart) -> str | None:
    """What the first characters of a date are as a group; None where they are none."""
    match = _match_date(text) if len(text) == part.characters else None
    if match is None:
        return None
    year, month, day = match.groups(default="01")
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return None
    return text.replace(" ", "T")
