"""Groups as lines of a part: JSON Lines in the order of their keys, each key once.

[["2026-01", "0123"], 31, [[31, "1395.0", "-3.2", "99"], [0, "0", null, null]]]: the key's texts in the order of
`Aggregation.key_columns`, the rows, and for each measure the count, the exact sum, the least and the greatest value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from json.encoder import encode_basestring as quote
from typing import Any

from sluice.aggregating.group_tally import GroupTally, Key, MeasureTally


def to_line(key: Key, tally: GroupTally) -> bytes:
    """One group as a line, newline at the end."""
    texts = ",".join(map(quote, key))
    measures = ",".join(
        [f'[{each.count},"{each.total!s}",{_text(each.low)},{_text(each.high)}]' for each in tally.measures]
    )
    return f"[[{texts}],{tally.rows},[{measures}]]\n".encode()


def from_line(line: bytes) -> tuple[Key, GroupTally]:
    """Read what `to_line` returns."""
    key, rows, measures = json.loads(line)
    return tuple(key), tally_of(rows, measures)


def tally_of(rows: int, measures: Iterable[Any]) -> GroupTally:
    """What a line has behind its key."""
    return GroupTally(
        rows,
        [MeasureTally(count, Decimal(total), _number(low), _number(high)) for count, total, low, high in measures],
    )


def _text(value: Decimal | None) -> str:
    # Formatting a Decimal takes twice the time of str.
    return "null" if value is None else f'"{value!s}"'


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
