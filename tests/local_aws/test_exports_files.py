"""The files of exports, compared with a real one."""

import base64
import gzip
import hashlib
import json
import re
from typing import Any

import pytest

from tests.local_aws.exporting import BUCKET, HOUR, Exporting, by_key

# A full export that AWS made: scylladb/scylla-migrator, tests/src/test/s3/test-bucket/dynamodb-export, Apache-2.0.
REAL_SUMMARY = (
    '{"version":"2020-06-30","exportArn":"arn:aws:dynamodb:eu-central-1:164221962816:table/S3ExportTest/export/'
    '01715685260608-c488b4e1","startTime":"2024-05-14T11:14:20.608Z","endTime":"2024-05-14T11:19:26.869Z",'
    '"tableArn":"arn:aws:dynamodb:eu-central-1:164221962816:table/S3ExportTest",'
    '"tableId":"11991185-e7ab-4da5-8bab-03f0db0b7bfd","exportTime":"2024-05-14T11:14:20.608Z",'
    '"s3Bucket":"test-bucket","s3Prefix":"dynamodb-export","s3SseAlgorithm":"AES256","s3SseKmsKeyId":null,'
    '"manifestFilesS3Key":"dynamodb-export/AWSDynamoDB/01715685260608-c488b4e1/manifest-files.json",'
    '"billedSizeBytes":19,"itemCount":3,"outputFormat":"DYNAMODB_JSON"}'
)
REAL_FILE = (
    '{"itemCount":3,"md5Checksum":"rzAeIrtALbOlNdK5Hh8tgA==","etag":"d1663e415aedcbf3c4977cde7002d2bf-1",'
    '"dataFileS3Key":"dynamodb-export/AWSDynamoDB/01715685260608-c488b4e1/data/uimbi7eofu2b5kzkxe63gsvb6i.json.gz"}'
)
REAL_LINES = (
    '{"Item":{"id":{"S":"bar"},"baz":{"N":"0"}}}',
    '{"Item":{"id":{"S":"K3TXQk84Si"},"a":{"BOOL":false},"b":{"NULL":true},"c":{"SS":["8gfX8dh0xa","fRjHZJ2Ce9"]},'
    '"d":{"NS":["3","2"]},"e":{"L":[{"N":"1"},{"S":"Dsb87qc6Es"}]},"f":{"M":{"h":{"NULL":true},"i":{"BOOL":true},'
    '"g":{"N":"9"}}},"j":{"B":"aGVsbG8="},"k":{"BS":["aXMgZmFzdA==","c2N5bGxhZGI="]}}}',
    '{"Item":{"id":{"S":"foo"},"bar":{"N":"42"}}}',
)
UNLIKE = re.compile(
    r"arn:aws:dynamodb:[a-z0-9-]+:\d+|0\d{13}-[0-9a-f]{8}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z|[0-9a-f-]{36}"
    r'|[0-9a-f]{32}-1|/[a-z2-7]{26}\.json\.gz|[A-Za-z0-9+/]{22}==|"billedSizeBytes":\d+|"itemCount":\d+'
)


def alike(text: str) -> str:
    """A manifest without what differs from export to export."""
    return UNLIKE.sub("~", text)


def test_full_export_looks_like_a_real_one(exporting: Exporting) -> None:
    dynamodb, bucket = exporting.dynamodb, "test-bucket"
    exporting.s3.create_bucket(Bucket=bucket)
    dynamodb.create_table(
        TableName="S3ExportTest",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    exporting.switch_recovery("S3ExportTest", enabled=True)
    for line in REAL_LINES:
        _put_raw(exporting, "S3ExportTest", json.loads(line)["Item"])

    exported = exporting.full("S3ExportTest", S3Bucket=bucket, S3Prefix="dynamodb-export")

    assert alike(exported.texts["manifest-summary.json"]) == alike(REAL_SUMMARY)
    assert {alike(line) for line in exported.texts["manifest-files.json"].splitlines()} == {alike(REAL_FILE)}
    assert exported.texts["manifest-files.json"].endswith("\n")
    lines = [line for key in exported.data for line in _lines(exported.data[key])]
    assert sorted(lines) == sorted(REAL_LINES)
    assert exported.summary["billedSizeBytes"] > 19


def _put_raw(exporting: Exporting, table: str, item: dict[str, Any]) -> None:
    """Binaries in JSON are base64 texts; botocore takes bytes."""

    def with_bytes(value: dict[str, Any]) -> dict[str, Any]:
        ((kind, content),) = value.items()
        if kind == "B":
            return {"B": base64.b64decode(content)}
        return {"BS": [base64.b64decode(each) for each in content]} if kind == "BS" else value

    exporting.dynamodb.put_item(TableName=table, Item={name: with_bytes(value) for name, value in item.items()})


def _lines(body: bytes) -> list[str]:
    text = gzip.decompress(body).decode()
    assert text == "" or text.endswith("\n")
    return text.splitlines()


@pytest.mark.parametrize("prefix", ["", "one", "one/two/"])
def test_full_export_keeps_all_its_files_under_its_id(exporting: Exporting, prefix: str) -> None:
    bucket = f"full-{len(prefix)}"
    exporting.s3.create_bucket(Bucket=bucket)
    table = exporting.new_table()
    exporting.put(table, "a")

    exported = exporting.full(table, S3Bucket=bucket, **({"S3Prefix": prefix} if prefix else {}))

    folder = f"{prefix.rstrip('/')}/AWSDynamoDB".lstrip("/") + f"/{exported.summary['exportArn'].rpartition('/')[2]}"
    manifests = ("manifest-files.json", "manifest-files.md5", "manifest-summary.json", "manifest-summary.md5")
    expected = {f"{folder}/{name}" for name in ("_started", *manifests)}
    assert set(exporting.keys(bucket, "")) == expected | set(exported.data)
    assert all(re.fullmatch(rf"{folder}/data/[a-z2-7]{{26}}\.json\.gz", key) for key in exported.data)
    assert exported.summary["s3Prefix"] == (prefix or None)
    assert exporting.object(bucket, f"{folder}/_started") == b""


def test_incremental_exports_share_one_data_folder(exporting: Exporting) -> None:
    bucket = "incremental-layout"
    exporting.s3.create_bucket(Bucket=bucket)
    table = exporting.new_table()
    start = exporting.advance(1)
    exporting.put(table, "a")
    middle = exporting.advance(HOUR)
    end = exporting.advance(HOUR)

    windows = ((start, middle), (middle, end))
    exports = [exporting.incremental(table, *window, S3Bucket=bucket, S3Prefix="p") for window in windows]

    data = {key for each in exports for key in each.data}
    assert all(re.fullmatch(r"p/AWSDynamoDB/data/[a-z2-7]{26}\.json\.gz", key) for key in data)
    assert set(exporting.keys(bucket, "p/AWSDynamoDB/data/")) == data
    for each in exports:
        folder = f"p/AWSDynamoDB/{each.summary['exportArn'].rpartition('/')[2]}"
        assert len(exporting.keys(bucket, f"{folder}/")) == 5


def test_incremental_summary_tells_its_window_and_view_at_the_end(exporting: Exporting) -> None:
    table = exporting.new_table()
    start = exporting.advance(1)
    end = exporting.advance(HOUR)

    summary = exporting.incremental(table, start, end, "NEW_IMAGE").summary

    assert list(summary) == [
        *("version", "exportArn", "startTime", "endTime", "tableArn", "tableId", "exportFromTime", "exportToTime"),
        *("s3Bucket", "s3Prefix", "s3SseAlgorithm", "s3SseKmsKeyId", "manifestFilesS3Key", "billedSizeBytes"),
        *("itemCount", "outputFormat", "outputView", "exportType"),
    ]
    assert summary["version"] == "2023-08-01"
    assert summary["exportFromTime"].endswith(".000Z")
    assert (summary["outputView"], summary["exportType"]) == ("NEW_IMAGE", "INCREMENTAL_EXPORT")
    assert summary["billedSizeBytes"] == 10_000_000


def test_checksums_and_tags_are_those_of_the_objects(exporting: Exporting) -> None:
    table = exporting.new_table()
    for number in range(100):
        exporting.put(table, f"key-{number}")

    exported = exporting.full(table)

    for name in ("manifest-summary", "manifest-files"):
        assert exported.texts[f"{name}.md5"] == _md5(exported.texts[f"{name}.json"].encode())
        assert len(exported.texts[f"{name}.md5"]) == 24
    for file in exported.files:
        body = exported.data[file["dataFileS3Key"]]
        assert file["md5Checksum"] == _md5(body)
        head = exporting.s3.head_object(Bucket=BUCKET, Key=file["dataFileS3Key"])
        assert head["ETag"] == f'"{file["etag"]}"'
        assert head["ContentLength"] == len(body)


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def test_items_are_spread_over_files_of_which_some_are_empty(exporting: Exporting) -> None:
    table = exporting.new_table()
    items = [exporting.put(table, f"key-{number}", n=number, text="é☃") for number in range(200)]

    exported = exporting.full(table)

    assert by_key([record["Item"] for record in exported.records]) == by_key(items)
    counts = [file["itemCount"] for file in exported.files]
    assert counts == [len(_lines(exported.data[file["dataFileS3Key"]])) for file in exported.files]
    assert sum(counts) == exported.summary["itemCount"] == 200
    assert 0 in counts
    assert len([count for count in counts if count]) > 1
