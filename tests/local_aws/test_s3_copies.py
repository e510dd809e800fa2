"""Copies in S3: how a source is written, what may not be copied, and what a copy is."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from local_aws import LocalAws, faults, large_objects
from tests.local_aws.conftest import Client, Run

KEYS = ("a b", "a+b", "100%", "a%2Bb", "ä/ö/日本.csv", "a&b=c?versionId=x", "it's (1)!*~", "//two//", 'a"b<c>')
FIVE_GIB = 5 * 1024**3


@pytest.fixture
def s3(client: Client) -> Any:
    return client("s3")


@pytest.fixture
def copy(bucket: str, run_state: Run) -> Callable[[Any], dict[str, Any]]:
    """Copies a source, written like this, to `copy` by a state machine."""

    def run(source: str, key: str = "copy", **arguments: Any) -> dict[str, Any]:
        given = {"Bucket": bucket, "Key": key, "CopySource": source, **arguments}
        return run_state({"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:copyObject", "Arguments": given})

    return run


@pytest.mark.parametrize("key", KEYS)
def test_encoded_sources_are_found_whatever_their_keys(s3: Any, bucket: str, copy: Any, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for source in (quote(f"{bucket}/{key}"), quote(f"/{bucket}/{key}", safe=""), f"{bucket}/{quote(key, safe='')}"):
        assert copy(source)["output"]["CopyObjectResult"]["ETag"].startswith('"')
        assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == key.encode()
    s3.copy_object(Bucket=bucket, Key="other", CopySource={"Bucket": bucket, "Key": key})
    assert s3.get_object(Bucket=bucket, Key="other")["Body"].read() == key.encode()


def test_jsonata_encodes_sources_for_the_copy(s3: Any, bucket: str, run_machine: Run) -> None:
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=f"in/{key}", Body=key.encode())
    children = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
        "StartAt": "Copy",
        "States": {
            "Copy": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:s3:copyObject",
                "Arguments": {
                    "Bucket": bucket,
                    "Key": "{% 'out/' & $substringAfter($states.input.Key, 'in/') %}",
                    "CopySource": f"{{% '{bucket}/' & $encodeUrlComponent($states.input.Key) %}}",
                },
                "End": True,
            }
        },
    }
    reader = {"Resource": "arn:aws:states:::s3:listObjectsV2", "Arguments": {"Bucket": bucket, "Prefix": "in/"}}
    state = {"Type": "Map", "ItemReader": reader, "ItemProcessor": children, "End": True}
    assert run_machine({"StartAt": "Each", "States": {"Each": state}})["status"] == "SUCCEEDED"
    for key in KEYS:
        assert s3.get_object(Bucket=bucket, Key=f"out/{key}")["Body"].read() == key.encode()


@pytest.mark.parametrize(
    ("source", "error", "status"),
    [
        ("a+b", "S3.NoSuchKeyException", 404),
        ("ü", "S3.S3Exception", 403),
        ("gone", "S3.NoSuchKeyException", 404),
        ("../gone-bucket/x", "S3.NoSuchKeyException", 404),
    ],
)
def test_source_that_is_not_encoded_is_not_found(
    s3: Any, bucket: str, copy: Any, source: str, error: str, status: int
) -> None:
    for key in ("a+b", "ü"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    ended = copy(f"{bucket}/{source}")
    assert ended["error"] == error
    assert f"(Service: S3, Status Code: {status}, Request ID: " in ended["cause"]


def test_missing_bucket_of_the_source_is_named(copy: Any) -> None:
    assert copy("no-such-bucket-here/x")["error"] == "S3.NoSuchBucketException"


def test_source_over_five_gib_is_refused(local_aws: LocalAws, s3: Any, bucket: str, copy: Any, run_state: Run) -> None:
    large_objects.put(local_aws, bucket, "in/large", size_bytes=FIVE_GIB + 1)
    ended = copy(f"{bucket}/in/large")
    assert ended["error"] == "S3.S3Exception"
    expected = "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"
    assert ended["cause"].startswith(f"{expected} (Service: S3, Status Code: 400, Request ID: ")
    with pytest.raises(ClientError) as caught:
        s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "in/large"})
    assert caught.value.response["Error"]["Code"] == "InvalidRequest"
    head = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:headObject"}
    described = run_state(head | {"Arguments": {"Bucket": bucket, "Key": "in/large"}})["output"]
    assert described["ContentLength"] == FIVE_GIB + 1
    part = s3.get_object(Bucket=bucket, Key="in/large", Range=f"bytes={FIVE_GIB - 1}-")
    assert part["Body"].read() == b"\0\0"


def test_object_is_not_copied_onto_itself_unchanged(s3: Any, bucket: str, copy: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    ended = copy(f"{bucket}/k", key="k")
    assert ended["error"] == "S3.S3Exception"
    assert ended["cause"].startswith("This copy request is illegal")
    assert copy(f"{bucket}/k", key="k", MetadataDirective="REPLACE")["status"] == "SUCCEEDED"
    assert copy(f"{bucket}/k", key="k", StorageClass="STANDARD_IA")["status"] == "SUCCEEDED"


def test_copy_of_parts_has_the_etag_of_one(s3: Any, bucket: str, copy: Any) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"whole")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    source = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)
    assert source["ETag"].endswith('-1"')
    etag = copy(f"{bucket}/k")["output"]["CopyObjectResult"]["ETag"]
    assert etag == part["ETag"]
    assert s3.head_object(Bucket=bucket, Key="copy")["ETag"] == etag


def test_version_of_a_source_is_copied(s3: Any, bucket: str, copy: Any) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="a b", Body=b"1")["VersionId"]
    s3.put_object(Bucket=bucket, Key="a b", Body=b"2")
    assert copy(f"{bucket}/a%20b?versionId={first}")["status"] == "SUCCEEDED"
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"1"


def test_part_is_copied_from_a_key_with_signs(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a b+c", Body=b"0123456789")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="copy")["UploadId"]
    part = s3.upload_part_copy(
        Bucket=bucket,
        Key="copy",
        UploadId=upload,
        PartNumber=1,
        CopySource={"Bucket": bucket, "Key": "a b+c"},
        CopySourceRange="bytes=2-4",
    )
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="copy", UploadId=upload, MultipartUpload=parts)
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"234"


@pytest.mark.parametrize(("error", "status"), [("SlowDown", 503), ("InternalError", 500), ("InvalidArgument", 400)])
def test_planned_failures_are_errors_of_s3(
    local_aws: LocalAws, s3: Any, bucket: str, copy: Any, error: str, status: int
) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    faults.fail_requests(local_aws, "CopyObject", error=error)
    ended = copy(f"{bucket}/k")
    assert ended["error"] == "S3.S3Exception"
    assert ended["cause"].startswith(f"{error}, as planned by a test (Service: S3, Status Code: {status}, ")
    assert copy(f"{bucket}/k")["status"] == "SUCCEEDED"
