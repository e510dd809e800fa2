"""Numbers and timestamps, which the definition gives as such or JSONata computes."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from local_aws.stepfunctions.definition_checks.fields import JSONATA
from local_aws.stepfunctions.definition_checks.report import Report, is_expression_like

# RFC 3339 as Step Functions reads it: a capital T, and Z for the offset.
TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z")
NOT_A_TIMESTAMP = "String does not match RFC3339 timestamp"
MOST_SECONDS = 99_999_999


class Bounds(NamedTuple):
    """The least and the most that a number may be; a float says that the number may be one, too."""

    least: float
    most: float | None = None


STATE_NUMBERS = {
    "TimeoutSeconds": Bounds(1, MOST_SECONDS),
    "HeartbeatSeconds": Bounds(1, MOST_SECONDS),
    "Seconds": Bounds(0, MOST_SECONDS),
    "MaxConcurrency": Bounds(0),
    "ToleratedFailureCount": Bounds(0),
    "ToleratedFailurePercentage": Bounds(0.0, 100.0),
}
RETRY_NUMBERS = {
    "IntervalSeconds": Bounds(0, MOST_SECONDS),
    "MaxAttempts": Bounds(0, MOST_SECONDS),
    "BackoffRate": Bounds(1.0),
    "MaxDelaySeconds": Bounds(1, 31_622_400),
}
READER_NUMBERS = {"MaxItems": Bounds(0, 100_000_000)}
BATCH_NUMBERS = {"MaxItemsPerBatch": Bounds(0), "MaxInputBytesPerBatch": Bounds(0)}
MACHINE_NUMBERS = {"TimeoutSeconds": Bounds(0)}


def check_numbers(
    given: Mapping[str, Any], numbers: Mapping[str, Bounds], language: str | None, location: str, report: Report
) -> None:
    """Report each number outside its bounds; without a query language they may not be expressions."""
    for name, bounds in numbers.items():
        value = given.get(name)
        if name in given and not (language == JSONATA and is_expression_like(value)):
            _check_number(value, bounds, f"{location}/{name}", report)


def _check_number(value: Any, bounds: Bounds, location: str, report: Report) -> None:
    kind = float if isinstance(bounds.least, float) else int
    if not report.is_a(float(value) if kind is float and type(value) is int else value, kind, location):
        return
    if value < bounds.least:
        report.schema(f"Minimum value is {bounds.least}", location)
    if bounds.most is not None and value > bounds.most:
        report.schema(f"Maximum value is {bounds.most}", location)


def check_timestamp(value: Any, language: str, location: str, report: Report) -> None:
    """Report what is no timestamp."""
    if language == JSONATA and is_expression_like(value):
        return
    if report.is_a(value, str, location) and not is_timestamp(value):
        report.schema(NOT_A_TIMESTAMP, location)


def is_timestamp(text: str) -> bool:
    """Whether the text is a time in RFC 3339 that the calendar and the clock have."""
    if not TIMESTAMP.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text[:19])
    except ValueError:
        return False
    return True
