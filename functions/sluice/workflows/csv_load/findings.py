"""What slices find out beside their counts: superseded rows, columns that no row has, and what a dry run foresees."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.dynamodb.dry_writer import DryWriter
from sluice.dynamodb.prices import ESTIMATE_DIGITS, WRITE_UNIT_USD
from sluice.errors import ColumnNotFoundError
from sluice.rejects import quoted_names
from sluice.runs.input import DRY_RUN
from sluice.runs.outcomes import SUCCEEDED, RangeOutcome
from sluice.runs.range_progress import Findings, RangeProgress
from sluice.runs.summary import RunError
from sluice.workflows.csv_load.superseded import SupersededRows

# The first items of the first ranges are the sample of a dry run, a hundred of them at most.
SAMPLE_OF_FIRST_RANGE, SAMPLE_OF_OTHERS, SAMPLED_RANGES = 50, 5, 11

DRY_RUN_NOTE = (
    "a dry run: nothing was written; rows that would be written count as written, and the table's items were not read"
)


def sample_items(range_index: int, slices: int) -> int:
    """How many items a slice adds to the sample."""
    if slices or range_index >= SAMPLED_RANGES:
        return 0
    return SAMPLE_OF_OTHERS if range_index else SAMPLE_OF_FIRST_RANGE


def findings_after(
    before: RangeProgress, superseded: SupersededRows | None, unseen: Iterable[str] | None, dry: DryWriter | None
) -> Findings:
    """Those of a range after one more slice. `unseen`: columns that no row of the slice had, None where it had none."""
    known, found = before.findings, set(unseen or ())
    if known.unseen is not None:
        found = found & set(known.unseen) if unseen is not None else set(known.unseen)
    count = superseded.count if superseded else 0
    return Findings(
        superseded=known.superseded + count,
        is_exact=known.is_exact and (superseded is None or superseded.is_exact),
        unseen=tuple(sorted(found)) if unseen is not None or known.unseen is not None else None,
        planned_write_units=known.planned_write_units + (dry.planned_units if dry else 0.0),
        sample_slices=(*known.sample_slices, before.slices) if dry and dry.sample else known.sample_slices,
    )


def sample_lines(dry: DryWriter) -> bytes:
    """Items of the sample as JSON Lines, in DynamoDB JSON: {"row", "item"}."""
    lines = ({"row": origin.number, "item": json.loads(body)} for origin, body in dry.sample)
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


@dataclass(frozen=True, slots=True)
class LoadFindings:
    """What the ranges of a run found together. `planned`: PlanLoad's result."""

    planned: Mapping[str, Any]
    ends: Sequence[RangeOutcome]

    @property
    def is_dry_run(self) -> bool:
        """Whether the run wrote nothing."""
        return bool(self.planned["load"].get("mode") == DRY_RUN)

    @property
    def superseded(self) -> int:
        """Rows that later rows of their ranges superseded."""
        return sum(each.findings.superseded for each in self._reached)

    @property
    def notes(self) -> list[str]:
        """What the summary says of a dry run and of superseded rows."""
        return [*([DRY_RUN_NOTE] if self.is_dry_run else []), *self._superseded_notes()]

    def _superseded_notes(self) -> list[str]:
        count = self.superseded
        if not count:
            return []
        is_exact = all(each.findings.is_exact and each.slices <= 1 for each in self._reached)
        rows, later = (f"{count:,} rows were", "later rows") if count > 1 else ("1 row was", "a later row")
        where = " in the same range; keys of different ranges are not compared" if len(self.ends) > 1 else ""
        return [f"{'' if is_exact else 'at least '}{rows} superseded by {later} with the same key{where}"]

    @property
    def error(self) -> RunError | None:
        """The error of a run that was to take a column that no row of its source has."""
        is_whole = all(each.status == SUCCEEDED for each in self.ends) and not self.planned.get("resumed")
        found = [set(each.findings.unseen) for each in self._reached if each.findings.unseen is not None]
        unseen = set.intersection(*found) if found and is_whole else set()
        if not unseen:
            return None
        columns = "columns" if len(unseen) > 1 else "column"
        problem = f"no row of the source has the {columns} {quoted_names(sorted(unseen))}, which the input names"
        return RunError(ColumnNotFoundError.__name__, problem)

    @property
    def sampled(self) -> list[tuple[int, int]]:
        """The ranges and slices that have a part of the sample."""
        return [
            (end.planned.index, number)
            for end in self.ends
            if isinstance(end.progress, RangeProgress)
            for number in end.progress.findings.sample_slices
        ]

    def to_state(self, sample_key: str) -> dict[str, Any]:
        """What the summary has of it."""
        return {
            "mode": DRY_RUN if self.is_dry_run else None,
            "superseded": self.superseded,
            "estimate": self._estimate() if self.is_dry_run else None,
            "sample": {"key": sample_key} if self.sampled else None,
        }

    @property
    def _reached(self) -> list[RangeProgress]:
        return [end.progress for end in self.ends if isinstance(end.progress, RangeProgress)]

    def _estimate(self) -> dict[str, float]:
        """What applying takes: write units without those of indexes and of larger items that are replaced."""
        units = sum(each.findings.planned_write_units for each in self._reached)
        return {"readUnits": 0, "writeUnits": units, "usd": round(units * WRITE_UNIT_USD, ESTIMATE_DIGITS)}
