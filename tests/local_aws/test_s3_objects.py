"""Listings as ItemReader sees them, inside of the server."""

import tracemalloc
import uuid

import pytest
from ministack.services import s3 as service

from local_aws.s3_objects import MissingObjectError, delete_object, has_bucket, list_keys, list_objects, put_object

COUNT = 20_000


@pytest.fixture
def bucket() -> str:
    name = f"t-{uuid.uuid4().hex[:12]}"
    service._create_bucket(name, b"", {})
    return name


def test_listing_of_twenty_thousand_keys_is_whole_in_order_and_not_held(bucket: str) -> None:
    for number in range(COUNT):
        put_object(bucket, f"in/{number}", b"x")
    put_object(bucket, "inside/not", b"x")
    expected = sorted(f"in/{number}" for number in range(COUNT))
    assert [str(entry["Key"]) for entry in list_objects(bucket, "in/")] == expected
    tracemalloc.start()
    assert sum(int(entry["Size"]) for entry in list_objects(bucket, "in/")) == COUNT
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 100 * COUNT


def test_items_have_awss_fields(bucket: str) -> None:
    put_object(bucket, "a", b"12345")
    (entry,) = list_objects(bucket, "")
    assert entry | {"LastModified": 0.0} == {
        "Etag": '"827ccb0eea8a706c4c34a16891f84e7b"',
        "Key": "a",
        "LastModified": 0.0,
        "Size": 5,
        "StorageClass": "STANDARD",
    }
    assert isinstance(entry["LastModified"], float)
    assert entry["LastModified"] == int(entry["LastModified"]) > 1_700_000_000


def test_keys_come_in_the_order_of_their_bytes_with_folders(bucket: str) -> None:
    keys = ["f/", "f/Z", "f/a", "f/\uffee", "f/\U0001f600"]
    for key in reversed(keys):
        put_object(bucket, key, b"")
    assert list_keys(bucket, "f/") == keys


def test_what_is_deleted_while_it_is_listed_is_left_out(bucket: str) -> None:
    for key in ("a", "b", "c"):
        put_object(bucket, key, b"")
    listing = list_objects(bucket, "")
    assert next(listing)["Key"] == "a"
    delete_object(bucket, "b")
    assert [entry["Key"] for entry in listing] == ["c"]


def test_missing_bucket_is_reported_at_once(bucket: str) -> None:
    assert has_bucket(bucket)
    assert not has_bucket("none")
    with pytest.raises(MissingObjectError, match="The specified bucket does not exist"):
        list_objects("none", "")
