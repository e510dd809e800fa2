"""export_process on the deployed stack: the copy equals the source, and every record is accounted for."""

from __future__ import annotations

import gzip
import json
import random
from typing import Any

import pytest

from local_aws import clock, faults
from tests.local.deployed import Deployed, Ended
from tests.local.map_runs import map_runs

pytestmark = pytest.mark.usefixtures("no_faults_left")

HOUR = 3600
GUARD = ("WriteTimestampMicros", "TombstoneExpiresAt")
Item = dict[str, Any]


def source_table(stack: Deployed, items: int = 200) -> str:
    """A table with items of several types, half an hour after point-in-time recovery was turned on."""
    table = stack.new_table("id", "at", "SN")
    stack.dynamodb.update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    with_items(stack, table, range(items), "first")
    clock.advance(stack.aws, HOUR / 2)
    return table


def with_items(stack: Deployed, table: str, numbers: Any, text: str) -> None:
    items: list[Item] = [
        {
            "id": {"S": f"id-{number % 7}"},
            "at": {"N": str(number)},
            "NewImage": {"M": {"text": {"S": f'{text} "{number}" é☃'}}},
            "tags": {"SS": ["a", "b"]},
        }
        for number in numbers
    ]
    stack.put_items(table, items)


def exports_with_changes(stack: Deployed, table: str, windows: int = 3) -> list[str]:
    """A full export and some incremental ones, with inserts, updates and deletes between them."""
    arns = [export(stack, table)]
    for window in range(windows):
        with_items(stack, table, range(window * 20, window * 20 + 30), f"window {window}")
        with_items(stack, table, range(1000 + window, 1005 + window), "inserted")
        for number in range(100 + window * 10, 105 + window * 10):
            key = {"id": {"S": f"id-{number % 7}"}, "at": {"N": str(number)}}
            stack.dynamodb.delete_item(TableName=table, Key=key)
        clock.advance(stack.aws, HOUR)
        arns.append(export(stack, table))
    return arns


def export(stack: Deployed, table: str, **fields: Any) -> str:
    ended = stack.run("table_export", {"table": table, "pollSeconds": 1, **fields})
    assert ended.status == "SUCCEEDED", ended.cause
    return str(ended.summary["exports"][-1]["exportArn"])


def process(stack: Deployed, arn: Any, sink: dict[str, Any], **fields: Any) -> Ended:
    return stack.run("export_process", {"export": arn, "sink": sink, **fields})


def sorted_items(stack: Deployed, table: str) -> list[Item]:
    return sorted(stack.items(table), key=lambda item: (item["id"]["S"], float(item["at"]["N"])))


def without_guard(items: list[Item]) -> list[Item]:
    """What a reader of a guarded copy sees: no tombstones, no guard attributes."""
    return [
        {name: value for name, value in item.items() if name not in GUARD}
        for item in items
        if "TombstoneExpiresAt" not in item
    ]


def data_files(stack: Deployed, arn: str) -> list[dict[str, Any]]:
    """The lines of the export's manifest that have records."""
    summary = stack.dynamodb.describe_export(ExportArn=arn)["ExportDescription"]["ExportManifest"]
    lines = stack.object(summary.replace("manifest-summary.json", "manifest-files.json")).splitlines()
    return [line for line in map(json.loads, lines) if line["itemCount"]]


def test_copy_equals_the_source_after_every_window(stack: Deployed) -> None:
    table, copy = source_table(stack), stack.new_table("id", "at", "SN")
    for position, arn in enumerate(exports_with_changes(stack, table)):
        ended = process(stack, arn, {"table": copy})
        assert (ended.status, ended.error, ended.cause) == ("SUCCEEDED", None, None)
        read, written, skipped, rejected, failed = ended.counts
        assert (read, skipped, rejected, failed) == (written, 0, 0, 0)
        assert read == (200 if position == 0 else read)
    assert sorted_items(stack, copy) == sorted_items(stack, table)


def test_guarded_copy_is_right_in_any_order_and_twice(stack: Deployed) -> None:
    table, copy = source_table(stack), stack.new_table("id", "at", "SN")
    full, *windows = exports_with_changes(stack, table)
    order = windows * 2
    random.Random(4).shuffle(order)
    for arn in [full, *order, full]:
        ended = process(stack, arn, {"table": copy, "guard": "newerOnly"})
        assert ended.status == "SUCCEEDED"
        assert ended.counts[0] == ended.counts[1] + ended.counts[2]
    assert without_guard(sorted_items(stack, copy)) == sorted_items(stack, table)


def test_finished_export_is_processed_by_itself(stack: Deployed) -> None:
    table, copy = source_table(stack), stack.new_table("id", "at", "SN")
    settings = {"sink": {"table": copy, "guard": "newerOnly"}}
    ended = stack.run("table_export", {"table": table, "pollSeconds": 1, "process": settings})
    (exported,) = ended.summary["exports"]
    assert stack.wait(exported["processExecutionArn"]).counts == (200, 200, 0, 0, 0)
    assert without_guard(sorted_items(stack, copy)) == sorted_items(stack, table)


def ten_items_of_which_five_are_deleted(stack: Deployed) -> tuple[str, str]:
    """The source, and a copy of it as it was before."""
    table, copy = source_table(stack, 10), stack.new_table("id", "at", "SN")
    assert process(stack, export(stack, table), {"table": copy, "guard": "newerOnly"}).status == "SUCCEEDED"
    delete(stack, table, range(5))
    return table, copy


def delete(stack: Deployed, table: str, numbers: Any) -> None:
    for number in numbers:
        stack.dynamodb.delete_item(TableName=table, Key={"id": {"S": f"id-{number % 7}"}, "at": {"N": str(number)}})


def test_full_export_after_a_gap_leaves_what_was_deleted_unless_it_mirrors(stack: Deployed) -> None:
    table, copy = ten_items_of_which_five_are_deleted(stack)
    clock.advance(stack.aws, 40 * 24 * HOUR)
    full, sink = export(stack, table), {"table": copy, "guard": "newerOnly"}
    plain = process(stack, full, sink)
    assert (plain.status, plain.counts) == ("SUCCEEDED", (5, 5, 0, 0, 0))
    assert "deleted in the source since may remain" in plain.notes[0]
    assert len(without_guard(sorted_items(stack, copy))) == 10
    ended = process(stack, full, sink, mirror=True)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (5, 5, 0, 0, 0)), ended.cause
    mirror = ended.summary["mirror"]
    assert (mirror["status"], mirror["live"], mirror["deleted"], mirror["tombstones"]) == ("COMPLETE", 5, 5, 0)
    assert without_guard(sorted_items(stack, copy)) == sorted_items(stack, table)
    again = process(stack, full, sink, mirror=True)
    assert {name: again.summary["mirror"][name] for name in ("live", "deleted")} == {"live": 5, "deleted": 5}
    assert without_guard(sorted_items(stack, copy)) == sorted_items(stack, table)


def test_scheduled_processing_mirrors_a_full_export(stack: Deployed) -> None:
    table, copy = source_table(stack, 10), stack.new_table("id", "at", "SN")
    settings = {"sink": {"table": copy, "guard": "newerOnly"}}
    first = stack.run("table_export", {"table": table, "pollSeconds": 1, "process": settings}).summary["exports"]
    assert stack.wait(first[0]["processExecutionArn"]).summary["mirror"]["deleted"] == 0
    delete(stack, table, range(3))
    clock.advance(stack.aws, 40 * 24 * HOUR)
    (exported,) = stack.run("table_export", {"table": table, "pollSeconds": 1, "process": settings}).summary["exports"]
    assert stack.wait(exported["processExecutionArn"]).summary["mirror"]["deleted"] == 3
    assert without_guard(sorted_items(stack, copy)) == sorted_items(stack, table)


def test_empty_source_empties_its_copy(stack: Deployed) -> None:
    table, copy = source_table(stack, 3), stack.new_table("id", "at", "SN")
    sink = {"table": copy, "guard": "newerOnly"}
    assert process(stack, export(stack, table), sink).status == "SUCCEEDED"
    delete(stack, table, range(3))
    clock.advance(stack.aws, 40 * 24 * HOUR)
    ended = process(stack, export(stack, table), sink, mirror=True)
    assert (ended.status, ended.counts, ended.summary["mirror"]["deleted"]) == ("SUCCEEDED", (0, 0, 0, 0, 0), 3)
    assert without_guard(sorted_items(stack, copy)) == []


def test_copy_with_rejected_records_is_not_mirrored(stack: Deployed) -> None:
    table, copy = ten_items_of_which_five_are_deleted(stack)
    own = {"id": {"S": "own"}, "at": {"N": "1"}, "WriteTimestampMicros": {"S": "mine"}}
    stack.put_items(table, [own])
    clock.advance(stack.aws, 40 * 24 * HOUR)
    sink, full = {"table": copy, "guard": "newerOnly"}, export(stack, table)
    ended = process(stack, full, sink, mirror=True, rejectsTolerated="any")
    assert (ended.status, ended.counts) == ("SUCCEEDED", (6, 5, 0, 1, 0))
    assert (ended.summary["mirror"]["status"], ended.summary["mirror"]["read"]) == ("SKIPPED", 0)
    assert "mirror was not done: 1 records were rejected" in ended.summary["notes"][-1]
    assert len(without_guard(sorted_items(stack, copy))) == 10


def test_table_with_other_items_is_not_mirrored(stack: Deployed) -> None:
    table, copy = ten_items_of_which_five_are_deleted(stack)
    stack.put_items(copy, [{"id": {"S": "mine"}, "at": {"N": "1"}}])
    clock.advance(stack.aws, 40 * 24 * HOUR)
    sink, full = {"table": copy, "guard": "newerOnly"}, export(stack, table)
    ended = process(stack, full, sink, mirror=True)
    assert (ended.status, ended.error) == ("FAILED", "InvalidInputError")
    assert 'without a number WriteTimestampMicros, such as {"id": {"S": "mine"}' in str(ended.cause)
    assert process(stack, full, sink, mirror=True, adopt=True).summary["mirror"]["deleted"] == 6
    assert without_guard(sorted_items(stack, copy)) == sorted_items(stack, table)


def test_copy_of_an_export_below_another_prefix_is_read(stack: Deployed) -> None:
    table, copy, bucket = source_table(stack, 20), stack.new_table("id", "at", "SN"), stack.versioned_bucket()
    manifest = stack.dynamodb.describe_export(ExportArn=export(stack, table))["ExportDescription"]["ExportManifest"]
    folder = manifest.rpartition("/")[0]
    pages = stack.s3.get_paginator("list_objects_v2").paginate(Bucket=stack.bucket, Prefix=folder)
    for key in [each["Key"] for page in pages for each in page["Contents"]]:
        stack.s3.put_object(Bucket=bucket, Key=f"backup/{key}", Body=stack.object(key))
    ended = process(stack, {"bucket": bucket, "key": f"backup/{manifest}"}, {"table": copy})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (20, 20, 0, 0, 0)), ended
    assert sorted_items(stack, copy) == sorted_items(stack, table)


def test_export_in_a_bucket_with_versions_is_read_in_theirs(stack: Deployed) -> None:
    table, copy, bucket = source_table(stack, 20), stack.new_table("id", "at", "SN"), stack.versioned_bucket()
    described = stack.dynamodb.describe_export(ExportArn=export(stack, table))["ExportDescription"]
    manifest = described["ExportManifest"]
    pages = stack.s3.get_paginator("list_objects_v2").paginate(Bucket=stack.bucket, Prefix=manifest.rpartition("/")[0])
    for key in [each["Key"] for page in pages for each in page["Contents"]]:
        stack.s3.put_object(Bucket=bucket, Key=key, Body=stack.object(key))
    sink = {"table": copy, "guard": "newerOnly"}
    ended = process(stack, {"bucket": bucket, "key": manifest}, sink, mirror=True)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (20, 20, 0, 0, 0)), ended
    assert ended.summary["mirror"]["live"] == 20
    assert without_guard(sorted_items(stack, copy)) == sorted_items(stack, table)


def test_objects_hold_plain_values_and_the_change(stack: Deployed) -> None:
    table = source_table(stack, 20)
    export(stack, table)
    with_items(stack, table, [3, 500], "changed")
    stack.dynamodb.delete_item(TableName=table, Key={"id": {"S": "id-4"}, "at": {"N": "4"}})
    clock.advance(stack.aws, HOUR)
    prefix = f"output/{table}/"
    ended = process(stack, export(stack, table), {"prefix": prefix})
    assert ended.counts == (3, 3, 0, 0, 0)
    found = stack.s3.list_objects_v2(Bucket=stack.bucket, Prefix=prefix)["Contents"]
    lines = [json.loads(line) for each in found for line in gzip.decompress(stack.object(each["Key"])).splitlines()]
    changes = {line["keys"]["at"]: line for line in lines}
    assert {at: line["change"] for at, line in changes.items()} == {3: "UPDATE", 4: "DELETE", 500: "INSERT"}
    assert changes[500]["item"]["NewImage"] == {"text": 'changed "500" é☃'}
    assert changes[4]["item"] is None


def test_damaged_file_fails_by_name_and_nothing_of_it_is_applied(stack: Deployed) -> None:
    table, copy = source_table(stack), stack.new_table("id", "at", "SN")
    arn = export(stack, table)
    damaged, *rest = data_files(stack, arn)
    body = stack.object(damaged["dataFileS3Key"])
    lines = gzip.decompress(body).replace(b"first", b"FIRST")
    stack.s3.put_object(Bucket=stack.bucket, Key=damaged["dataFileS3Key"], Body=gzip.compress(lines))
    ended = process(stack, arn, {"table": copy}, toleratedFailureCount=1)
    good = sum(each["itemCount"] for each in rest)
    assert (ended.summary["status"], ended.counts) == ("PARTIAL", (200, good, 0, 0, damaged["itemCount"]))
    assert len(stack.items(copy)) == good
    (failure,) = map(json.loads, stack.object(ended.summary["failures"]["key"]).splitlines())
    assert (failure["error"], failure["status"]) == ("FileDamagedError", "FAILED")
    assert damaged["dataFileS3Key"] in failure["cause"]
    assert process(stack, arn, {"table": copy}).error == "FileDamagedError"
    unverified = process(stack, arn, {"table": copy}, verify=False)
    assert unverified.counts == (200, 200, 0, 0, 0)


def test_missing_file_fails_by_name(stack: Deployed) -> None:
    table, copy = source_table(stack), stack.new_table("id", "at", "SN")
    arn = export(stack, table)
    missing = data_files(stack, arn)[0]["dataFileS3Key"]
    stack.s3.delete_object(Bucket=stack.bucket, Key=missing)
    ended = process(stack, arn, {"table": copy})
    assert (ended.status, ended.error) == ("FAILED", "SourceNotFoundError")
    assert missing in (ended.cause or "")


def test_killed_worker_and_throttles_change_nothing(stack: Deployed) -> None:
    table, copy = source_table(stack, 600), stack.new_table("id", "at", "SN")
    arn = export(stack, table)
    faults.kill_worker(stack.aws, stack.outputs["ProcessExportFileFunctionName"], after_seconds=0.1)
    faults.fail_requests(stack.aws, "BatchWriteItem", times=5)
    faults.leave_unprocessed(stack.aws, times=10, items=7)
    assert process(stack, arn, {"table": copy}).counts == (600, 600, 0, 0, 0)
    assert sorted_items(stack, copy) == sorted_items(stack, table)


def test_rejected_records_are_in_a_file_that_is_an_input(stack: Deployed) -> None:
    table, copy = source_table(stack), stack.new_table("id", "at", "SN")
    arn = export(stack, table)
    file = data_files(stack, arn)[0]
    body = gzip.decompress(stack.object(file["dataFileS3Key"]))
    bad = body.replace(b'"tags":{"SS":["a","b"]}', b'"tags":{"SS":["a","a"]}', 1)
    stack.s3.put_object(Bucket=stack.bucket, Key=file["dataFileS3Key"], Body=gzip.compress(bad))
    ended = process(stack, arn, {"table": copy}, verify=False, rejectsTolerated=1)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (200, 199, 0, 1, 0))
    (reject,) = stack.rejects(ended)
    assert reject["file"] == file["dataFileS3Key"]
    assert reject["record"]["Item"]["tags"] == {"SS": ["a", "a"]}
    corrected = stack.object(ended.summary["rejects"]["key"]).replace(b'["a", "a"]', b'["a", "b"]')
    stack.s3.put_object(Bucket=stack.bucket, Key="input/corrected.jsonl", Body=corrected)
    records = {"bucket": stack.bucket, "key": "input/corrected.jsonl"}
    assert process(stack, arn, {"table": copy}, records=records).counts == (1, 1, 0, 0, 0)
    assert sorted_items(stack, copy) == sorted_items(stack, table)


@pytest.mark.parametrize(
    ("changed", "error", "named"),
    [
        ({"export": None}, "InvalidInputError", "export"),
        ({"export": "arn:aws:dynamodb:us-east-1:000000000000:table/t/export/01"}, "SourceNotFoundError", "export/01"),
        ({"export": {"bucket": "BUCKET", "key": "no/manifest-summary.json"}}, "SourceNotFoundError", "no/manifest"),
        ({"sink": {}}, "InvalidInputError", "sink"),
        ({"sink": {"table": "there-is-none"}}, "TableNotFoundError", "there-is-none"),
        ({"sink": {"prefix": "csv_load/"}}, "InvalidInputError", "sink.prefix"),
        ({"transform": "no_such_module"}, "InvalidInputError", "transform"),
        ({"maxConcurrency": 0}, "InvalidInputError", "maxConcurrency"),
        ({"sinks": 1}, "InvalidInputError", "sinks"),
    ],
)
def test_bad_input_is_named(stack: Deployed, changed: dict[str, Any], error: str, named: str) -> None:
    document: dict[str, Any] = {"export": export(stack, source_table(stack, 3)), "sink": {"prefix": "output/x/"}}
    if isinstance(changed.get("export"), dict):
        changed = {"export": {**changed["export"], "bucket": stack.bucket}}
    ended = stack.run("export_process", {**document, **changed})
    assert (ended.status, ended.error) == ("FAILED", error)
    assert named in (ended.cause or "")


def test_table_of_another_key_is_refused(stack: Deployed) -> None:
    arn = export(stack, source_table(stack, 3))
    ended = process(stack, arn, {"table": stack.new_table("other")})
    assert (ended.status, ended.error) == ("FAILED", "InvalidInputError")
    assert "sink.table" in (ended.cause or "")


def test_export_that_lists_no_files_is_a_run_of_no_records(stack: Deployed) -> None:
    arn = export(stack, source_table(stack, 0))
    summary_key = stack.dynamodb.describe_export(ExportArn=arn)["ExportDescription"]["ExportManifest"]
    summary = json.loads(stack.object(summary_key)) | {"itemCount": 0}
    stack.s3.put_object(Bucket=stack.bucket, Key=summary_key, Body=json.dumps(summary).encode())
    stack.s3.put_object(Bucket=stack.bucket, Key=summary["manifestFilesS3Key"], Body=b"")
    for sink in ({"table": stack.new_table("id", "at", "SN")}, {"prefix": "output/none/"}):
        ended = process(stack, arn, sink, verify=False)
        assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "COMPLETE", (0, 0, 0, 0, 0)), (
            ended
        )
        assert map_runs(stack, "export_process", ended) == []
