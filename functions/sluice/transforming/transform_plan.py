"""From an execution's input to its plan: everything is checked before a segment is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluice.aws import aws_errors
from sluice.errors import InvalidInputError, PointInTimeRecoveryError, WireError
from sluice.keys import KeySchema
from sluice.time_left import CHILD_INPUT_MAX_BYTES
from sluice.pacing.budget import Budget, state_of
from sluice.run import Run
from sluice.segments import mean_item_bytes, segments_for
from sluice.transforming.carriers import check_way
from sluice.transforming.change_sender import Call
from sluice.transforming.earlier_run import EarlierRun
from sluice.transforming.item_scan import ItemScan
from sluice.transforming.transform_input import TransformInput
from sluice.transforming.transform_job import Table, TransformJob
from sluice.transforming.transform_progress import TransformProgress
from sluice.transforming.update_requests import Where
from sluice.writing.tables import describe_table, find_table
from sluice.writing.wire import Attempts

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Before and after of so many items are kept where no more are to be verified.
SAMPLE = 100


@dataclass(frozen=True, slots=True)
class TransformPlan:
    """`segments`: those to be worked through, and where each begins; `children` work at the same time."""

    job: TransformJob
    segments: Mapping[int, TransformProgress]
    children: int
    budget: Budget | None

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
    asked: TransformInput,
    run: Run,
    *,
    budget_table: str,
    children: int,
    earlier: EarlierRun | None,
) -> TransformPlan:
    """Check all that can be checked beforehand, and plan the segments: those that `earlier` has left, else all.

    `children` work through them at the same time.

    Raises InvalidInputError, TableNotFoundError, PointInTimeRecoveryError, AccessDeniedError, ServiceUnavailableError,
    ThrottledError.
    """
    described = describe_table(dynamodb_client, asked.table)
    table = Table(asked.table, KeySchema.from_describe_table(described))
    target = Table(asked.target, find_table(dynamodb_client, asked.target)) if asked.target else None
    items = int(described.get("ItemCount", 0))
    planned = earlier.total_segments if earlier else segments_for(items, asked.max_concurrency)
    total = asked.segments or planned
    segments = earlier.left if earlier else {number: TransformProgress() for number in range(total)}
    budget = Budget.for_run(budget_table, run.item_key, asked.limits, min(children, max(len(segments), 1)))
    job = _job(asked, table, target, total_segments=total, budget=budget, item_bytes=mean_item_bytes(described))
    _check(dynamodb_client, call, asked, job)
    if earlier:
        earlier.check(job)
    return TransformPlan(job, segments, children, budget)


def _job(
    asked: TransformInput,
    table: Table,
    target: Table | None,
    *,
    total_segments: int,
    budget: Budget | None,
    item_bytes: float | None,
) -> TransformJob:
    return TransformJob(
        table=table,
        target=target,
        way=asked.way,
        where=asked.where,
        mode=asked.mode,
        total_segments=total_segments,
        on_conflict=asked.on_conflict,
        deletes_source=asked.deletes_source,
        budget=state_of(budget),
        sample_per_segment=-(-max(SAMPLE, asked.verify_sample or 0) // total_segments),
        item_bytes=item_bytes,
    )


def _check(dynamodb_client: DynamoDBClient, call: Call, asked: TransformInput, job: TransformJob) -> None:
    check_way(job)
    (way,) = job.way
    size = len(json.dumps(job.to_state(), ensure_ascii=False).encode("utf-8", "replace"))
    if size > CHILD_INPUT_MAX_BYTES:
        raise InvalidInputError(way, f"with all else it takes {size:,} bytes, more than {CHILD_INPUT_MAX_BYTES:,}")
    if asked.changes_table and not asked.without_backup:
        _check_recovery(dynamodb_client, asked.table)
    if asked.where:
        _check_where(call, job.table.name, asked.where)


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
