"""When a schedule is due: at(), rate() and cron(), in a time zone. Times are seconds since the epoch."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, ClassVar, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ministack.services import eventbridge

AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")

# Looked through in turn for a cron expression's latest occurrence: none has many occurrences before its last hour.
SPANS_SECONDS = (3_600.0, 86_400.0, 33 * 86_400.0, 5 * 366 * 86_400.0)


class InvalidExpressionError(ValueError):
    """The text is no schedule expression, or its time zone is not known."""


class Occurrences(Protocol):
    """The times that an expression stands for."""

    @property
    def is_recurring(self) -> bool:
        """Whether there may be more than one."""

    def latest(self, after: float, until: float) -> float | None:
        """The last one that is later than `after`, and no later than `until`."""


@dataclass(frozen=True)
class Once:
    """at()."""

    time: float
    is_recurring: ClassVar[bool] = False

    def latest(self, after: float, until: float) -> float | None:
        """The time itself."""
        return self.time if after < self.time <= until else None


@dataclass(frozen=True)
class Every:
    """rate(): the first one is the schedule's start, or its creation when it has none."""

    seconds: float
    first: float
    is_recurring: ClassVar[bool] = True

    def latest(self, after: float, until: float) -> float | None:
        """A whole number of intervals from the first."""
        time = self.first + math.floor((until - self.first) / self.seconds) * self.seconds
        return time if time >= self.first and after < time <= until else None


@dataclass(frozen=True)
class Cron:
    """cron(): minutes that its six fields fit."""

    fields: Any
    zone: tzinfo
    is_recurring: ClassVar[bool] = True

    def latest(self, after: float, until: float) -> float | None:
        """Found by going forward through a span before `until` that has an occurrence."""
        for span in SPANS_SECONDS:
            begin = max(after, until - span)
            found = self._last_since(begin, until)
            if found is not None or begin == after:
                return found
        return None

    def _last_since(self, after: float, until: float) -> float | None:
        found = None
        following = self._next(after)
        while following is not None and following <= until:
            found, following = following, self._next(following)
        return found

    def _next(self, after: float) -> float | None:
        moment = eventbridge._cron_next_fire(self.fields, datetime.fromtimestamp(after, self.zone))
        return None if moment is None else float(moment.timestamp())


def occurrences(expression: str, zone_name: str, first: float) -> Occurrences:
    """The times of an expression; `first` is when a rate begins. Raises InvalidExpressionError."""
    zone = _zone(zone_name)
    if at := AT.fullmatch(expression):
        return Once(_moment(at[1], expression).replace(tzinfo=zone).timestamp())
    seconds = eventbridge._parse_rate_seconds(expression)
    if seconds:
        return Every(seconds, first)
    fields = eventbridge._parse_cron_fields(expression)
    if fields is None:
        raise InvalidExpressionError(f"Invalid Schedule Expression {expression}.")
    return Cron(fields, zone)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InvalidExpressionError("The time zone you provided is not valid.") from error


def _moment(text: str, expression: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidExpressionError(f"Invalid Schedule Expression {expression}.") from error
