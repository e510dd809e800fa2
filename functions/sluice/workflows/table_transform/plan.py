"""Checks all that can be checked before an item is read, and plans the segments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sluice.aws.clients import aws_errors
from sluice.aws.wire import Attempts
from sluice.dynamodb.keys import KeySchema
from sluice.dynamodb.tables import describe_table
from sluice.errors import InvalidInputError, PointInTimeRecoveryError, WireError
from sluice.limits import CHILD_INPUT_MAX_BYTES
from sluice.run_item.item import RunItem
from sluice.runs.paths import Run
from sluice.runs.segments import mean_item_bytes, segments_for
from sluice.workflows.table_transform.change_sender import Call
from sluice.workflows.table_transform.checks import index_keys
from sluice.workflows.table_transform.handover import EarlierRun
from sluice.workflows.table_transform.input import Table, TransformInput, TransformJob
from sluice.workflows.table_transform.progress import TransformProgress
from sluice.workflows.table_transform.requests import ItemFilter
from sluice.workflows.table_transform.scan import ItemScan
from sluice.workflows.table_transform.work import plan_for

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


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
    earlier: EarlierRun | None = None,
    undoes: tuple[str, ...] = (),
) -> TransformPlan:
    """Check all that can be checked beforehand, and plan the segments: those that `earlier` has left, else all.

    `children` work through them at the same time. `undoes`: the runs that are taken back, oldest first.

    Raises InvalidInputError, TableNotFoundError, PointInTimeRecoveryError, AccessDeniedError, ServiceUnavailableError,
    ThrottledError.
    """
    described = describe_table(dynamodb_client, request.table)
    described_target = describe_table(dynamodb_client, request.target) if request.target else None
    items = int(described.get("ItemCount", 0))
    planned = earlier.total_segments if earlier else segments_for(items, request.max_concurrency)
    total = request.segments or planned
    segments = earlier.left if earlier else {number: TransformProgress() for number in range(total)}
    run_item = RunItem(run.item_key, request.limits, min(children, max(len(segments), 1)))
    job = _job(request, described, described_target, total_segments=total, run_item=run_item)
    job = replace(job, undoes=undoes)
    _check(dynamodb_client, call, request, job)
    if earlier:
        earlier.check(job)
    return TransformPlan(job, segments, children, run_item, items)


def _job(
    request: TransformInput,
    described: Mapping[str, Any],
    described_target: Mapping[str, Any] | None,
    *,
    total_segments: int,
    run_item: RunItem,
) -> TransformJob:
    tables = {"table": described} | ({"target": described_target} if described_target else {})
    target = request.target and described_target and _table(request.target, described_target)
    return TransformJob(
        table=_table(request.table, described),
        target=target or None,
        item_source=request.item_source,
        where=request.where,
        mode=request.mode,
        total_segments=total_segments,
        on_conflict=request.on_conflict,
        deletes_source=request.deletes_source,
        run_item=run_item.to_state(),
        sample_per_segment=-(-max(SAMPLE, request.verify_sample or 0) // total_segments),
        item_bytes=mean_item_bytes(described),
        indexes={side: index_keys(each) for side, each in tables.items()},
    )


def _table(name: str, described: Mapping[str, Any]) -> Table:
    return Table(name, KeySchema.from_describe_table(described))


def _check(dynamodb_client: DynamoDBClient, call: Call, request: TransformInput, job: TransformJob) -> None:
    plan_for(job)
    item_source = next(iter(job.item_source), "undo")
    size = len(json.dumps(job.to_state(), ensure_ascii=False).encode("utf-8", "replace"))
    if size > CHILD_INPUT_MAX_BYTES:
        raise InvalidInputError(
            item_source,
            f"together with the rest of the plan it takes {size:,} bytes, more than {CHILD_INPUT_MAX_BYTES:,}",
        )
    if request.changes_table and not request.without_backup:
        _check_recovery(dynamodb_client, request.table)
    if request.where:
        _check_where(call, job.table, request.where)


def _check_recovery(dynamodb_client: DynamoDBClient, table: str) -> None:
    with aws_errors(f"table {table}"):
        backups = dynamodb_client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
    if recovery != "ENABLED":
        raise PointInTimeRecoveryError(
            f"point-in-time recovery of {table} is off, and a transform that is wrong could not be undone: "
            "turn it on, or give withoutBackup: true"
        )


def _check_where(call: Call, table: Table, where: ItemFilter) -> None:
    """Have DynamoDB read the expression with the first item."""
    try:
        call("Scan", ItemScan(table, 0, 1, where).body(None, 1), Attempts())
    except WireError as error:
        raise InvalidInputError("where", f"DynamoDB refuses it: {error.message}") from error
