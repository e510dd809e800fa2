"""Pages of S3's listings, and the parameters that they refuse."""

import base64
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws import LocalAws
from tests.local_aws.sessions import session_of


@pytest.fixture
def s3(local_aws: LocalAws) -> Any:
    """A client that sends what it would refuse itself."""
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, parameter_validation=False)
    return session_of(local_aws).client("s3", endpoint_url=local_aws.endpoint_url, config=config)


@pytest.fixture
def keys(s3: Any, bucket: str) -> list[str]:
    names = [f"k{number}" for number in range(5)]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=b"")
    return names


def refused(operation: Any, **given: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        operation(**given)
    return dict(caught.value.response["Error"])


def test_pages_follow_each_other(s3: Any, bucket: str, keys: list[str]) -> None:
    found, given = [], {"Bucket": bucket, "MaxKeys": 2}
    while True:
        page = s3.list_objects_v2(**given)
        found += [entry["Key"] for entry in page["Contents"]]
        if not page["IsTruncated"]:
            break
        given["ContinuationToken"] = page["NextContinuationToken"]
        assert s3.list_objects_v2(**given)["ContinuationToken"] == page["NextContinuationToken"]
    assert found == keys


@pytest.mark.parametrize("token", ["", "k1", "!", base64.b64encode(b"k1").decode()])
def test_only_its_own_tokens_are_taken(s3: Any, bucket: str, keys: list[str], token: str) -> None:
    assert keys
    assert refused(s3.list_objects_v2, Bucket=bucket, ContinuationToken=token) == {
        "Code": "InvalidArgument",
        "Message": "The continuation token provided is incorrect",
        "ArgumentName": "continuation-token",
    }


@pytest.mark.parametrize(
    "operation", ["list_objects", "list_objects_v2", "list_object_versions", "list_multipart_uploads"]
)
def test_keys_are_encoded_for_urls_only(s3: Any, bucket: str, operation: str) -> None:
    error = refused(getattr(s3, operation), Bucket=bucket, EncodingType="value")
    expected = "Invalid Encoding Method specified in Request"
    assert (error["Code"], error["Message"]) == ("InvalidArgument", expected)
    assert (error["ArgumentName"], error["ArgumentValue"]) == ("encoding-type", "value")
    assert refused(getattr(s3, operation), Bucket=bucket, EncodingType="")["Message"] == expected


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
def test_the_number_of_keys_has_bounds(s3: Any, bucket: str, keys: list[str], operation: str) -> None:
    assert keys
    listed = getattr(s3, operation)
    assert refused(listed, Bucket=bucket, MaxKeys=-1)["ArgumentName"] == "max-keys"
    assert listed(Bucket=bucket, MaxKeys=5_000)["MaxKeys"] == 1_000
    none = listed(Bucket=bucket, MaxKeys=0)
    assert (none["IsTruncated"], "Contents" in none, "NextContinuationToken" in none) == (False, False, False)


def test_versions_are_encoded_like_objects(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a b+c/ü", Body=b"")
    page = s3.list_object_versions(Bucket=bucket, EncodingType="url")
    assert (page["EncodingType"], page["Versions"][0]["Key"]) == ("url", "a%20b%2Bc/%C3%BC")
    assert s3.list_object_versions(Bucket=bucket)["Versions"][0]["Key"] == "a b+c/ü"


def test_a_version_marker_needs_a_key_marker(s3: Any, bucket: str) -> None:
    error = refused(s3.list_object_versions, Bucket=bucket, VersionIdMarker="v")
    assert (error["Code"], error["ArgumentName"]) == ("InvalidArgument", "version-id-marker")


def test_pages_of_parts_say_where_the_next_begins(s3: Any, bucket: str) -> None:
    location = {"Bucket": bucket, "Key": "k"}
    upload = s3.create_multipart_upload(**location)["UploadId"]
    assert s3.list_parts(**location, UploadId=upload)["NextPartNumberMarker"] == 0
    for number in (1, 2):
        s3.upload_part(**location, UploadId=upload, PartNumber=number, Body=b"x")
    assert s3.list_parts(**location, UploadId=upload)["NextPartNumberMarker"] == 2
    assert s3.list_parts(**location, UploadId=upload, MaxParts=1)["NextPartNumberMarker"] == 1
