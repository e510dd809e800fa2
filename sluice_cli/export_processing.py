"""How far the processing of a table's exports has come, as the ledger of table_export has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sluice_cli.export_state import FAILED, Export, time_text

SUCCEEDED = "SUCCEEDED"
RUNNING = "RUNNING"


@dataclass(frozen=True)
class QueuedWindow(Export):
    """A window that was queued for processing; `attempt` counts from 0."""

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "QueuedWindow":
        """Read a window's item in plain values."""
        since = item.get("from")
        return cls(
            type=item["type"],
            since=datetime.fromisoformat(since) if since else None,
            until=datetime.fromisoformat(item["to"]),
            attempt=int(item["attempt"]),
            item={name: value for name, value in item.items() if name != "table"},
        )

    @property
    def status(self) -> str:
        """PENDING, RUNNING, FAILED or SUCCEEDED."""
        return str(self.item["status"])

    @property
    def execution_arn(self) -> str | None:
        """The last attempt's execution of export_process."""
        return self.item.get("executionArn")

    @property
    def execution_name(self) -> str | None:
        """Its name."""
        return self.execution_arn.rpartition(":")[2] if self.execution_arn else None

    @property
    def failure(self) -> str:
        """Error and message of the last attempt that failed; empty after a success."""
        return ": ".join(str(self.item[name]) for name in ("error", "message") if self.item.get(name))

    @property
    def outcome(self) -> str:
        """The status in a run's line; records that were rejected or failed are not in the copy."""
        counts = self.item.get("counts", {})
        lost = [f"{counts[name]:,} {name}" for name in ("rejected", "failed") if counts.get(name)]
        done = "processed" if self.status == SUCCEEDED else f"processing {self.status}"
        return f"{done} with {' and '.join(lost)}" if lost else done


@dataclass(frozen=True)
class Processing:
    """So many windows were queued, the first `processed` of them are in the copy, up to `until`.

    `next` is the window whose turn it is, None when none waits; `execution_status` is what AWS says of its execution,
    where that was requested.
    """

    queued: int
    processed: int
    until: datetime | None
    next: QueuedWindow | None
    execution_status: str | None = None

    @property
    def waiting(self) -> int:
        """Windows that are exported and not processed."""
        return self.queued - self.processed

    @property
    def is_failed(self) -> bool:
        """Whether nothing continues until somebody mends the cause."""
        return self.next is not None and self.next.status == FAILED

    @property
    def summary(self) -> str:
        """In a few words."""
        copy = f"up to {time_text(self.until)}" if self.until else "none yet"
        waiting = f"{self.waiting:,} {'window waits' if self.waiting == 1 else 'windows wait'}" if self.waiting else ""
        return ", ".join(filter(None, (copy, waiting)))

    def to_json(self) -> dict[str, Any]:
        """For machines; `next` as the ledger has it."""
        return {
            "status": self.next.status if self.next else SUCCEEDED,
            "copiedTo": time_text(self.until) if self.until else None,
            "queued": self.queued,
            "processed": self.processed,
            "waiting": self.waiting,
            "executionStatus": self.execution_status,
            "next": self.next and self.next.item,
        }
