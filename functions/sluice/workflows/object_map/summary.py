"""The summary of an object_map run: what became of each object, from the records of its Map Run, and why it failed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sluice.errors import CountsDoNotReconcileError, ObjectsFailedError, StoppedError
from sluice.runs.chains import WorkBefore
from sluice.runs.counts import Counts
from sluice.runs.input import DRY_RUN, ToleratedFailures
from sluice.runs.outcomes import SUCCEEDED
from sluice.runs.paths import Run
from sluice.runs.reasons import rejects_state
from sluice.runs.summary import RunError, Status, notes_in, summary_state, too_many_rejects
from sluice.runs.undone import NOT_STARTED, ItemsDone
from sluice.workflows.object_map.listing import Listing


def result_lines(record: Mapping[str, Any]) -> Iterator[bytes]:
    """What a function returned for the objects of a batch: {"Bucket", "Key", "VersionId", "result"} per object."""
    if record["Status"] != SUCCEEDED:
        return
    results = json.loads(record["Output"]).get("results") or []
    items = json.loads(record["Input"])["Items"] if results else []
    for each in results:
        item = items[each["index"]]
        line = {name: item[name] for name in ("Bucket", "Key", "VersionId")} | {"result": each["result"]}
        yield json.dumps(line, ensure_ascii=False).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class ObjectMapSummary:
    """What an object_map run did. `planned`: PlanActions' result, empty where it has failed.

    `listing`: None unless it is complete. `results`: how many objects a function returned something for.
    """

    run: Run
    bucket: str
    planned: Mapping[str, Any]
    listing: Listing | None
    done: ItemsDone
    results: int
    error: RunError | None

    @property
    def is_dry_run(self) -> bool:
        """Whether the objects were only counted."""
        return bool(self.planned.get("mode") == DRY_RUN)

    @property
    def counts(self) -> Counts:
        """`written`: the action was done. Objects that no record has are failed ones, unless the run was stopped."""
        done = self.done
        lost = 0
        if self.listing and not self.is_dry_run and not done.stopped_batches:
            lost = max(self.listing.objects - done.done, 0)
        return Counts(
            read=done.done + lost,
            written=done.written,
            skipped=done.skipped,
            rejected=done.rejected,
            failed=done.failed + lost,
        )

    @property
    def status(self) -> Status:
        """STOPPED or FAILED with an error; else PARTIAL when any object failed."""
        return Status.of(self.error, is_partial=bool(self.counts.failed))

    def to_state(self) -> dict[str, Any]:
        """The summary object, with what only this workflow has.

        `objects`: {"listed", "bytes": their sizes, "filtered": those that the filters left out}. `functionResults`:
        {"key", "objects"}. `resumed`: {"run": the run that this one continues, "total": what they did together}.
        """
        counts, run, listing = self.counts, self.run, self.listing
        common = summary_state(
            run,
            self.bucket,
            status=self.status,
            counts=counts,
            error=self.error,
            rejects=rejects_state(run.rejects_key, self.done.reasons) if counts.rejected else None,
            failures=self._failures(),
            notes=notes_in(self.planned),
        )
        return {
            **common,
            "mode": self.planned.get("mode"),
            "objects": listing
            and {"listed": listing.objects, "bytes": listing.bytes, "filtered": listing.seen - listing.objects},
            "functionResults": {"key": run.function_results_key, "objects": self.results} if self.results else None,
            "resumed": self._resumed(),
        }

    def _failures(self) -> dict[str, Any] | None:
        done, run = self.done, self.run
        if not done.failed:
            return None
        why = {"errors": dict(done.errors.counts), "examples": done.errors.examples}
        return {"key": run.failures_key, "objects": run.failed_objects_key, "batches": done.failed_batches, **why}

    def _resumed(self) -> dict[str, Any] | None:
        earlier = self.planned.get("resumedRun")
        if not earlier or self.listing is None:
            return None
        return {"run": earlier, "total": WorkBefore(self.listing.before + self.counts).to_state()}


def failure_reason_of_objects(summary: ObjectMapSummary) -> RunError | None:
    """Why the run failed: by its own error, a stop, counts that do not add up, failed objects, or rejects."""
    if summary.error and summary.error.exceeds_threshold:
        return _too_many_failed(summary) or summary.error
    if summary.error or summary.listing is None or summary.is_dry_run:
        return summary.error
    return (
        _stop(summary, summary.listing)
        or _unaccounted(summary, summary.listing)
        or _too_many_failed(summary)
        or summary.done.reasons.explain(
            too_many_rejects(summary.counts, summary.planned["rejectsTolerated"], what="objects", done="done")
        )
    )


def _stop(summary: ObjectMapSummary, listing: Listing) -> RunError | None:
    stopped = summary.done.stopped_batches
    if not stopped:
        return None
    problem = f"the run was stopped: {stopped:,} of {listing.batches:,} batches are not done"
    return RunError(StoppedError.__name__, problem)


def _unaccounted(summary: ObjectMapSummary, listing: Listing) -> RunError | None:
    done = summary.done.done
    if listing.objects == done:
        return None
    return RunError(CountsDoNotReconcileError.__name__, f"{listing.objects:,} objects listed, {done:,} accounted for")


def _too_many_failed(summary: ObjectMapSummary) -> RunError | None:
    counts = summary.counts
    limit = ToleratedFailures.from_state(summary.planned).exceeded(counts.failed, counts.read)
    if limit is None:
        return None
    errors = summary.done.errors
    own = list(errors.without(NOT_STARTED).counts)
    name = own[0] if len(own) == 1 else ObjectsFailedError.__name__
    problem = f"{counts.failed:,} of {counts.read:,} objects failed, more than the {limit} tolerated"
    return errors.explain(RunError(name, problem))
