"""What a run leaves to one that resumes or undoes it: its plan, how far its segments came, and who continues it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sluice.aws.clients import aws_errors
from sluice.aws.listings import keys_below
from sluice.errors import AttemptExistsError, InvalidInputError, ServiceUnavailableError, SourceNotFoundError
from sluice.runs.paths import Run
from sluice.state import FIELD, FORMAT, readable
from sluice.workflows.table_transform.input import TransformJob
from sluice.workflows.table_transform.journal import EntryKind, JournalStore, late_until, seal
from sluice.workflows.table_transform.progress import Done, TransformProgress, Unsettled

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# As many as the client has connections.
HANDOVER_READERS = 10
# By its name in the job's state, what a resumed run has in common with the one before, and the input's field.
_SAME = {
    "table": "table",
    "target": "target",
    "way": "transform",
    "where": "where",
    "mode": "mode",
    "totalSegments": "segments",
    "onConflict": "onConflict",
    "deleteSource": "deleteSource",
    "undoes": "undo",
}
_VOID = "void"


class Purpose(StrEnum):
    """Why a run continues another."""

    RESUME = "resume"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """`job` in state; `before`: what the runs did that this one resumed; `segments`: how far they are, by number.

    `runs`: the runs that it resumed, oldest first; `late_before`: their `late_until`.
    """

    name: str
    job: Mapping[str, Any]
    before: Done
    segments: Mapping[int, TransformProgress]
    runs: tuple[str, ...] = ()
    late_before: int = 0

    @property
    def late_until(self) -> int:
        """Until when workers that were given up may still send what they announced, in seconds since 1970."""
        return max([self.late_before, *(each.late_until for each in self.segments.values())])

    @property
    def total_segments(self) -> int:
        """Into how many segments the table was cut."""
        total: int = self.job["totalSegments"]
        return total

    @property
    def done(self) -> Done:
        """What was done up to now, by this run and those before it."""
        return sum((each.done for each in self.segments.values()), self.before)

    @property
    def left(self) -> dict[int, TransformProgress]:
        """The segments that were not done, and where to continue."""
        return {number: each.resumed() for number, each in self.segments.items() if not each.is_done}

    def check(self, job: TransformJob) -> None:
        """Raise InvalidInputError unless the job is the same."""
        state = job.to_state()
        for name, field in _SAME.items():
            if state[name] != self.job.get(name, state[name]):
                raise InvalidInputError(field, f"differs from that of {self.name}, which is to be resumed")

    def check_undo(self) -> TransformJob:
        """The job that is to be taken back. Raises InvalidInputError when it cannot be."""
        if "undoes" not in self.job:
            raise InvalidInputError("undo.run", f"{self.name} has no journal: an earlier version of Sluice ran it")
        job = TransformJob.from_state(self.job)
        if job.is_dry_run:
            raise InvalidInputError("undo.run", f"{self.name} is a dry run, which changed nothing")
        if job.target and job.on_conflict == "replace" and not job.deletes_source and not job.undoes:
            problem = f"{self.name} put items with onConflict replace, and what they replaced is not known"
            raise InvalidInputError("undo.run", problem)
        return job

    def check_quiet(self, now: datetime) -> None:
        """Raise InvalidInputError while workers that were given up may still send what they announced."""
        if now.timestamp() < self.late_until:
            moment = datetime.fromtimestamp(self.late_until, UTC).isoformat(timespec="minutes")
            problem = f"workers of {self.name} that were interrupted may still write until {moment}; undo it after that"
            raise InvalidInputError("undo.run", problem)


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The files that runs of a workflow leave for each other; `run` is the one that reads and writes them."""

    s3: S3Client
    bucket: str
    run: Run

    def write_plan(
        self, job: TransformJob, segments: Mapping[int, TransformProgress], earlier: EarlierRun | None
    ) -> None:
        """Write what `read` reads, once: another attempt finds the same.

        Raises InvalidInputError when another run took over because this one had no plan for a while.
        """
        plan = {
            FIELD: FORMAT,
            "transform": job.to_state(),
            "before": (earlier.done if earlier else Done()).to_state(),
            "segments": {number: each.to_state() for number, each in segments.items()},
            "runs": [*earlier.runs, earlier.name] if earlier else [],
            "lateUntil": earlier.late_until if earlier else 0,
        }
        found = self._create(self.run.plan_state_key, plan)
        if found is not None and _VOID in found:
            raise InvalidInputError("resume.run", f"run {found[_VOID]} continues the earlier run instead")

    def read(self, name: str, field: str) -> EarlierRun:
        """Another run, as far as its cursors tell. Raises InvalidInputError naming `field` when there is none.

        And AccessDeniedError, ServiceUnavailableError.
        """
        earlier = replace(self.run, name=name)
        plan = self._get(earlier.plan_state_key)
        if plan is None or _VOID in plan:
            raise InvalidInputError(field, f"{name} is not a run of {self.run.workflow} that left a plan")
        readable(plan, f"the plan of {name}")
        segments = {int(number): TransformProgress.from_state(each) for number, each in plan["segments"].items()}
        segments |= read_cursors(self.s3, self.bucket, earlier)
        before = Done.from_state(plan["before"])
        runs, late_before = tuple(plan.get("runs", ())), plan.get("lateUntil", 0)
        return EarlierRun(name, plan["transform"], before, segments, runs, late_before)

    def hand_over(self, name: str, purpose: Purpose) -> None:
        """Make this run the only one that resumes another, or one that undoes it: never both.

        Raises InvalidInputError when another run has claimed it.
        """
        key, mine = replace(self.run, name=name).handover_key, {"run": self.run.name, "purpose": purpose.value}
        found = self._create(key, mine)
        if found is None or found == mine or (purpose is Purpose.UNDO and found["purpose"] == purpose):
            return
        if not self._void(found["run"]):
            done = "undone" if found["purpose"] == Purpose.UNDO else "resumed"
            problem = f"{name} was {done} by {found['run']}: {purpose.value} that run instead"
            raise InvalidInputError(f"{purpose.value}.run", problem)
        with aws_errors(f"s3://{self.bucket}/{key}"):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(mine).encode())

    def _void(self, name: str) -> bool:
        """Keep a run that claimed another one from planning it; False when it has a plan already."""
        key = replace(self.run, name=name).plan_state_key
        found = self._create(key, {FIELD: FORMAT, _VOID: self.run.name})
        return found is None or found.get(_VOID) == self.run.name

    def seal(self, earlier: EarlierRun) -> EarlierRun:
        """Close the open journals of a run, whose workers then announce nothing more; how far its segments came.

        Raises AccessDeniedError, ServiceUnavailableError.
        """
        run = replace(self.run, name=earlier.name)

        def sealed(number: int, progress: TransformProgress) -> TransformProgress:
            store = JournalStore(self.s3, self.bucket, run, number)
            return progress if progress.is_done else _sealed(store, progress, self.run.name)

        with ThreadPoolExecutor(HANDOVER_READERS) as readers:
            found = readers.map(sealed, earlier.segments.keys(), earlier.segments.values())
            return replace(earlier, segments=dict(zip(earlier.segments, found, strict=True)))

    def _create(self, key: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
        """Write a file unless it is there; returns the one that is."""
        exists = AttemptExistsError()
        named = {"PreconditionFailed": exists, "ConditionalRequestConflict": exists}
        try:
            with aws_errors(f"s3://{self.bucket}/{key}", named):
                self.s3.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(content).encode(), IfNoneMatch="*")
        except AttemptExistsError:
            found = self._get(key)
            if found is None:
                raise ServiceUnavailableError(f"s3://{self.bucket}/{key}: another request is creating it") from None
            return found
        return None

    def _get(self, key: str) -> dict[str, Any] | None:
        missing = SourceNotFoundError(f"there is no s3://{self.bucket}/{key}")
        try:
            with aws_errors(f"s3://{self.bucket}/{key}", {"NoSuchKey": missing}):
                found: dict[str, Any] = json.loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        except SourceNotFoundError:
            return None
        return found


def _sealed(store: JournalStore, progress: TransformProgress, by: str) -> TransformProgress:
    """How far a segment came, with the changes that its last slice announced as unsettled."""
    while not progress.is_done:
        number = progress.slices
        entries = seal(store, number, by)
        if entries[-1].kind is EntryKind.END:
            progress = TransformProgress.from_state(entries[-1].head["progress"])
            continue
        if len(entries) == 1:
            return progress
        tried = [replace(each, was_tried=True) for each in progress.unsettled]
        return replace(
            progress,
            unsettled=(*tried, Unsettled(store.run.name, number, 0, len(entries) - 1)),
            late_until=max(progress.late_until, late_until(entries)),
        )
    return progress


def read_cursors(s3: S3Client, bucket: str, run: Run) -> dict[int, TransformProgress]:
    """How far segments have come, by number; those that have done no slice are missing.

    Raises AccessDeniedError, ServiceUnavailableError.
    """

    def read(key: str) -> TransformProgress:
        return TransformProgress.from_state(json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))

    with aws_errors(f"s3://{bucket}/{run.cursors_prefix}"), ThreadPoolExecutor(HANDOVER_READERS) as readers:
        keys = list(keys_below(s3, bucket, run.cursors_prefix))
        return dict(zip(map(run.segment_of_cursor, keys), readers.map(read, keys), strict=True))
