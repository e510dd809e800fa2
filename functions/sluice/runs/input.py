"""Fields that the inputs of several workflows have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.fields import Fields
from sluice.reading.source import object_key

# Modes of a run that changes something, and what an action or a processor can be.
DRY_RUN, APPLY = "dryRun", "apply"
FUNCTION, COPY_OBJECT = "function", "copyObject"

_TABLE = re.compile(r"[a-zA-Z0-9_.\-]{3,255}|arn:[^/]+:table/[a-zA-Z0-9_.\-]{3,255}")
_PERCENTAGE = re.compile(r"(\d+(?:\.\d+)?)%")
_COUNT_MAX = 10**15
# More than a Map has items: no limit.
_FAILURES_MAX = 10**9
TOLERANCE_FIELDS = ("toleratedFailurePercentage", "toleratedFailureCount")
_ANY = "any"
_OUTPUT_PREFIX = "output/"
_PREFIX_MAX = 512


def table_name(fields: Fields, name: str) -> str:
    """A table by its name or its ARN. Raises InvalidInputError."""
    table = fields.text(name)
    if not _TABLE.fullmatch(table):
        raise fields.wrong(name, f"{table} is not a table name or a table ARN")
    return table


def rejects_tolerated(fields: Fields) -> dict[str, float] | None:
    """`rejectsTolerated`: {"count": 5}, {"percentage": 1.5} of the rows, or None for "any". No reject if omitted."""
    name = "rejectsTolerated"
    value = fields.raw(name) if fields.has(name) else 0
    if value == _ANY:
        return None
    if not isinstance(value, str):
        return {"count": fields.integer(name, 0, low=0, high=_COUNT_MAX)}
    percentage = _PERCENTAGE.fullmatch(value)
    if percentage is None or float(percentage[1]) > 100:
        raise fields.wrong(name, f"must be a count, or a percentage such as 1.5%, or {_ANY}, not {value}")
    return {"percentage": float(percentage[1])}


@dataclass(frozen=True, slots=True)
class ToleratedFailures:
    """How many of a run's items may fail: 0 to 100 % of them, and a count. More than either fails the run."""

    percentage: float = 0
    count: int = _FAILURES_MAX

    @classmethod
    def from_input(cls, fields: Fields, default: float = 0) -> ToleratedFailures:
        """The fields of TOLERANCE_FIELDS; a count alone decides alone. Raises InvalidInputError."""
        percentage, count = TOLERANCE_FIELDS
        return cls(
            fields.number(percentage, 100 if fields.has(count) else default, low=0, high=100),
            fields.integer(count, _FAILURES_MAX, low=0, high=_FAILURES_MAX),
        )

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ToleratedFailures:
        """Read `to_state`; earlier releases had no count."""
        percentage, count = TOLERANCE_FIELDS
        found = state.get(count)
        return cls(state[percentage], _FAILURES_MAX if found is None else found)

    def to_state(self) -> dict[str, float]:
        """As a Map takes them: its limit of 0 is one that was not given, unless both are 0."""
        is_none = not self.percentage or not self.count
        return dict(zip(TOLERANCE_FIELDS, (0, 0) if is_none else (self.percentage, self.count), strict=True))

    def exceeded(self, failed: int, total: int) -> str | None:
        """The limit that so many failed of so many exceed, such as "5 %" or "1,000"; None if neither."""
        if failed * 100 > self.percentage * total:
            return f"{self.percentage:g} %"
        return f"{self.count:,}" if failed > self.count else None


def resumed_run(fields: Fields) -> str | None:
    """`resume`: {"run": the name of the run that is continued}; None without. Raises InvalidInputError."""
    return fields.section("resume", ("run",)).text("run") if fields.has("resume") else None


def output_prefix(fields: Fields, name: str, bucket: str, data_bucket: str) -> str:
    """A prefix of objects that a run writes, with its slash; in the data bucket it begins with output/.

    Raises InvalidInputError.
    """
    prefix = object_key(fields, name).rstrip("/") + "/"
    if len(prefix) > _PREFIX_MAX:
        raise fields.wrong(name, f"must have at most {_PREFIX_MAX} characters")
    if bucket == data_bucket and not prefix.startswith(_OUTPUT_PREFIX):
        raise fields.wrong(name, f"must begin with {_OUTPUT_PREFIX} in the data bucket, not {prefix}")
    return prefix
