"""The ledger of exports: a table's state, its windows and its times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any


def instant(text: str) -> datetime:
    """An ISO-8601 time, such as 2026-11-21T03:31:08.123Z, cut to the second.

    Never rounded up: a window that begins a little early repeats a change; one that begins late would lose a change.
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


class ExportType(StrEnum):
    """AWS's own names."""

    FULL = "FULL_EXPORT"
    INCREMENTAL = "INCREMENTAL_EXPORT"


@dataclass(frozen=True, slots=True)
class Window:
    """What one export holds: the table at `until`, or the changes from `since` (included) to `until` (excluded)."""

    type: ExportType
    since: datetime | None
    until: datetime

    @property
    def earliest(self) -> datetime:
        """How far back point-in-time recovery must reach for it."""
        return self.since or self.until


@dataclass(frozen=True, slots=True)
class ScheduledExport:
    """One export of a window; `attempt` counts from 0.

    `client_token` is None unless this attempt was requested from AWS, `arn` until the response is known.
    """

    window: Window
    attempt: int
    bucket: str
    prefix: str
    view_type: str
    started_at: datetime
    client_token: str | None = None
    arn: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it was requested from AWS and the response was lost: there may be such an export, or not."""
        return self.client_token is not None and self.arn is None

    @property
    def run_entry(self) -> str:
        """The ledger's key of the run's item: the last runs sort last."""
        return f"RUN#{iso(self.window.until)}#{self.window.type}#{self.attempt}"

    def to_state(self) -> dict[str, Any]:
        """The export as the state machine reads it."""
        since = self.window.since
        return {
            "type": str(self.window.type),
            "from": iso(since) if since else None,
            "to": iso(self.window.until),
            "attempt": self.attempt,
            "bucket": self.bucket,
            "prefix": self.prefix,
            "viewType": self.view_type,
            "startedAt": iso(self.started_at),
            "clientToken": self.client_token,
            "exportArn": self.arn,
        }

    def to_attribute(self) -> dict[str, Any]:
        """The export as the ledger holds it, in DynamoDB JSON."""
        state = {name: value for name, value in self.to_state().items() if value is not None}
        return {"M": {name: {"N": str(each)} if name == "attempt" else {"S": each} for name, each in state.items()}}

    @classmethod
    def from_plain(cls, current: Mapping[str, Any]) -> ScheduledExport:
        """Read what the ledger holds."""
        since = current.get("from")
        window = Window(
            ExportType(current["type"]), instant(since) if since is not None else None, instant(current["to"])
        )
        return cls(
            window=window,
            attempt=int(current["attempt"]),
            bucket=current["bucket"],
            prefix=current["prefix"],
            view_type=current["viewType"],
            started_at=instant(current["startedAt"]),
            client_token=current.get("clientToken"),
            arn=current.get("exportArn"),
        )


@dataclass(frozen=True, slots=True)
class LedgerState:
    """`watermark`: the end of the last complete export; `current`: an export that was begun and has not completed.

    `version` changes with every write, so that a plan made from an older one is not carried out. `queued` is the number
    of windows that were queued for processing so far.
    """

    version: int = 0
    is_paused: bool = False
    is_reset_requested: bool = False
    watermark: datetime | None = None
    current: ScheduledExport | None = None
    queued: int = 0

    @classmethod
    def from_item(cls, item: Mapping[str, Any] | None) -> LedgerState:
        """Read GetItem's Item; a table that was never exported has none."""
        plain = {name: _plain(value) for name, value in (item or {}).items()}
        watermark, current = plain.get("watermark"), plain.get("current")
        return cls(
            version=int(plain.get("version", 0)),
            is_paused=bool(plain.get("paused")),
            is_reset_requested=bool(plain.get("resetRequested")),
            watermark=instant(watermark) if watermark is not None else None,
            current=ScheduledExport.from_plain(current) if current is not None else None,
            queued=int(plain.get("queued", 0)),
        )


@dataclass(frozen=True, slots=True)
class CopyState:
    """What the processing has completed: so many of the queued windows, the last of them up to `until`."""

    processed: int
    until: datetime

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> CopyState:
        """Read GetItem's Item."""
        plain = {name: _plain(value) for name, value in item.items()}
        return cls(int(plain["processed"]), instant(plain["to"]))


def _plain(value: Mapping[str, Any]) -> Any:
    """A string for S and N, which is all that the ledger has besides BOOL and M."""
    ((kind, held),) = value.items()
    return {name: _plain(each) for name, each in held.items()} if kind == "M" else held
