"""object_map's children: two Maps with the same steps, what S3's actions get, and a function's answer."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonata import Jsonata

from tests.statemachine.definitions import all_states, definition

keys = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
TO = {"bucket": "to", "prefix": "out/", "keys": "whole", "without": None, "isEmpty": False}


def states() -> dict[str, Any]:
    return dict(all_states(definition("object_map")))


def test_children_for_long_functions_have_the_same_steps() -> None:
    found = states()
    long = definition("object_map")["States"]["MapObjectsLong"]["ItemProcessor"]["States"]
    for name, state in long.items():
        other = found[name.removesuffix("Long")]
        text = without_varying(state)
        for inner in long:
            text = text.replace(f'"{inner}"', f'"{inner.removesuffix("Long")}"')
        assert text == without_varying(other), name


def without_varying(state: dict[str, Any]) -> str:
    """A Standard child waits for days for a free function, and has no action but a function."""
    varying = ("Retry", "Catch", "TimeoutSeconds")
    return json.dumps({key: value for key, value in state.items() if key not in varying})


def test_every_state_has_a_name_of_its_own() -> None:
    names = [name for name, _ in all_states(definition("object_map"))]
    assert len(names) == len(set(names))


@cache
def expression(name: str, *path: str) -> Jsonata:
    value: Any = states()[name]
    for step in path:
        value = value[int(step) if step.isdigit() else step]
    return Jsonata(value.removeprefix("{%").removesuffix("%}"))


def evaluated(known: dict[str, Any], name: str, *path: str) -> Any:
    compiled = expression(name, *path)
    frame = compiled.create_frame()
    frame.bind("states", known)
    return compiled.evaluate(None, frame)


def item(key: str, **fields: Any) -> dict[str, Any]:
    return {"Bucket": "from", "Key": key, "Size": 3, "ETag": '"e"', "VersionId": None, **fields}


def named(each: dict[str, Any], action: str, **destination: Any) -> dict[str, Any]:
    """What NameObject makes of an object."""
    given: Any = {"type": action, "destination": TO | destination if action == "copyObject" else None, "tags": []}
    known = {"index": 3, "messageCharacters": 1200, "object": each, "action": given}
    found: dict[str, Any] = evaluated({"input": known}, "NameObject", "Output")
    return found


def copy_key(kept: str, without: str | None, key: str) -> str:
    """What the copy's key ends with, in Python."""
    if kept == "without":
        return key.removeprefix(without or "") if key.startswith(without or "") else ""
    return {"whole": key, "name": key.rpartition("/")[2], "bucket": f"from/{key}"}[kept]


@settings(max_examples=40)
@given(keys, st.sampled_from([("whole", None), ("name", None), ("bucket", None), ("without", "a/"), ("without", "🗻")]))
def test_copies_are_named_whatever_the_key(key: str, kept: tuple[str, str | None]) -> None:
    found = named(item(key), "copyObject", keys=kept[0], without=kept[1])
    expected = copy_key(*kept, key)
    assert found["object"] == {"Bucket": "from", "Key": key}
    assert found["destination"] == {"Bucket": "to", "Key": f"out/{expected}"}
    assert found["error"] == ("" if expected else "KeyNotKept")


@pytest.mark.parametrize("version", [None, "", "v1"])
@pytest.mark.parametrize("action", ["copyObject", "deleteObject", "putObjectTagging"])
def test_version_is_named_where_it_is_known(action: str, version: str | None) -> None:
    found = named(item("k", VersionId=version), action)
    assert found["object"].get("VersionId") == (version or None)


@pytest.mark.parametrize(
    ("each", "is_empty", "looks"),
    [({}, False, True), ({}, True, False), ({"ETag": None}, False, False)],
)
def test_copy_is_looked_for_where_there_may_be_one(each: dict[str, Any], is_empty: bool, looks: bool) -> None:
    assert named(item("k", **each), "copyObject", isEmpty=is_empty)["looks"] is looks


def test_copy_has_the_condition_that_the_object_is_the_listed_one() -> None:
    arguments = evaluated({"input": named(item("a b", VersionId="v"), "copyObject")}, "CopyObject", "Arguments")
    expected = {"Bucket": "to", "Key": "out/a b", "CopySource": "from/a%20b?versionId=v", "CopySourceIfMatch": '"e"'}
    assert arguments == expected
    unknown = evaluated({"input": named(item("k", ETag=None), "copyObject")}, "CopyObject", "Arguments")
    assert "CopySourceIfMatch" not in unknown


def answer(payload: Any, *keys: str) -> dict[str, Any]:
    """What CallFunction makes of what a function returns for these objects."""
    known = {
        "input": {"BatchInput": {"batch": 0}, "Items": [item(key) for key in keys]},
        "result": {"Payload": payload},
    }
    found: dict[str, Any] = evaluated(known, "CallFunction", "Output")
    return found


def test_outcomes_of_a_function_are_those_of_the_objects() -> None:
    outcomes = [
        {"outcome": "done", "result": {"a": [1]}},
        {"outcome": "skipped", "Key": "b"},
        {"outcome": "failed", "reason": "too dark"},
        {"outcome": "failed", "error": "TooDark", "reason": {"level": 1}},
        {"outcome": "failed"},
        {"outcome": "done", "result": None},
    ]
    found = answer({"outcomes": outcomes}, *"abcdef")
    assert found["error"] is None
    undone = [
        {"index": 2, "outcome": "failed", "error": "FunctionFailed", "message": "too dark"},
        {"index": 3, "outcome": "failed", "error": "TooDark", "message": '{"level":1}'},
        {"index": 4, "outcome": "failed", "error": "FunctionFailed", "message": "the function gave no reason"},
    ]
    results = [{"index": 0, "result": {"a": [1]}}, {"index": 5, "result": None}]
    assert found["outcome"] == {"written": 2, "skipped": 1, "undone": undone, "results": results}


@pytest.mark.parametrize("outcome", [{"outcome": "done", "result": 1}, {"outcome": "failed", "reason": "r"}])
def test_outcome_of_a_batch_of_one_is_a_list(outcome: dict[str, Any]) -> None:
    found = answer({"outcomes": [outcome]}, "a")["outcome"]
    assert (len(found["undone"]), len(found["results"])) == ((0, 1) if outcome["outcome"] == "done" else (1, 0))


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (None, "must return"),
        ([], "must return"),
        ("x", "must return"),
        ({}, "must return"),
        ({"outcomes": {}}, "must return"),
        ({"outcomes": []}, "returned 0 outcomes for 2 objects"),
        ({"outcomes": [{"outcome": "done"}] * 3}, "returned 3 outcomes for 2 objects"),
        ({"outcomes": [{"outcome": "done"}, {"outcome": "ok"}]}, "outcome 1 must have"),
        ({"outcomes": [{"outcome": "done"}, "done"]}, "outcome 1 must have"),
        ({"outcomes": [{"outcome": "done", "Key": "b"}, {"outcome": "done"}]}, "outcome 0 is of another object: b"),
        ({"outcomes": [{"outcome": "done", "result": "x" * 60_000}] * 2}, "return less, or lower batchSize"),
        ({"outcomes": [{"outcome": "done", "result": "🗻" * 13_000}] * 2}, "return less, or lower batchSize"),
    ],
)
def test_answer_without_an_outcome_per_object_is_an_error(payload: Any, words: str) -> None:
    error = answer(payload, "a", "b")["error"]
    assert error["Error"] == "AnswerInvalidError"
    assert words in error["Cause"]


@pytest.mark.parametrize("character", ["x", "ü", "🗻", "\\", "\n"])
def test_long_reasons_are_cut_so_that_all_fit(character: str) -> None:
    outcomes = [{"outcome": "failed", "reason": character * 2000}] * 500
    found = answer({"outcomes": outcomes}, *(str(number) for number in range(500)))
    assert len(json.dumps(found).encode()) < 200_000
    assert all(each["message"] for each in found["outcome"]["undone"])


AT_S3 = "(Service: S3, Status Code: {}, Request ID: 1)"


@pytest.mark.parametrize(
    ("error", "cause", "expected", "next_state"),
    [
        ("S3.NoSuchKeyException", f"No such key. {AT_S3.format(404)}", "NoSuchKey", "ObjectRejected"),
        ("S3.S3Exception", f"null {AT_S3.format(404)}", "NotFound", "ObjectRejected"),
        (
            "S3.S3Exception",
            f"A condition {AT_S3.format(412)}",
            "ObjectChanged",
            "ObjectRejected",
        ),
        ("S3.S3Exception", f"Slow down. {AT_S3.format(503)}", "S3.S3Exception", "WaitForObject"),
        ("S3.S3Exception", f"Access Denied {AT_S3.format(403)}", "AccessDenied", "ObjectFailed"),
    ],
)
def test_failed_action_has_the_name_that_s3_gives_it(error: str, cause: str, expected: str, next_state: str) -> None:
    known = {"input": named(item("k"), "deleteObject"), "errorOutput": {"Error": error, "Cause": cause}}
    for name in ("HeadObject", "DeleteObject", "CopyObject", "TagObject"):
        found = evaluated(known, name, "Catch", "0", "Output")
        assert (found["error"], found["attempt"]) == (expected, 2)
    choices = states()["ActionFailed"]["Choices"]
    chosen = [
        choice["Next"]
        for index, choice in enumerate(choices)
        if evaluated({"input": found}, "ActionFailed", "Choices", str(index), "Condition")
    ]
    assert (*chosen, states()["ActionFailed"]["Default"])[0] == next_state


def test_denied_action_names_what_was_tried() -> None:
    known = {
        "input": named(item("k"), "deleteObject"),
        "errorOutput": {"Error": "S3.S3Exception", "Cause": f"Access Denied {AT_S3.format(403)}"},
    }
    found = evaluated(known, "DeleteObject", "Catch", "0", "Output")
    assert found["message"] == "Access Denied, deleting s3://from/k"


def test_progress_is_the_outcomes_counts() -> None:
    undone = [{"outcome": "rejected"}, {"outcome": "failed"}, {"outcome": "failed"}]
    known = {"input": {"outcome": {"written": 3, "skipped": 1, "undone": undone}}}
    values = states()["CountObjects"]["Arguments"]["ExpressionAttributeValues"]
    found = {
        name: evaluated(known, "CountObjects", "Arguments", "ExpressionAttributeValues", name, "N") for name in values
    }
    assert found == {":read": "7", ":written": "3", ":skipped": "1", ":rejected": "1", ":failed": "2"}


def test_shards_of_the_run_item_are_those_of_the_plan() -> None:
    known = {
        "input": {"planned": {"shards": 3}},
        "context": {"Execution": {"Name": "r"}, "Map": {"Item": {"Value": {"batch": 7}}}},
    }
    path = ("MapObjects", "ItemSelector", "BatchInput", "itemKey")
    assert evaluated(known, *path) == "object_map/r#1"
    assert evaluated(known | {"input": {"planned": {"shards": 1}}}, *path) == "object_map/r"


def test_errors_that_are_listed_are_rejects_by_name() -> None:
    (listed,) = re.findall(r"error in \[(.*?)\]", json.dumps(states()["ActionFailed"]))
    assert "'ObjectChanged'" in listed
