"""What loads rely on in S3, on a started local AWS."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Client = Callable[[str], Any]
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def s3(client: Client) -> Any:
    return client("s3")


def task(action: str, arguments: dict[str, Any], **fields: Any) -> dict[str, Any]:
    resource = f"arn:aws:states:::aws-sdk:s3:{action}"
    return {"Type": "Task", "Resource": resource, "Arguments": arguments, **fields}


def test_ranges_of_the_pinned_version_stay_readable(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    s3.put_object(Bucket=bucket, Key="k", Body=b"other")
    part = s3.get_object(Bucket=bucket, Key="k", VersionId=first["VersionId"], Range="bytes=2-4", IfMatch=first["ETag"])
    assert part["Body"].read() == b"234"
    assert (part["ContentRange"], part["ResponseMetadata"]["HTTPStatusCode"]) == ("bytes 2-4/10", 206)


def test_changed_object_does_not_match_its_old_etag(s3: Any, bucket: str) -> None:
    old = s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    s3.put_object(Bucket=bucket, Key="k", Body=b"new")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="k", Range="bytes=0-1", IfMatch=old["ETag"])
    assert caught.value.response["Error"]["Code"] == "PreconditionFailed"


@pytest.mark.parametrize(("wanted", "part"), [("bytes=7-", b"789"), ("bytes=-2", b"89"), ("bytes=8-99", b"89")])
def test_open_ranges_end_with_the_object(s3: Any, bucket: str, wanted: str, part: bytes) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    assert s3.get_object(Bucket=bucket, Key="k", Range=wanted)["Body"].read() == part


def test_range_past_the_end_is_refused(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="k", Range="bytes=10-")
    assert caught.value.response["Error"]["Code"] == "InvalidRange"


def test_put_that_must_be_the_first_is_refused_for_an_existing_key(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    assert caught.value.response["Error"]["Code"] == "PreconditionFailed"


def test_parts_make_one_object(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    bodies = [b"a" * 5 * 1024 * 1024, b"b"]
    parts = []
    for number, body in enumerate(bodies, 1):
        answer = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    last = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={len(bodies[0]) - 1}-")
    assert last["Body"].read() == b"ab"


def test_sdk_integration_puts_and_gets_json(bucket: str, run_machine: Run) -> None:
    put = task("putObject", {"Bucket": bucket, "Key": "k", "Body": {"a": 1}}, Next="Get")
    get = task("getObject", {"Bucket": bucket, "Key": "k"}, End=True)
    output = run_machine({"StartAt": "Put", "States": {"Put": put, "Get": get}})["output"]
    assert json.loads(output["Body"]) == {"a": 1}
    assert output["ContentLength"] == 7
    assert output["ETag"].startswith('"')


def test_sdk_integration_writes_texts_as_json(s3: Any, bucket: str, run_state: Run) -> None:
    output = run_state(task("putObject", {"Bucket": bucket, "Key": "k", "Body": "text data"}))["output"]
    assert set(output) == {"ChecksumCRC32", "ChecksumType", "ETag", "ServerSideEncryption"}
    assert (output["ChecksumType"], output["ServerSideEncryption"]) == ("FULL_OBJECT", "AES256")
    stored = s3.get_object(Bucket=bucket, Key="k")
    assert (stored["Body"].read(), stored["ContentType"]) == (b'"text data"', "text/plain; charset=UTF-8")


def test_sdk_integration_reads_what_s3_says_of_an_object(s3: Any, bucket: str, run_state: Run) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"text data")
    output = run_state(task("getObject", {"Bucket": bucket, "Key": "k"}))["output"]
    assert output.pop("LastModified").endswith("Z")
    assert output == {
        "AcceptRanges": "bytes",
        "Body": "text data",
        "ContentLength": 9,
        "ContentType": "binary/octet-stream",
        "ETag": '"332eec544317a6d340b8e77da7fe54ad"',
        "Metadata": {},
        "ServerSideEncryption": "AES256",
    }


def test_sdk_integration_copies_and_lists(s3: Any, bucket: str, run_machine: Run) -> None:
    s3.put_object(Bucket=bucket, Key="in/a b", Body=b"1")
    copy = task("copyObject", {"Bucket": bucket, "Key": "out/c", "CopySource": f"{bucket}/in/a%20b"}, Next="Head")
    head = task("headObject", {"Bucket": bucket, "Key": "out/c"}, Next="List")
    listing = task("listObjectsV2", {"Bucket": bucket, "Prefix": "out/"}, End=True)
    output = run_machine({"StartAt": "Copy", "States": {"Copy": copy, "Head": head, "List": listing}})["output"]
    assert [entry["Key"] for entry in output["Contents"]] == ["out/c"]


@pytest.mark.parametrize(
    ("action", "key", "error"),
    [("getObject", "none", "S3.NoSuchKeyException"), ("headObject", "none", "S3.NoSuchKeyException")],
)
def test_sdk_errors_are_named_after_the_exception(
    bucket: str, run_state: Run, action: str, key: str, error: str
) -> None:
    ended = run_state(task(action, {"Bucket": bucket, "Key": key}))
    assert ended["error"] == error
    assert "(Service: S3, Status Code: 404, Request ID: " in ended["cause"]


def test_large_results_are_served_from_disk(s3: Any, bucket: str, run_state: Run) -> None:
    """Result files are never read into memory, so every way to read one is tried."""
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}
    children = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
    location = {"Bucket": bucket, "Prefix": "out"}
    result_writer = {
        "Resource": "arn:aws:states:::s3:putObject",
        "Arguments": location,
        "WriterConfig": {"OutputType": "JSONL", "Transformation": "COMPACT"},
    }
    run_state({
        "Type": "Map",
        "Items": "{% [1..50] %}",
        "MaxConcurrency": 1,
        "ItemProcessor": {"ProcessorConfig": config, **children},
        "ResultWriter": result_writer,
    })  # fmt: skip
    entries = s3.list_objects_v2(Bucket=bucket, Prefix="out/")["Contents"]
    (entry,) = [entry for entry in entries if "SUCCEEDED" in entry["Key"]]
    whole = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
    assert [int(line) for line in whole.split()] == list(range(1, 51))
    assert entry["Size"] == len(whole)
    assert s3.get_object(Bucket=bucket, Key=entry["Key"], Range="bytes=2-3")["Body"].read() == whole[2:4]
    assert s3.head_object(Bucket=bucket, Key=entry["Key"])["ContentLength"] == len(whole)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": entry["Key"]})
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == whole
    s3.delete_object(Bucket=bucket, Key=entry["Key"])
