"""How far the inspection of a query's rows has come, and how they are to be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sluice.errors import TooManyRowsError
from sluice.reading.source import Source
from sluice.runs.format_version import FIELD, FORMAT, readable

# https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html: MaxItems.
ROWS_MAX = 100_000_000


class Reader(StrEnum):
    """Which Map reads the rows; NONE: there are no rows."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    NONE = "none"


class Phase(StrEnum):
    """SCAN looks for what would be damaged, REWRITE writes the rows as JSON Lines."""

    SCAN = "scan"
    REWRITE = "rewrite"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Inspection:
    """`start`: where the first row begins; `offset`: where the next slice does; `rows`: those before it.

    `rows` is None where nobody counts them before they are read. `parts`: numbers of the parts that were written.
    `cause`: why the rows are rewritten.
    """

    phase: Phase
    reader: Reader
    bucket: str | None = None
    key: str | None = None
    rows: int | None = None
    rejected: int = 0
    reject_parts: tuple[int, ...] = ()
    cause: str | None = None
    source: Source | None = None
    columns: tuple[str, ...] | None = None
    start: int = 0
    offset: int = 0
    parts: tuple[int, ...] = ()

    def check(self) -> Inspection:
        """Itself; raises TooManyRowsError."""
        if (self.rows or 0) - self.rejected > ROWS_MAX:
            raise TooManyRowsError(f"more than {ROWS_MAX:,} rows, of which a Distributed Map reads no more")
        return self

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Inspection:
        """Read what `to_state` returns."""
        readable(state, "how far the inspection of the rows has come")
        source, columns = state["source"], state["columns"]
        return cls(
            phase=Phase(state["phase"]),
            reader=Reader(state["reader"]),
            bucket=state["bucket"],
            key=state["key"],
            rows=state["rows"],
            rejected=state["rejected"],
            reject_parts=tuple(state["rejectParts"]),
            cause=state["cause"],
            source=Source.from_state(source) if source else None,
            columns=None if columns is None else tuple(columns),
            start=state["start"],
            offset=state["offset"],
            parts=tuple(state["parts"]),
        )

    def to_state(self) -> dict[str, Any]:
        """The inspection as it travels in state."""
        return {
            FIELD: FORMAT,
            "done": self.phase is Phase.DONE,
            "phase": str(self.phase),
            "reader": str(self.reader),
            "bucket": self.bucket,
            "key": self.key,
            "rows": self.rows,
            "rejected": self.rejected,
            "rejectParts": list(self.reject_parts),
            "cause": self.cause,
            "source": self.source.to_state() if self.source else None,
            "columns": None if self.columns is None else list(self.columns),
            "start": self.start,
            "offset": self.offset,
            "parts": list(self.parts),
        }
