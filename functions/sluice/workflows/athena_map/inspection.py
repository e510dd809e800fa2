"""The progress of the inspection of a query's rows, and which reader they need."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from sluice.errors import TooManyRowsError
from sluice.reading.source import Source
from sluice.state import VersionedState

# https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html: MaxItems.
ROWS_MAX = 100_000_000


class RowsReader(StrEnum):
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
class ResultInspection(VersionedState):
    """`start`: where the first row begins; `offset`: where the next slice does; `rows`: those before it.

    `rows` is None where nobody counts them before they are read. `parts`: numbers of the parts that were written.
    `cause`: why the rows are rewritten.
    """

    what: ClassVar = "how far the inspection of the rows has come"

    phase: Phase
    reader: RowsReader
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

    def check(self) -> ResultInspection:
        """Itself; raises TooManyRowsError."""
        if (self.rows or 0) - self.rejected > ROWS_MAX:
            raise TooManyRowsError(f"more than {ROWS_MAX:,} rows, the most that a Distributed Map reads")
        return self

    def to_state(self) -> dict[str, Any]:
        """The progress as it travels in state, and whether the inspection is done."""
        return {**VersionedState.to_state(self), "done": self.phase is Phase.DONE}
