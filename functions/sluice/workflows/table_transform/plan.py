"""A run that is gone on with: what it was asked for, and how far its segments have come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sluice.aws.clients import aws_errors
from sluice.aws.wire import Attempts
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.tables import describe_table, find_table
from sluice.errors import InvalidInputError, PointInTimeRecoveryError, SourceNotFoundError, WireError
from sluice.limits import CHILD_INPUT_MAX_BYTES
from sluice.run_item.item import RunItem
from sluice.runs.paths import Run
from sluice.runs.segments import mean_item_bytes, segments_for
from sluice.state import FIELD, FORMAT, readable
from sluice.workflows.table_transform.change_sender import Call
from sluice.workflows.table_transform.changes import Where
from sluice.workflows.table_transform.input import Table, TransformInput, TransformJob
from sluice.workflows.table_transform.progress import Done, TransformProgress
from sluice.workflows.table_transform.scan import ItemScan
from sluice.workflows.table_transform.slice import check_way

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
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
        """Raise InvalidInputError unless the job is the same."""
        state = job.to_state()
        for name, field in _SAME.items():
            if state[name] != self.job[name]:
                raise InvalidInputError(field, f"differs from that of {self.name}, which is to be gone on with")


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


# Before and after of so many items are kept where no more are to be verified.
SAMPLE = 100


@dataclass(frozen=True, slots=True)
class TransformPlan:
    """`segments`: those to be worked through, and where each begins; `children` work at the same time.

    `items`: how many the table has, as far as DescribeTable knows.
    """

    job: TransformJob
    segments: Mapping[int, TransformProgress]
    children: int
    run_item: RunItem
    items: int

    def to_state(self, run: Run, bucket: str) -> dict[str, Any]:
        """What the state machine gets to know beside the input's own numbers."""
        return {
            "transform": self.job.to_state(),
            "plan": {"bucket": bucket, "key": run.segments_key, "segments": len(self.segments)},
            "maxConcurrency": self.children,
        }


def plan_transform(
    dynamodb_client: DynamoDBClient,
    call: Call,
    request: TransformInput,
    run: Run,
    *,
    children: int,
    earlier: EarlierRun | None,
) -> TransformPlan:
    """Check all that can be checked beforehand, and plan the segments: those that `earlier` has left, else all.

    `children` work through them at the same time.

    Raises InvalidInputError, TableNotFoundError, PointInTimeRecoveryError, AccessDeniedError, ServiceUnavailableError,
    ThrottledError.
    """
    described = describe_table(dynamodb_client, request.table)
    table = Table(request.table, KeySchema.from_describe_table(described))
    target = Table(request.target, find_table(dynamodb_client, request.target)) if request.target else None
    items = int(described.get("ItemCount", 0))
    planned = earlier.total_segments if earlier else segments_for(items, request.max_concurrency)
    total = request.segments or planned
    segments = earlier.left if earlier else {number: TransformProgress() for number in range(total)}
    run_item = RunItem(run.item_key, request.limits, min(children, max(len(segments), 1)))
    job = _job(request, table, target, total_segments=total, run_item=run_item, item_bytes=mean_item_bytes(described))
    _check(dynamodb_client, call, request, job)
    if earlier:
        earlier.check(job)
    return TransformPlan(job, segments, children, run_item, items)


def _job(
    request: TransformInput,
    table: Table,
    target: Table | None,
    *,
    total_segments: int,
    run_item: RunItem,
    item_bytes: float | None,
) -> TransformJob:
    return TransformJob(
        table=table,
        target=target,
        way=request.way,
        where=request.where,
        mode=request.mode,
        total_segments=total_segments,
        on_conflict=request.on_conflict,
        deletes_source=request.deletes_source,
        run_item=run_item.to_state(),
        sample_per_segment=-(-max(SAMPLE, request.verify_sample or 0) // total_segments),
        item_bytes=item_bytes,
    )


def _check(dynamodb_client: DynamoDBClient, call: Call, request: TransformInput, job: TransformJob) -> None:
    check_way(job)
    (way,) = job.way
    size = len(json.dumps(job.to_state(), ensure_ascii=False).encode("utf-8", "replace"))
    if size > CHILD_INPUT_MAX_BYTES:
        raise InvalidInputError(way, f"with all else it takes {size:,} bytes, more than {CHILD_INPUT_MAX_BYTES:,}")
    if request.changes_table and not request.without_backup:
        _check_recovery(dynamodb_client, request.table)
    if request.where:
        _check_where(call, job.table.name, request.where)


def _check_recovery(dynamodb_client: DynamoDBClient, table: str) -> None:
    with aws_errors(f"table {table}"):
        backups = dynamodb_client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
    if recovery != "ENABLED":
        raise PointInTimeRecoveryError(
            f"point-in-time recovery of {table} is off, and a transform that is wrong could not be undone: "
            "turn it on, or give withoutBackup: true"
        )


def _check_where(call: Call, table: str, where: Where) -> None:
    """Have DynamoDB read the expression with the first item."""
    try:
        call("Scan", ItemScan(table, 0, 1, where).body(None, 1), Attempts())
    except WireError as error:
        raise InvalidInputError("where", f"DynamoDB refuses it: {error.message}") from error
