"""S3's conditions, parts, ranges, listings and error documents, on a started local AWS."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.conftest import Client

PART = 5 * 1024 * 1024
FAILED = {"Code": "PreconditionFailed", "Message": "At least one of the pre-conditions you specified did not hold"}
CONFLICT = "The conditional request cannot succeed due to a conflicting operation against this resource."
UNSUPPORTED = "A header you provided implies functionality that is not implemented"


@pytest.fixture
def s3(client: Client) -> Any:
    return client("s3")


def refused(operation: Any, **given: Any) -> dict[str, Any]:
    """The error of a request, without its IDs."""
    with pytest.raises(ClientError) as caught:
        operation(**given)
    return dict(caught.value.response["Error"])


def uploaded(s3: Any, location: dict[str, str], *sizes: int) -> tuple[str, list[dict[str, Any]]]:
    """An upload with parts of these sizes: its ID and its parts."""
    upload = s3.create_multipart_upload(**location)["UploadId"]
    parts = []
    for number, size in enumerate(sizes, 1):
        answer = s3.upload_part(**location, UploadId=upload, PartNumber=number, Body=b"x" * size)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    return upload, parts


@pytest.mark.parametrize(
    ("given", "header", "expected"),
    [
        ({"IfMatch": "*"}, "If-Match", "We don't accept the provided value of If-Match header for this API"),
        (
            {"IfNoneMatch": '"e"'},
            "If-None-Match",
            "We don't accept the provided value of If-None-Match header for this",
        ),
        (
            {"IfMatch": "e", "IfNoneMatch": "*"},
            "If-Match,If-None-Match",
            "Multiple conditional request headers present",
        ),
    ],
)
def test_conditions_that_s3_does_not_take(
    s3: Any, bucket: str, given: dict[str, str], header: str, expected: str
) -> None:
    error = refused(s3.put_object, Bucket=bucket, Key="k", Body=b"", **given)
    assert (error["Code"], error["Message"], error["Header"]) == ("NotImplemented", UNSUPPORTED, header)
    assert error["additionalMessage"].startswith(expected)


def test_a_conditional_copy_looks_at_its_destination(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="from", Body=b"1")
    copy = {"Bucket": bucket, "Key": "to", "CopySource": f"{bucket}/from"}
    etag = s3.copy_object(**copy, IfNoneMatch="*")["CopyObjectResult"]["ETag"]
    assert refused(s3.copy_object, **copy, IfNoneMatch="*") == {**FAILED, "Condition": "If-None-Match"}
    assert refused(s3.copy_object, **copy, IfMatch='"other"') == {**FAILED, "Condition": "If-Match"}
    s3.copy_object(**copy, IfMatch=etag)
    missing = refused(s3.copy_object, **{**copy, "Key": "none"}, IfMatch=etag)
    assert (missing["Code"], missing["Key"]) == ("NoSuchKey", "none")


def test_a_failed_condition_of_a_copys_source_is_named(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="from", Body=b"1")["ETag"]
    copy = {"Bucket": bucket, "Key": "to", "CopySource": f"{bucket}/from"}
    conditions = {"If-Match": '"x"', "If-None-Match": etag, "If-Unmodified-Since": datetime(2020, 1, 1, tzinfo=UTC)}
    for name, value in conditions.items():
        error = refused(s3.copy_object, **copy, **{f"CopySource{name.replace('-', '')}": value})
        assert error == {**FAILED, "Condition": f"x-amz-copy-source-{name}"}


def test_a_failed_condition_of_a_read_is_named(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfMatch='"x"') == {**FAILED, "Condition": "If-Match"}
    error = refused(s3.get_object, Bucket=bucket, Key="k", IfUnmodifiedSince=long_ago)
    assert error == {**FAILED, "Condition": "If-Unmodified-Since"}
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag)["Code"] == "304"
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert s3.get_object(Bucket=bucket, Key="k", IfModifiedSince=tomorrow)["Body"].read() == b"1"


def test_an_upload_that_must_be_the_first_loses_to_another_write(s3: Any, bucket: str) -> None:
    location = {"Bucket": bucket, "Key": "k"}
    upload, parts = uploaded(s3, location, 1)
    complete = {**location, "UploadId": upload, "MultipartUpload": {"Parts": parts}, "IfNoneMatch": "*"}
    s3.put_object(**location, Body=b"1")
    assert refused(s3.complete_multipart_upload, **complete) == {**FAILED, "Condition": "If-None-Match"}


def test_an_upload_conflicts_with_what_was_written_since_it_began(s3: Any, bucket: str) -> None:
    location = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**location, Body=b"1")
    upload, parts = uploaded(s3, location, 1)
    complete = {**location, "UploadId": upload, "MultipartUpload": {"Parts": parts}}
    etag = s3.put_object(**location, Body=b"1")["ETag"]
    expected = {"Code": "ConditionalRequestConflict", "Message": CONFLICT, "Key": "k"}
    error = refused(s3.complete_multipart_upload, **complete, IfMatch=etag)
    assert error == {**expected, "Condition": "If-Match"}
    s3.delete_object(**location)
    assert refused(s3.complete_multipart_upload, **complete, IfMatch=etag)["Code"] == "NoSuchKey"
    error = refused(s3.complete_multipart_upload, **complete, IfNoneMatch="*")
    assert error == {**expected, "Condition": "If-None-Match"}
    s3.complete_multipart_upload(**complete)


def test_parts_but_the_last_have_five_megabytes(s3: Any, bucket: str) -> None:
    location = {"Bucket": bucket, "Key": "k"}
    upload, parts = uploaded(s3, location, 4, 1)
    error = refused(s3.complete_multipart_upload, **location, UploadId=upload, MultipartUpload={"Parts": parts})
    assert error == {
        "Code": "EntityTooSmall",
        "Message": "Your proposed upload is smaller than the minimum allowed size",
        "ProposedSize": "4",
        "MinSizeAllowed": str(PART),
        "PartNumber": "1",
        "ETag": parts[0]["ETag"].strip('"'),
    }


def test_parts_come_in_order(s3: Any, bucket: str) -> None:
    location = {"Bucket": bucket, "Key": "k"}
    upload, parts = uploaded(s3, location, PART, 1)
    given = {**location, "UploadId": upload}
    error = refused(s3.complete_multipart_upload, **given, MultipartUpload={"Parts": parts[::-1]})
    assert (error["Code"], error["UploadId"]) == ("InvalidPartOrder", upload)
    error = refused(s3.complete_multipart_upload, **given, MultipartUpload={"Parts": [parts[0], parts[0]]})
    assert error["Code"] == "InvalidPartOrder"
    s3.complete_multipart_upload(**given, MultipartUpload={"Parts": parts})


@pytest.mark.parametrize(
    ("number", "etag", "expected"),
    [
        (-1, None, {"Code": "InvalidArgument", "ArgumentName": "partNumber", "ArgumentValue": "-1"}),
        (2, None, {"Code": "InvalidPart", "PartNumber": "2"}),
        (1, '"wrong"', {"Code": "InvalidPart", "PartNumber": "1", "ETag": "wrong"}),
    ],
)
def test_parts_that_were_not_uploaded(
    s3: Any, bucket: str, number: int, etag: str | None, expected: dict[str, str]
) -> None:
    location = {"Bucket": bucket, "Key": "k"}
    upload, parts = uploaded(s3, location, 1)
    given = [{"PartNumber": number, "ETag": etag or parts[0]["ETag"]}]
    error = refused(s3.complete_multipart_upload, **location, UploadId=upload, MultipartUpload={"Parts": given})
    assert expected.items() <= error.items()


def test_an_upload_needs_parts_and_its_id(s3: Any, bucket: str) -> None:
    location = {"Bucket": bucket, "Key": "k"}
    upload, parts = uploaded(s3, location, 1)
    error = refused(s3.complete_multipart_upload, **location, UploadId=upload)
    assert (error["Code"], error["Message"]) == ("InvalidRequest", "You must specify at least one part")
    error = refused(s3.complete_multipart_upload, **location, UploadId="none", MultipartUpload={"Parts": parts})
    assert (error["Code"], error["UploadId"]) == ("NoSuchUpload", "none")


@pytest.mark.parametrize(
    "wanted", ["bytes=5-2", "bytes=-1-", "bytes=0--1", "bytes=0-1,3-4", "0-1", "bytes=-", "lines=0-1"]
)
def test_what_is_not_a_range_is_ignored(s3: Any, bucket: str, wanted: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    answer = s3.get_object(Bucket=bucket, Key="k", Range=wanted)
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Body"].read()) == (200, b"0123456789")
    assert "ContentRange" not in answer


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=100-200", "bytes=-0"])
def test_a_range_outside_the_object_is_refused(s3: Any, bucket: str, wanted: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    assert refused(s3.get_object, Bucket=bucket, Key="k", Range=wanted) == {
        "Code": "InvalidRange",
        "Message": "The requested range is not satisfiable",
        "RangeRequested": wanted,
        "ActualObjectSize": "10",
    }


def test_an_object_without_a_type_is_binary_and_encrypted(s3: Any, bucket: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert put["ServerSideEncryption"] == "AES256"
    assert (put["ChecksumCRC32"], put["ChecksumType"]) == ("g9zvtw==", "FULL_OBJECT")
    found = s3.head_object(Bucket=bucket, Key="k")
    assert (found["ContentType"], found["ServerSideEncryption"]) == ("binary/octet-stream", "AES256")
    location = {"Bucket": bucket, "Key": "parts"}
    upload, parts = uploaded(s3, location, 1)
    s3.complete_multipart_upload(**location, UploadId=upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(**location)["ContentType"] == "binary/octet-stream"
    s3.put_object(Bucket=bucket, Key="typed", Body=b"1", ContentType="text/csv")
    assert s3.get_object(Bucket=bucket, Key="typed")["ContentType"] == "text/csv"


def test_a_copy_tells_its_checksum(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="from", Body=b"1")
    result = s3.copy_object(Bucket=bucket, Key="to", CopySource=f"{bucket}/from")["CopyObjectResult"]
    assert (result["ChecksumCRC32"], result["ChecksumType"]) == ("g9zvtw==", "FULL_OBJECT")


@pytest.mark.parametrize(
    ("given", "code"), [("no base 64", "InvalidRequest"), ("AAAA", "InvalidRequest"), ("AAAAAA==", "BadDigest")]
)
def test_checksums_that_are_wrong(s3: Any, bucket: str, given: str, code: str) -> None:
    error = refused(s3.put_object, Bucket=bucket, Key="k", Body=b"1", ChecksumCRC32=given)
    assert error["Code"] == code
    if code == "InvalidRequest":
        assert error["Message"] == "Value for x-amz-checksum-crc32 header is invalid."


def test_errors_name_what_they_are_about(s3: Any, bucket: str) -> None:
    error = refused(s3.get_object, Bucket=bucket, Key="a b/ü")
    assert error == {"Code": "NoSuchKey", "Message": "The specified key does not exist.", "Key": "a b/ü"}
    error = refused(s3.list_objects_v2, Bucket=f"{bucket}-none")
    assert (error["Code"], error["BucketName"]) == ("NoSuchBucket", f"{bucket}-none")
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    error = refused(s3.delete_bucket, Bucket=bucket)
    assert (error["Code"], error["BucketName"]) == ("BucketNotEmpty", bucket)
    error = refused(s3.copy_object, Bucket=bucket, Key="k", CopySource=f"{bucket}/none")
    assert (error["Code"], error["Key"]) == ("NoSuchKey", "none")


def test_a_bucket_without_versions_has_no_version_ids(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    expected = {"Code": "InvalidArgument", "ArgumentName": "versionId", "Message": "Invalid version id specified"}
    for operation in (s3.get_object, s3.delete_object):
        error = refused(operation, Bucket=bucket, Key="k", VersionId="HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD")
        assert expected.items() <= error.items()
