"""table_export, export_process, and the role that starts scheduled exports."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from local_aws import clock, faults
from tests.local.deployed import Deployed
from tests.local.test_export_process import data_files, export, source_table
from tests.local.test_export_schedule import physical_role, queue_arn, state_of
from tests.local.waiting import until
from tests.permissions.exercises.runs import Awaited, Execution, Exercise, Started, at_once, run, update

HALF_AN_HOUR = 1_800
# More than the removals of permissions that need a table to export.
TABLES = 60
LONG_EXPORT_SECONDS = 5
LONG_AGO = "2026-01-01T00:00:00.000Z"


def exercises(stack: Deployed) -> tuple[Exercise, ...]:
    """The exercises, which share tables and exports that this call makes. It puts the clock forward."""
    tables = _recoverable(stack, TABLES)
    table = source_table(stack, 3)
    arn = export(stack, table)
    return (
        update("table_export"),
        update("export_process"),
        run("export_process", lambda stack: _into(stack, {"bucket": stack.bucket, "key": "no/manifest-summary.json"})),
        run("export_process", lambda stack: _into(stack, arn)),
        run("export_process", lambda stack: _into(stack, arn, "newerOnly", maxWriteUnitsPerSecond=1_000)),
        run("export_process", lambda _stack: {"export": arn, "sink": {"prefix": f"output/{uuid4().hex}/"}}),
        run("export_process", lambda stack: _mirrored(stack, arn)),
        run("export_process", lambda stack: _into(stack, _versioned(stack, arn))),
        run("export_process", lambda stack: _into(stack, _versioned(stack, arn), "newerOnly", mirror=True)),
        run("export_process", lambda stack: _into(stack, _changed(stack, arn, is_missing=True))),
        run("export_process", lambda stack: _into(stack, _changed(stack, arn), verify=False)),
        run("table_export", lambda _stack: {"table": next(tables), "pollSeconds": 1}),
        at_once(lambda stack: _second_run(stack, next(tables))),
        at_once(lambda stack: _lost_export(stack, next(tables))),
        run("table_export", lambda stack: _processed(stack, next(tables))),
        at_once(lambda stack: _scheduled(stack, next(tables))),
        at_once(_undeliverable),
    )


def _recoverable(stack: Deployed, count: int) -> Iterator[str]:
    """Tables whose point-in-time recovery has been on for half an hour."""
    names = [stack.new_table() for _ in range(count)]
    recovery: Any = {"PointInTimeRecoveryEnabled": True}
    for name in names:
        stack.dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
    clock.advance(stack.aws, HALF_AN_HOUR)
    return iter(names)


def _into(stack: Deployed, exported: Any, guard: str | None = None, **fields: Any) -> dict[str, Any]:
    sink = {"table": stack.new_table("id", "at", "SN")} | ({"guard": guard} if guard else {})
    return {"export": exported, "sink": sink, **fields}


def _mirrored(stack: Deployed, arn: str) -> dict[str, Any]:
    """A copy that has an item which the export lacks."""
    document = _into(stack, arn, "newerOnly", mirror=True, adopt=True)
    stack.put_items(document["sink"]["table"], [{"id": {"S": "deleted"}, "at": {"N": "1"}}])
    return document


def _versioned(stack: Deployed, arn: str) -> dict[str, str]:
    """The export's files in a bucket that keeps versions; returns where its summary is."""
    return _copied(stack, arn, stack.versioned_bucket())


def _changed(stack: Deployed, arn: str, *, is_missing: bool = False) -> dict[str, str]:
    """A copy of the export with a bad item in a data file, or without that file; returns where its summary is."""
    manifest = _copied(stack, arn, stack.versioned_bucket() + "-changed")
    key = data_files(stack, arn)[0]["dataFileS3Key"]
    if is_missing:
        stack.s3.delete_object(Bucket=manifest["bucket"], Key=key)
    else:
        body = gzip.decompress(stack.object(key)).replace(b'"tags":{"SS":["a","b"]}', b'"tags":{"SS":["a","a"]}', 1)
        stack.s3.put_object(Bucket=manifest["bucket"], Key=key, Body=gzip.compress(body))
    return manifest


def _copied(stack: Deployed, arn: str, bucket: str) -> dict[str, str]:
    stack.s3.create_bucket(Bucket=bucket)
    manifest = stack.dynamodb.describe_export(ExportArn=arn)["ExportDescription"]["ExportManifest"]
    listed = stack.s3.list_objects_v2(Bucket=stack.bucket, Prefix=manifest.rpartition("/")[0])
    for each in listed["Contents"]:
        stack.s3.put_object(Bucket=bucket, Key=each["Key"], Body=stack.object(each["Key"]))
    return {"bucket": bucket, "key": manifest}


def _processed(stack: Deployed, table: str) -> dict[str, Any]:
    return {
        "table": table,
        "pollSeconds": 1,
        "process": {"sink": {"table": stack.new_table(), "guard": "newerOnly"}},
    }


def _second_run(stack: Deployed, table: str) -> Started:
    """A run that finds the lease of another one, which is live."""
    faults.let_exports_take(stack.aws, LONG_EXPORT_SECONDS)
    document = {"table": table, "pollSeconds": 1}
    stack.start("table_export", document)
    until(lambda: "exportArn" in state_of(stack, table).get("current", {}).get("M", {}))
    faults.let_exports_take(stack.aws, faults.EXPORT_SECONDS)
    return Execution(stack, stack.start("table_export", document))


def _lost_export(stack: Deployed, table: str) -> Started:
    """A run that finds the ledger of one that died before it could note the export that it had started."""
    document = {"table": table, "pollSeconds": 1}
    (made,) = stack.run("table_export", document).summary["exports"]
    token = stack.dynamodb.describe_export(ExportArn=made["exportArn"])["ExportDescription"]["ClientToken"]
    lost = {
        "type": {"S": "FULL_EXPORT"},
        "to": {"S": made["to"]},
        "startedAt": {"S": LONG_AGO},
        "bucket": {"S": stack.bucket},
        "prefix": {"S": f"exports/{table}"},
        "viewType": {"S": "NEW_AND_OLD_IMAGES"},
        "attempt": {"N": "0"},
        "clientToken": {"S": token},
    }
    stack.dynamodb.update_item(
        TableName=stack.outputs["ExportLedgerTable"],
        Key={"table": {"S": table}, "entry": {"S": "STATE"}},
        UpdateExpression="SET #current = :lost REMOVE watermark",
        ExpressionAttributeNames={"#current": "current"},
        ExpressionAttributeValues={":lost": {"M": lost}},
    )
    return Execution(stack, stack.start("table_export", document))


def _scheduled(stack: Deployed, table: str) -> Started:
    name = _schedule(stack, "table_export", {"table": table, "pollSeconds": 1})
    return Awaited(lambda: state_of(stack, table).get("watermark"), lambda: _unschedule(stack, name))


def _undeliverable(stack: Deployed) -> Started:
    """A start that the role may not make, and that goes to the dead-letter queue."""
    document = {"table": uuid4().hex}
    name = _schedule(stack, "csv_load", document)
    queue = stack.outputs["ExportDeadLetterQueueUrl"]
    return Awaited(
        lambda: document in [json.loads(each["Body"]) for each in _letters(stack, queue)],
        lambda: _unschedule(stack, name),
    )


def _letters(stack: Deployed, queue: str) -> list[Any]:
    return list(stack.client("sqs").receive_message(QueueUrl=queue).get("Messages", []))


def _schedule(stack: Deployed, workflow: str, document: dict[str, Any]) -> str:
    name = f"schedule-{uuid4().hex[:12]}"
    stack.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression="rate(365 days)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": stack.machine_arn(workflow),
            "RoleArn": physical_role(stack),
            "Input": json.dumps(document),
            "RetryPolicy": {"MaximumRetryAttempts": 0},
            "DeadLetterConfig": {"Arn": queue_arn(stack)},
        },
    )
    return name


def _unschedule(stack: Deployed, name: str) -> None:
    stack.client("scheduler").delete_schedule(Name=name)
