"""A run that is gone on with: what it was asked for, and how far its segments have come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sluice.aws import aws_errors
from sluice.errors import InvalidInputError, SourceNotFoundError
from sluice.format_version import FIELD, FORMAT, readable
from sluice.run import Run
from sluice.transforming.transform_job import TransformJob
from sluice.transforming.transform_progress import Done, TransformProgress

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# As many as the client has connections.
READERS = 10
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
}


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """`job` in state; `before`: what the runs did that this one went on with; `segments`: where they are, by number."""

    name: str
    job: Mapping[str, Any]
    before: Done
    segments: Mapping[int, TransformProgress]

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
        """The segments that were not done, and where to go on."""
        return {number: each.resumed() for number, each in self.segments.items() if not each.is_done}

    def check(self, job: TransformJob) -> None:
        """Raise InvalidInputError unless the job is the same, and something of it is left."""
        state = job.to_state()
        for name, field in _SAME.items():
            if state[name] != self.job[name]:
                raise InvalidInputError(field, f"differs from that of {self.name}, which is to be gone on with")
        if not self.left:
            raise InvalidInputError("resume.run", f"{self.name} has come to the end of all its segments")


def leave_plan(
    s3: S3Client, bucket: str, run: Run, job: TransformJob, *, segments: Mapping[int, TransformProgress], before: Done
) -> None:
    """Write what `read_earlier` reads; writing it again is harmless."""
    plan = {
        FIELD: FORMAT,
        "transform": job.to_state(),
        "before": before.to_state(),
        "segments": {number: each.to_state() for number, each in segments.items()},
    }
    with aws_errors(f"s3://{bucket}/{run.plan_state_key}"):
        s3.put_object(Bucket=bucket, Key=run.plan_state_key, Body=json.dumps(plan).encode())


def read_earlier(s3: S3Client, bucket: str, run: Run, name: str) -> EarlierRun:
    """Another run of the workflow of `run`. Raises InvalidInputError when there is none of the name.

    And AccessDeniedError, ServiceUnavailableError.
    """
    earlier = replace(run, name=name)
    missing = SourceNotFoundError(f"there is no s3://{bucket}/{earlier.plan_state_key}")
    try:
        with aws_errors(f"s3://{bucket}/{earlier.plan_state_key}", {"NoSuchKey": missing}):
            plan = json.loads(s3.get_object(Bucket=bucket, Key=earlier.plan_state_key)["Body"].read())
    except SourceNotFoundError as error:
        problem = f"{name} is no run of {run.workflow} that has left a plan"
        raise InvalidInputError("resume.run", problem) from error
    readable(plan, f"the plan of {name}")
    segments = {int(number): TransformProgress.from_state(each) for number, each in plan["segments"].items()}
    segments |= read_cursors(s3, bucket, earlier)
    return EarlierRun(name, plan["transform"], Done.from_state(plan["before"]), segments)


def read_cursors(s3: S3Client, bucket: str, run: Run) -> dict[int, TransformProgress]:
    """How far segments have come, by number; those that have done no slice are missing.

    Raises AccessDeniedError, ServiceUnavailableError.
    """

    def read(key: str) -> TransformProgress:
        return TransformProgress.from_state(json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))

    with aws_errors(f"s3://{bucket}/{run.cursors_prefix}"), ThreadPoolExecutor(READERS) as readers:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=run.cursors_prefix)
        keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
        return dict(zip(map(run.segment_of_cursor, keys), readers.map(read, keys), strict=True))
