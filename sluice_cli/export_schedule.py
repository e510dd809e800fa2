"""The schedule that a stack's parameters give to a table."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sluice_cli.stack import Stack

TABLES = "ExportTables"
INTERVAL_MINUTES = "ExportIntervalMinutes"
STATE = "ExportScheduleState"


@dataclass(frozen=True)
class Schedule:
    """How often a run starts."""

    interval: timedelta
    is_enabled: bool

    @classmethod
    def of(cls, stack: Stack, table: str) -> "Schedule | None":
        """None for a table that the stack does not schedule."""
        tables = stack.parameters.get(TABLES, "").split(",")
        if table not in (each.strip() for each in tables):
            return None
        interval = timedelta(minutes=float(stack.parameters[INTERVAL_MINUTES]))
        return cls(interval, stack.parameters[STATE] == "ENABLED")

    @property
    def minutes(self) -> int:
        """The interval."""
        return int(self.interval.total_seconds() // 60)

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return {"intervalMinutes": self.minutes, "enabled": self.is_enabled}
