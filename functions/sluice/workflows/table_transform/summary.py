"""The summary of a table_transform run: what became of its items, and what applying a dry run would cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sluice.dynamodb.prices import ESTIMATE_DIGITS, units_usd
from sluice.runs.columns_found import column_not_found
from sluice.runs.input import DRY_RUN
from sluice.runs.outcomes import RangeOutcome
from sluice.runs.summary import Summary
from sluice.workflows.table_transform.progress import Done, TransformProgress

# A PutObject request in us-east-1, storage class Standard. https://aws.amazon.com/s3/pricing/
PUT_USD = 5e-6


@dataclass(frozen=True, slots=True)
class TransformSummary:
    """`planned`: PlanTransform's result, empty where it has failed. `verified`: VerifySample's, None without."""

    common: Summary
    planned: Mapping[str, Any]
    done: Done
    is_sampled: bool
    verified: Mapping[str, Any] | None

    def to_state(self) -> dict[str, Any]:
        """The summary object, with what only this workflow has."""
        done, mode = self.done, self.planned["transform"]["mode"] if self.planned else None
        return self.common.to_state() | {
            "capacity": {"readUnits": done.read_units, "writeUnits": done.write_units},
            "mode": mode,
            "changes": asdict(done.changes),
            "scanned": done.scanned,
            "plannedWriteUnits": done.planned_write_units,
            "estimate": estimate(done) if mode == DRY_RUN else None,
            "sample": {"key": self.common.run.sample_key} if self.is_sampled else None,
            "verified": self.verified,
            "resumed": self._resumed(),
        }

    def _resumed(self) -> dict[str, Any] | None:
        """What the runs of the chain did together."""
        resumed = self.planned.get("resumed")
        if not resumed:
            return None
        return {"run": resumed["run"], "total": (Done.from_state(resumed["done"]) + self.done).to_state()}


def estimate(done: Done) -> dict[str, float]:
    """What applying takes: the same reads, the planned writes, the journal. Indexes' own writes are not in it."""
    read, write, puts = done.read_units, done.planned_write_units, done.planned_puts
    usd = round(units_usd(read, write) + puts * PUT_USD, ESTIMATE_DIGITS)
    return {"readUnits": read, "writeUnits": write, "journalPuts": puts, "usd": usd}


def reached(outcomes: Sequence[RangeOutcome], cursors: Mapping[int, TransformProgress]) -> list[RangeOutcome]:
    """The outcomes, those of failed segments with what they have done up to their cursors."""
    return [
        replace(end, progress=cursors.get(end.planned.index, end.progress)) if end.has_failed else end
        for end in outcomes
    ]


def with_own_errors(common: Summary, planned: Mapping[str, Any], done: Done) -> Summary:
    """The summary with the error of a mapping that takes what no item has, or of a run that made no item.

    In place, items that stay as they are are a success; a run that continues another knows only a part.
    """
    job = planned.get("transform") or {}
    if common.error or planned.get("resumed") or job.get("undoes"):
        return common
    omitted = done.changes.unchanged if job.get("target") else 0
    common = replace(common, omitted=omitted, row_noun="items")
    error = column_not_found(done.columns, f"none of the {common.counts.read:,} items has")
    return replace(common, error=error or common.nothing_written)


def done_by(outcomes: Sequence[RangeOutcome]) -> Done:
    """What the segments have done together."""
    return sum((end.progress.done for end in outcomes if isinstance(end.progress, TransformProgress)), Done())


def summarize_transform(
    common: Summary, planned: Mapping[str, Any], outcomes: Sequence[RangeOutcome], verified: Mapping[str, Any] | None
) -> TransformSummary:
    """Sum up what only segments tell."""
    progresses = [end.progress for end in outcomes if isinstance(end.progress, TransformProgress)]
    return TransformSummary(
        common, planned, done_by(outcomes), any(each.sample_slices for each in progresses), verified
    )
