"""object_map: each object below a prefix once, whatever its key, and what became of it."""

from __future__ import annotations

import pytest

from tests.local.deployed import OBJECT_FUNCTION, Deployed
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
