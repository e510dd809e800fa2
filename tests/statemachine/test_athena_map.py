"""athena_map's children: one processor in three Maps, and the names that it makes of a row."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonata import Jsonata

from sluice.settings import QuerySettings
from sluice.workflows.athena_map.input import MapInput
from tests.statemachine.definitions import all_states, definition

MAPS = {"Csv": "MapCsvRows", "Json": "MapJsonRows", "Parquet": "MapParquetRows"}
BUCKET = "data"
keys = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
buckets = st.from_regex(r"[a-z0-9.-]{3,12}", fullmatch=True)


def states() -> dict[str, Any]:
    found: dict[str, Any] = definition("athena_map")["States"]
    return found


def test_every_map_has_the_same_processor_with_names_of_its_own() -> None:
    """ReaderConfig.InputType is literal, and a state's name stands once in a machine."""
    processors = []
    for suffix, name in MAPS.items():
        state = states()[name]
        inner = [each for each, _ in all_states(state["ItemProcessor"])]
        assert all(each.endswith(suffix) for each in inner)
        text = json.dumps({key: value for key, value in state.items() if key not in ("ItemReader", "Label", "Comment")})
        for each in inner:
            text = re.sub(rf'"{each}"', f'"{each.removesuffix(suffix)}"', text)
        processors.append(json.loads(text))
    assert processors[0] == processors[1] == processors[2]


def test_every_state_has_a_name_of_its_own() -> None:
    names = [name for name, _ in all_states(definition("athena_map"))]
    assert len(names) == len(set(names))


@cache
def expression(name: str, *path: str) -> Jsonata:
    """An expression of a state of the children."""
    value: Any = dict(all_states(definition("athena_map")))[f"{name}Csv"]
    for step in path:
        value = value[int(step) if step.isdigit() else step]
    return Jsonata(value.removeprefix("{%").removesuffix("%}"))


def evaluated(compiled: Jsonata, known: dict[str, Any]) -> Any:
    frame = compiled.create_frame()
    frame.bind("states", known)
    return compiled.evaluate(None, frame)


def named(row: dict[str, Any], source: dict[str, str], **destination: Any) -> dict[str, Any]:
    """What NameObjects makes of a row."""
    action = {"copyObject": {"source": source, "destination": {"bucket": "to", "prefix": "out"} | destination}}
    allowed = QuerySettings(("primary",), (), "*", "*")
    request = MapInput.from_input({"query": "SELECT 1", "action": action}, BUCKET, allowed)
    given = {"index": 3, "messageCharacters": 1200, "row": row, "action": request.action.to_state()}
    found: dict[str, Any] = evaluated(expression("NameObjects", "Output"), {"input": given})
    return found


def copy_key(kept: Any, bucket: str, key: str) -> str:
    """What the copy's key ends with, in Python."""
    if isinstance(kept, dict):
        return key.removeprefix(kept["without"]) if key.startswith(kept["without"]) else ""
    return {"whole": key, "name": key.rpartition("/")[2], "bucket": f"{bucket}/{key}"}[kept]


@settings(max_examples=40)
@given(buckets, keys, st.sampled_from(["whole", "name", "bucket", {"without": "a/"}, {"without": "🗻"}]))
def test_objects_are_named_by_the_row_whatever_the_key(bucket: str, key: str, kept: Any) -> None:
    by_uri = named({"u": f"s3://{bucket}/{key}"}, {"uri": "{u}"}, keys=kept)
    by_bucket_and_key = named({"b": bucket, "k": key}, {"bucket": "{b}", "key": "{k}"}, keys=kept)
    expected = copy_key(kept, bucket, key)
    for found in (by_uri, by_bucket_and_key):
        assert found["source"] == {"bucket": bucket, "key": key}
        assert found["error"] == ("" if expected else "KeyNotKept")
        assert found["destination"] == {"bucket": "to", "key": f"out/{expected}"}
        assert (found["index"], found["attempt"], found["isEmpty"]) == (3, 1, False)


def test_texts_around_columns_stay() -> None:
    source = {"bucket": "raw-{region}", "key": "{{x}}/{day}/{region}.csv"}
    found = named({"region": "eu", "day": "2026-11-28"}, source)
    assert found["source"] == {"bucket": "raw-eu", "key": "{x}/2026-11-28/eu.csv"}


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        ({"b": "x"}, "CellEmpty", "nothing in k"),
        ({"b": "x", "k": None}, "CellEmpty", "nothing in k"),
        ({"b": "", "k": ""}, "CellEmpty", "nothing in b, k"),
        ({"b": "x", "k": 12345678901234567890}, "CellNotText", "no text in k; cast it to varchar"),
        ({"b": True, "k": ["a"]}, "CellNotText", "no text in b, k; cast it to varchar"),
        ({"b": "x/y", "k": "z"}, "ObjectNotNamed", "the row names no object such as s3://bucket/key"),
    ],
)
def test_row_that_names_no_object_has_a_reason(row: dict[str, Any], error: str, message: str) -> None:
    found = named(row, {"bucket": "{b}", "key": "{k}"})
    assert (found["error"], found["message"]) == (error, message)


@pytest.mark.parametrize("uri", ["x", "s3:/x/y", "s3://", "s3://x", "s3://x/", "s3:///y", "S3://x/y", "s3a://x/y"])
def test_uri_of_no_object_is_reported(uri: str) -> None:
    assert named({"u": uri}, {"uri": "{u}"})["error"] == "ObjectNotNamed"


AT_S3 = "(Service: S3, Status Code: {}, Request ID: 1)"


@pytest.mark.parametrize(
    ("error", "cause", "expected"),
    [
        ("S3.NoSuchKeyException", f"The specified key does not exist. {AT_S3.format(404)}", ("NoSuchKey", False)),
        ("S3.S3Exception", f"Please reduce your request rate. {AT_S3.format(503)}", ("S3.S3Exception", True)),
        ("S3.S3Exception", f"We encountered an internal error. {AT_S3.format(500)}", ("S3.S3Exception", True)),
        ("S3.S3Exception", f"Slow down. {AT_S3.format(429)}", ("S3.S3Exception", True)),
        ("S3.S3Exception", f"Please try again. {AT_S3.format(200)}", ("S3.S3Exception", True)),
        ("S3.S3Exception", f"Access Denied {AT_S3.format(403)}", ("AccessDenied", False)),
        ("S3.S3Exception", f"null {AT_S3.format(404)}", ("NotFound", False)),
        ("S3.S3Exception", f"Your key is too long {AT_S3.format(400)}", ("KeyTooLongError", False)),
        (
            "S3.S3Exception",
            f"The specified copy source is larger than the maximum allowable size {AT_S3.format(400)}",
            ("InvalidRequest", False),
        ),
        (
            "S3.ObjectNotInActiveTierErrorException",
            f"It is archived. {AT_S3.format(403)}",
            ("ObjectNotInActiveTierError", False),
        ),
        ("States.Timeout", None, ("States.Timeout", False)),
    ],
)
def test_failed_copy_has_s3s_name_for_the_error(error: str, cause: str | None, expected: tuple[str, bool]) -> None:
    reported = {"Error": error} | ({} if cause is None else {"Cause": cause})
    known = {"input": {"index": 1, "attempt": 2}, "errorOutput": reported}
    found = evaluated(expression("CopyObject", "Catch", "0", "Output"), known)
    assert (found["error"], found["isPassing"]) == expected
    assert (found["index"], found["attempt"]) == (1, 3)
    assert "(Service" not in found["message"]


DENIED = (
    "User: arn:aws:sts::000000000000:assumed-role/sluice-AthenaMapStateMachineRole/x is not authorized to perform: "
    's3:PutObject on resource: "arn:aws:s3:::copies/{key}" because no identity-based policy allows the action'
)


def message_of(cause: str, rows: int, state: str = "RowFailed") -> str:
    """What the batch's output says of a copy that failed, in a batch of so many rows."""
    most = evaluated(expression("CopyObjects", "ItemSelector", "messageCharacters"), {"input": {"Items": [0] * rows}})
    given = {"index": 1, "attempt": 1, "messageCharacters": most}
    reported = {"Error": "S3.S3Exception", "Cause": f"{cause} {AT_S3.format(403)}"}
    failed = evaluated(expression("CopyObject", "Catch", "0", "Output"), {"input": given, "errorOutput": reported})
    message: str = evaluated(expression(state, "Output", "message"), {"input": failed})
    return message


@pytest.mark.parametrize("rows", [1, 100, 500])
def test_denied_copy_names_action_and_resource_in_any_batch(rows: int) -> None:
    message = message_of(DENIED.format(key="output/a.csv"), rows)
    assert message.startswith('denied: s3:PutObject on resource: "arn:aws:s3:::copies/output/a.csv" because')


@pytest.mark.parametrize("cause", ["Access Denied", "x is not authorized to perform: s3:GetObject because of a policy"])
def test_denied_copy_names_its_objects_if_s3_does_not(cause: str) -> None:
    source = {"bucket": "b", "key": "k"}
    given = {"index": 1, "attempt": 1, "source": source, "destination": {"bucket": "to", "key": "out/k"}}
    reported = {"Error": "S3.S3Exception", "Cause": f"{cause} {AT_S3.format(403)}"}
    known = {"input": given, "errorOutput": reported}
    message: str = evaluated(expression("CopyObject", "Catch", "0", "Output"), known)["message"]
    assert message.endswith(", copying s3://b/k to s3://to/out/k")


@pytest.mark.parametrize("character", ["x", '"', "\\", "\n", "\u00fc", "\U0001f600"])
@pytest.mark.parametrize("rows", [1, 100, 500])
@pytest.mark.parametrize("state", ["RowFailed", "RowRejected"])
def test_messages_of_a_whole_batch_fit_into_its_output(character: str, rows: int, state: str) -> None:
    message = message_of(DENIED.format(key=character * 1_000), rows, state)
    assert message.startswith('denied: s3:PutObject on resource: "arn:aws:s3:::copies/' + character)
    undone = {"index": rows - 1, "outcome": "rejected", "error": "ObjectNotInActiveTierError", "message": message}
    assert rows * (len(json.dumps(undone)) + 1) < 200_000


@pytest.mark.parametrize(
    ("found", "following"),
    [
        ({"error": "S3.S3Exception", "isPassing": True, "attempt": 5}, "WaitForCopyCsv"),
        ({"error": "S3.S3Exception", "isPassing": True, "attempt": 6}, None),
        ({"error": "NoSuchKey", "isPassing": False, "attempt": 2}, "RowRejectedCsv"),
        ({"error": "AccessDenied", "isPassing": False, "attempt": 2}, None),
    ],
)
def test_copy_is_tried_again_only_where_that_may_help(found: dict[str, Any], following: str | None) -> None:
    choices = dict(all_states(definition("athena_map")))["CopyFailedCsv"]["Choices"]
    met = [
        choice["Next"]
        for number, choice in enumerate(choices)
        if evaluated(expression("CopyFailed", "Choices", str(number), "Condition"), {"input": found})
    ]
    assert (met or [None])[0] == following
