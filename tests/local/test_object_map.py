"""object_map: each object below a prefix once, whatever its key, and what became of it."""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.local.deployed import COPY_BUCKET, OBJECT_FUNCTION, SCRATCH_BUCKET, SOURCE_BUCKET, Deployed
from tests.local.map_runs import map_runs
from tests.local.mapped_objects import KEYS, Objects, lines, processed

pytestmark = pytest.mark.usefixtures("object_function", "no_faults_left")
ACTION = {"function": OBJECT_FUNCTION}


@pytest.fixture
def objects(stack: Deployed) -> Objects:
    return Objects(stack)


def test_objects_with_keys_of_every_kind_are_copied(stack: Deployed, objects: Objects) -> None:
    keys = objects.put(*KEYS)
    ended = objects.run(objects.copy(), batchSize=4)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (len(KEYS), len(KEYS), 0, 0, 0)), ended
    assert sorted(objects.keys(objects.copies)) == sorted(objects.copies + key for key in keys)
    assert ended.summary["objects"] == {"listed": len(KEYS), "bytes": len(KEYS), "filtered": 0}
    again = objects.run(objects.copy())
    assert (again.status, again.counts) == ("SUCCEEDED", (len(KEYS), 0, len(KEYS), 0, 0)), again


@pytest.mark.parametrize("child_type", ["EXPRESS", "STANDARD"])
def test_function_answers_for_each_object(stack: Deployed, objects: Objects, child_type: str) -> None:
    keys = objects.put(*KEYS, "a.skip", "b.fail", body=b"four")
    document = {"batchSize": 5, "toleratedFailureCount": 1, "childType": child_type}
    ended = objects.run(ACTION, **document)
    assert ended.counts == (len(KEYS) + 2, len(KEYS), 1, 0, 1), ended
    assert (ended.status, ended.summary["status"]) == ("SUCCEEDED", "PARTIAL")
    assert processed(stack, ended.name) == dict.fromkeys(keys, 1)
    (failure,) = lines(stack, ended.summary["failures"]["key"])
    assert (failure["error"], failure["message"]) == ("FunctionFailed", f"not an image: {objects.prefix}b.fail")
    results = lines(stack, ended.summary["functionResults"]["key"])
    assert {each["Key"]: each["result"] for each in results} == {
        key: {"bytes": 4} for key in keys if key.endswith(".csv")
    }


def test_failed_objects_can_be_fed_back(stack: Deployed, objects: Objects) -> None:
    objects.put("1.fail", "2.csv", "3.raise")
    ended = objects.run(ACTION, batchSize=1, toleratedFailurePercentage=100)
    assert ended.counts == (3, 1, 0, 0, 2), ended
    assert ended.summary["failures"]["errors"] == {"FunctionFailed": 1, "ValueError": 1}
    fed_back = {"bucket": stack.bucket, "key": ended.summary["failures"]["objects"]}
    again = stack.run("object_map", {"objects": fed_back, "action": objects.copy()})
    assert (again.status, again.counts) == ("SUCCEEDED", (2, 2, 0, 0, 0)), again


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("x.none", 'the function must return {"outcomes": [...]}, one per object'),
        ("x.short", "the function returned 1 outcomes for 2 objects"),
    ],
)
def test_answer_that_lacks_outcomes_fails_its_batch(objects: Objects, key: str, words: str) -> None:
    objects.put("a.csv", key)
    ended = objects.run(ACTION)
    assert (ended.status, ended.error, ended.counts) == ("FAILED", "AnswerInvalidError", (2, 0, 0, 0, 2)), ended
    assert words in (ended.cause or "")


def test_objects_are_deleted_once_confirmed(stack: Deployed, objects: Objects) -> None:
    objects.put(*KEYS)
    counted = objects.run({"deleteObject": {}}, mode="dryRun")
    assert (counted.status, counted.counts) == ("SUCCEEDED", (0, 0, 0, 0, 0)), counted
    assert counted.summary["objects"] == {"listed": len(KEYS), "bytes": len(KEYS), "filtered": 0}
    assert map_runs(stack, "object_map", counted) == []
    refused = objects.run({"deleteObject": {}})
    assert (refused.status, refused.error) == ("FAILED", "InvalidInputError")
    assert "action.deleteObject.confirm: must be true" in (refused.cause or "")
    assert len(objects.keys()) == len(KEYS)
    ended = objects.run({"deleteObject": {"confirm": True}})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (len(KEYS), len(KEYS), 0, 0, 0)), ended
    assert objects.keys() == []


def test_objects_are_tagged(stack: Deployed, objects: Objects) -> None:
    keys = objects.put(*KEYS)
    ended = objects.run({"putObjectTagging": {"tags": {"team": "night", "cost": "a+b c"}}})
    assert (ended.status, ended.counts) == ("SUCCEEDED", (len(KEYS), len(KEYS), 0, 0, 0)), ended
    for key in keys:
        tags = stack.s3.get_object_tagging(Bucket=stack.bucket, Key=key)["TagSet"]
        assert {each["Key"]: each["Value"] for each in tags} == {"team": "night", "cost": "a+b c"}


def test_prefix_without_objects_is_a_success(stack: Deployed, objects: Objects) -> None:
    ended = objects.run(ACTION)
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "COMPLETE", (0, 0, 0, 0, 0)), ended
    assert map_runs(stack, "object_map", ended) == []


def test_filters_and_a_list_choose_the_objects(stack: Deployed, objects: Objects) -> None:
    objects.put("a.csv", "b.csv", "c.txt")
    objects.put("large.csv", body=b"x" * 100)
    ended = objects.run(objects.copy(keys="name"), suffix=".csv", maxBytes=50, modifiedSince="2020-01-01")
    assert ended.counts == (2, 2, 0, 0, 0), ended
    assert ended.summary["objects"] == {"listed": 2, "bytes": 2, "filtered": 2}
    assert objects.keys(objects.copies) == [f"{objects.copies}a.csv", f"{objects.copies}b.csv"]


def test_inventory_names_the_objects(stack: Deployed, objects: Objects) -> None:
    keys = objects.put(*KEYS)
    rows = "".join(f'"{stack.bucket}","{quote(key)}","1"\n' for key in keys)
    data = stack.put(gzip.compress(rows.encode()), ".csv.gz")
    manifest = {
        "destinationBucket": f"arn:aws:s3:::{stack.bucket}",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size",
        "files": [{"key": data["key"]}],
    }
    document = {"inventory": stack.put(json.dumps(manifest), ".json"), "action": objects.copy()}
    ended = stack.run("object_map", document)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (len(KEYS), len(KEYS), 0, 0, 0)), ended
    assert sorted(objects.keys(objects.copies)) == sorted(objects.copies + key for key in keys)


def listed(stack: Deployed, *objects: dict[str, Any]) -> dict[str, Any]:
    """A list of objects, as an input takes it."""
    return {"objects": stack.put("".join(json.dumps(each) + "\n" for each in objects), ".jsonl")}


def test_object_that_was_replaced_after_it_was_listed_is_left_alone(stack: Deployed, objects: Objects) -> None:
    keys = objects.put("same", "replaced", "gone")
    etag = stack.s3.head_object(Bucket=stack.bucket, Key=keys[0])["ETag"]
    stack.s3.put_object(Bucket=stack.bucket, Key=keys[1], Body=b"new")
    stack.s3.delete_object(Bucket=stack.bucket, Key=keys[2])
    named = listed(stack, *({"Bucket": stack.bucket, "Key": key, "ETag": etag} for key in keys))
    copied = stack.run("object_map", {**named, "action": objects.copy(), "rejectsTolerated": "any"})
    assert copied.counts == (3, 1, 0, 2, 0), copied
    assert copied.summary["rejects"]["reasons"] == {"ObjectChanged": 1, "NoSuchKey": 1}
    deleted = stack.run("object_map", {**named, "action": {"deleteObject": {"confirm": True}}, "rejectsTolerated": 1})
    assert deleted.counts == (3, 1, 1, 1, 0), deleted
    assert deleted.summary["rejects"]["reasons"] == {"ObjectChanged": 1}
    assert objects.keys() == [keys[1]]


def two_versions(stack: Deployed, objects: Objects) -> tuple[str, dict[str, Any]]:
    """The key of an object with two versions, and a list of the first one."""
    (key,) = objects.put("a", body=b"first", Tagging="team=day")
    head = stack.s3.head_object(Bucket=objects.bucket, Key=key)
    objects.put("a", body=b"second")
    named = {"Bucket": objects.bucket, "Key": key, "VersionId": head["VersionId"], "ETag": head["ETag"]}
    return key, listed(stack, named)


def test_version_that_a_list_names_is_copied(stack: Deployed) -> None:
    objects = Objects(stack, stack.versioned_bucket())
    _, named = two_versions(stack, objects)
    copied = stack.run("object_map", {**named, "action": objects.copy(keys="name")})
    assert copied.counts == (1, 1, 0, 0, 0), copied
    assert stack.object(f"{objects.copies}a") == b"first"


def test_version_that_a_list_names_is_deleted_for_good(stack: Deployed) -> None:
    objects = Objects(stack, stack.keeping_versions(SCRATCH_BUCKET))
    key, named = two_versions(stack, objects)
    delete = {"deleteObject": {"confirm": True}}
    for counts in ((1, 1, 0, 0, 0), (1, 0, 1, 0, 0)):
        assert stack.run("object_map", {**named, "action": delete}).counts == counts
        versions = stack.s3.list_object_versions(Bucket=objects.bucket, Prefix=key)
        assert [each["Size"] for each in versions["Versions"]] == [len(b"second")]
    marked = objects.run(delete)
    assert marked.counts == (1, 1, 0, 0, 0), marked
    versions = stack.s3.list_object_versions(Bucket=objects.bucket, Prefix=key)
    assert (len(versions["Versions"]), len(versions["DeleteMarkers"])) == (1, 1)


def test_objects_go_from_one_bucket_to_another_where_they_are_tagged(stack: Deployed) -> None:
    stack.s3.create_bucket(Bucket=SOURCE_BUCKET)
    stack.keeping_versions(COPY_BUCKET)
    objects = Objects(stack, SOURCE_BUCKET)
    keys = objects.put(*KEYS, Tagging="team=night")
    ended = objects.run(objects.copy(bucket=COPY_BUCKET, prefix=objects.name))
    assert ended.counts == (len(KEYS), len(KEYS), 0, 0, 0), ended
    again = objects.run(objects.copy(bucket=COPY_BUCKET, prefix=objects.name))
    assert again.counts == (len(KEYS), 0, len(KEYS), 0, 0), again
    copies = [f"{objects.name}/{key}" for key in keys]
    tags = stack.s3.get_object_tagging(Bucket=COPY_BUCKET, Key=copies[0])
    assert tags["TagSet"] == [{"Key": "team", "Value": "night"}]
    action = {"putObjectTagging": {"tags": {"team": "day"}}}
    document = {"bucket": COPY_BUCKET, "prefix": objects.name, "action": action}
    assert stack.run("object_map", document).counts == (len(KEYS), len(KEYS), 0, 0, 0)
    named = listed(stack, {"Bucket": COPY_BUCKET, "Key": copies[0], "VersionId": tags["VersionId"]})
    assert stack.run("object_map", {**named, "action": action}).counts == (1, 1, 0, 0, 0)
    assert stack.s3.get_object_tagging(Bucket=COPY_BUCKET, Key=copies[0])["TagSet"][0]["Value"] == "day"
