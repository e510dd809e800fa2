"""Times as exports and the ledger have them: UTC, whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def instant(text: str) -> datetime:
    """An ISO-8601 time, such as 2026-11-21T03:31:08.123Z, cut to the second.

    Cut, never rounded up: a window that begins a fraction early repeats a change, one that begins late would lose it.
    """
    return _exact(text).replace(microsecond=0)


def instant_reached(text: str) -> datetime:
    """The first whole second that is not before the ISO-8601 time: what is there from it on is there then."""
    exact = _exact(text)
    return exact.replace(microsecond=0) + timedelta(seconds=1 if exact.microsecond else 0)


def iso(time: datetime) -> str:
    """The time as it stands in the ledger and in requests: 2026-11-21T03:31:08Z."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _exact(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
