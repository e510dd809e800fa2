"""What the ledger of table_export says of a table: its state, and the runs that it has had."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

COMPLETED = "COMPLETED"
FAILED = "FAILED"
PITR_GAP = "PITR_GAP"


class Flag(StrEnum):
    """What the next run obeys, by its attribute in the state item."""

    PAUSED = "paused"
    RESET_REQUESTED = "resetRequested"


@dataclass(frozen=True)
class Lease:
    """Who exports the table, by the execution's ARN."""

    owner: str
    expires_at: datetime

    @property
    def owner_name(self) -> str:
        """The execution's name."""
        return self.owner.rpartition(":")[2]

    def is_expired(self, now: datetime) -> bool:
        """Whether any other run may take it over."""
        return self.expires_at < now


@dataclass(frozen=True)
class Export:
    """An export's window, without `since` for a full one; `item` is what the ledger holds of it, in plain values."""

    type: str
    since: datetime | None
    until: datetime
    attempt: int
    item: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def arn(self) -> str | None:
        """None until the ledger knows that AWS has accepted the export."""
        return self.item.get("exportArn")

    @property
    def window(self) -> str:
        """In words; the type of a gap is its status."""
        since = f" from {time_text(self.since)}" if self.since else ""
        return f"{self.type}{since} to {time_text(self.until)}"


@dataclass(frozen=True)
class CurrentExport(Export):
    """An export that was begun and has not completed."""

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "CurrentExport":
        """Read the state item's `current`."""
        return cls(item["type"], _instant(item.get("from")), _known(item["to"]), int(item["attempt"]), item)

    @property
    def started_at(self) -> datetime:
        """When this attempt was begun."""
        return _known(self.item["startedAt"])


@dataclass(frozen=True)
class PastRun(Export):
    """An export that has ended; with the status PITR_GAP a window that no export can give any more."""

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "PastRun":
        """Read a run's item: its key is RUN#<to>#<type>#<attempt>."""
        _run, _until, kind, attempt = item["entry"].split("#")
        own = {name: value for name, value in item.items() if name not in ("table", "entry")}
        return cls(kind, _instant(item.get("from")), _known(item["to"]), int(attempt), own)

    @property
    def status(self) -> str:
        """COMPLETED, FAILED or PITR_GAP."""
        return str(self.item["status"])

    @property
    def end_time(self) -> datetime | None:
        """When AWS ended the export."""
        return _instant(self.item.get("endTime"))

    @property
    def failure(self) -> str:
        """AWS's code and message; empty unless the export failed."""
        return ": ".join(str(self.item[name]) for name in ("failureCode", "failureMessage") if name in self.item)

    def to_json(self) -> dict[str, Any]:
        """The run for machines, as the ledger has it."""
        return {**self.item, "attempt": self.attempt}


@dataclass(frozen=True)
class TableState:
    """A table's state item; `status` is None before the first export, `watermark` before that is complete.

    `queued` windows were given to processing so far.
    """

    table: str
    status: str | None = None
    is_paused: bool = False
    is_reset_requested: bool = False
    watermark: datetime | None = None
    lease: Lease | None = None
    current: CurrentExport | None = None
    queued: int = 0

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "TableState":
        """Read plain values of the item."""
        owner, current = item.get("leaseOwner"), item.get("current")
        return cls(
            table=item["table"],
            status=item.get("status"),
            is_paused=bool(item.get(Flag.PAUSED)),
            is_reset_requested=bool(item.get(Flag.RESET_REQUESTED)),
            watermark=_instant(item.get("watermark")),
            lease=Lease(owner, _known(item["leaseExpiresAt"])) if owner else None,
            current=CurrentExport.from_item(current) if current else None,
            queued=int(item.get("queued", 0)),
        )

    def lag_seconds(self, now: datetime) -> float | None:
        """Age of what the exports hold; None before the first one is complete."""
        return (now - self.watermark).total_seconds() if self.watermark else None

    def to_json(self, now: datetime) -> dict[str, Any]:
        """The state for machines; `current` as the ledger has it."""
        lag, lease = self.lag_seconds(now), self.lease
        return {
            "table": self.table,
            "status": self.status,
            "watermark": time_text(self.watermark) if self.watermark else None,
            "lagSeconds": None if lag is None else int(lag),
            "paused": self.is_paused,
            "resetRequested": self.is_reset_requested,
            "lease": lease
            and {
                "owner": lease.owner,
                "expiresAt": time_text(lease.expires_at),
                "expired": lease.is_expired(now),
            },
            "current": self.current and self.current.item,
        }


def time_text(time: datetime) -> str:
    """As it stands in the ledger: 2026-11-21T03:31:08Z."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _known(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
