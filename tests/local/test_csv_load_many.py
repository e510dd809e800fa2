"""csv_load over many objects: those below a prefix, or a list of keys."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest

from local_aws import faults
from sluice.workflows.csv_load.set_plan import INLINE_OBJECTS
from sluice.workflows.csv_load.tasks import TASK_CHUNK_BYTES
from tests.local.deployed import Deployed, Ended
from tests.local.map_runs import map_runs


def put_all(stack: Deployed, objects: Mapping[str, bytes | str]) -> str:
    """The objects below a prefix of their own; returns it."""
    prefix = f"input/{uuid4().hex}/"
    for name, body in objects.items():
        stack.s3.put_object(Bucket=stack.bucket, Key=prefix + name, Body=body)
    return prefix


def load_all(stack: Deployed, objects: Mapping[str, bytes | str], /, **settings: Any) -> tuple[str, str, Ended]:
    """Load the objects into a new table keyed by id; returns the table, the prefix and how the run ended."""
    prefix, table = put_all(stack, objects), stack.new_table()
    source = {"bucket": stack.bucket, "prefix": prefix} | settings.pop("source", {})
    if "keys" in source:
        source = {**source, "keys": [prefix + key for key in source["keys"]]}
        del source["prefix"]
    document = {"source": source, "table": table, "keys": ["id"]} | settings
    return table, prefix, stack.run("csv_load", document)


def items_of(stack: Deployed, table: str) -> dict[str, dict[str, str]]:
    """The texts of all items, by their ids."""
    items = [{name: value["S"] for name, value in item.items()} for item in stack.items(table)]
    return {item.pop("id"): item for item in items}


def lines_of(stack: Deployed, ended: Ended, name: str) -> list[dict[str, Any]]:
    """One of the files that a run leaves, with keys without their prefix."""
    body = stack.s3.get_object(Bucket=stack.bucket, Key=f"csv_load/{ended.name}/{name}.jsonl")["Body"].read()
    return [json.loads(line) for line in body.splitlines()]


def file_counts(stack: Deployed, ended: Ended) -> dict[str, tuple[int, ...]]:
    """Of each object: rows, written, skipped, rejected, failed."""
    names = ("rows", "written", "skipped", "rejected", "failed")
    lines = lines_of(stack, ended, "files")
    assert ended.summary["files"] == {"key": f"csv_load/{ended.name}/files.jsonl", "objects": len(lines)}
    sums = tuple(sum(line[name] for line in lines) for name in ("read", "written", "skipped", "rejected", "failed"))
    assert sums == ended.counts
    return {line["key"].rpartition("/")[2]: tuple(line[name] for name in names) for line in lines}


USUAL: Mapping[str, bytes | str] = {"a.csv": "id,name\n1,a\n2,b\n", "b.csv": "id,name\n3,c\n"}
NAMES = {"1": {"name": "a"}, "2": {"name": "b"}, "3": {"name": "c"}}


def test_every_object_below_the_prefix_is_loaded(stack: Deployed) -> None:
    more: dict[str, bytes | str] = {
        "": b"",
        "c.csv": b"",
        "d.csv": "id,name\n",
        "e.csv": b"\xef\xbb\xbfname,id\r\nd,4\r\n",
        "f.csv.gz": gzip.compress(b"name,id\ne,5\n"),
    }
    table, _, ended = load_all(stack, {**USUAL} | {**more})
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "COMPLETE", (5, 5, 0, 0, 0)), ended
    assert items_of(stack, table) == NAMES | {"4": {"name": "d"}, "5": {"name": "e"}}
    assert file_counts(stack, ended) == {
        "a.csv": (2, 2, 0, 0, 0),
        "b.csv": (1, 1, 0, 0, 0),
        "c.csv": (0, 0, 0, 0, 0),
        "d.csv": (0, 0, 0, 0, 0),
        "e.csv": (1, 1, 0, 0, 0),
        "f.csv.gz": (1, 1, 0, 0, 0),
    }
    assert "1 of 6 objects is empty" in ended.summary["notes"]


@pytest.mark.parametrize(
    ("source", "more", "expected"),
    [
        pytest.param({"suffix": ".csv"}, {"readme.md": "# none"}, NAMES, id="suffix"),
        pytest.param({"keys": ["b.csv", "a.csv"]}, {"c.csv": "id,other\n"}, NAMES, id="keys"),
        pytest.param({"maxRows": 2}, {}, {"1": {"name": "a"}, "2": {"name": "b"}}, id="max_rows"),
        pytest.param({"onUnreadable": "skip"}, {"c.csv": gzip.compress(b"id,name\n9,z\n")}, NAMES, id="skip"),
        pytest.param(
            {"headers": ["id", "name"], "format": "csv"},
            {"c.csv": "4,d\n"},
            NAMES | {"id": {"name": "name"}, "4": {"name": "d"}},
            id="headers",
        ),
        pytest.param(
            {"delimiter": ";"}, {"a.csv": "id;name\n1;a\n2;b\n", "b.csv": "id;name\n3;c\n"}, NAMES, id="dialect"
        ),
    ],
)
def test_objects_are_those_that_the_source_names(
    stack: Deployed, source: dict[str, Any], more: Mapping[str, bytes | str], expected: dict[str, Any]
) -> None:
    table, _, ended = load_all(stack, {**USUAL} | {**more}, source=source)
    assert ended.status == "SUCCEEDED", ended
    assert items_of(stack, table) == expected
    assert file_counts(stack, ended)


def test_json_lines_below_a_prefix(stack: Deployed) -> None:
    objects: dict[str, bytes | str] = {
        "a.jsonl": '{"id": "1", "n": "a"}\n\n',
        "b.jsonl": "",
        "c.ndjson.gz": gzip.compress(b'{"id": "2"}'),
    }
    table, _, ended = load_all(stack, objects)
    assert ended.counts == (2, 2, 0, 0, 0), ended
    assert items_of(stack, table) == {"1": {"n": "a"}, "2": {}}


@pytest.mark.parametrize(
    ("objects", "source", "error", "words"),
    [
        pytest.param({}, {}, "SourceNotFoundError", ["source.prefix", "no object"], id="nothing"),
        pytest.param(
            {**USUAL} | {"c.csv": "id,nom\n4,d\n"},
            {},
            "InvalidInputError",
            ["objects with different columns", "c.csv", '"nom"', '"name"'],
            id="different_columns",
        ),
        pytest.param(
            {**USUAL} | {"c.csv": 'id,name\n4,"d\n'},
            {},
            "SourceMalformedError",
            ["c.csv", "never closed", "source.onUnreadable"],
            id="open_quote",
        ),
        pytest.param(
            {**USUAL} | {"c.csv.gz": b"\x1f\x8b\x08"}, {}, "SourceMalformedError", ["c.csv.gz", "1 of 3"], id="damaged"
        ),
        pytest.param(USUAL, {"keys": ["a.csv", "x.csv"]}, "SourceNotFoundError", ["x.csv", "1 of 2"], id="missing_key"),
        pytest.param({"a.csv": "x,name\n1,a\n"}, {}, "InvalidInputError", ["keys", "id"], id="no_key_column"),
    ],
)
def test_what_is_wrong_is_named_before_a_row_is_written(
    stack: Deployed, objects: Mapping[str, bytes | str], source: dict[str, Any], error: str, words: list[str]
) -> None:
    table, _, ended = load_all(stack, objects, source=source)
    assert (ended.status, ended.error) == ("FAILED", error), ended
    for word in words:
        assert word in ended.summary["error"]["message"]
    assert stack.items(table) == []


@pytest.mark.plans_denials
def test_bucket_that_the_stack_may_not_read_is_named(stack: Deployed) -> None:
    _, _, ended = load_all(stack, {}, source={"bucket": "sluice-none"})
    assert (ended.status, ended.error) == ("FAILED", "AccessDeniedError"), ended
    for word in ("source.bucket", "sluice-none", "SourceBucketPattern"):
        assert word in ended.summary["error"]["message"]


def test_rejects_and_skipped_objects_name_the_object(stack: Deployed) -> None:
    objects = {**USUAL, "c.csv": "id,name\n4\n,e\n5,f\n", "d.csv": b"id,\xff\n"}
    _, prefix, ended = load_all(stack, objects, source={"onUnreadable": "skip"}, rejectsTolerated=2)
    assert (ended.status, ended.summary["status"], ended.counts) == ("SUCCEEDED", "PARTIAL", (6, 4, 0, 2, 0)), ended
    rejects = lines_of(stack, ended, "rejects")
    assert [(each["file"], each["row"], each["error"]) for each in rejects] == [
        (f"{prefix}c.csv", 1, "RowRagged"),
        (f"{prefix}c.csv", 2, "KeyEmpty"),
    ]
    assert file_counts(stack, ended)["c.csv"] == (3, 1, 0, 2, 0)
    (skipped,) = lines_of(stack, ended, "unreadable")
    assert (skipped["key"], skipped["error"]) == (f"{prefix}d.csv", "SourceMalformedError")
    assert ended.summary["unreadable"] == {"key": f"csv_load/{ended.name}/unreadable.jsonl", "objects": 1}


def test_more_objects_than_one_call_inspects_are_inspected_by_children(stack: Deployed) -> None:
    number = INLINE_OBJECTS + 100
    objects = {f"{each:05}.csv": f"id,name\n{each}-1,a\n{each}-2,b\n" for each in range(number)}
    table, _, ended = load_all(stack, objects)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (2 * number, 2 * number, 0, 0, 0)), ended
    assert set(map_runs(stack, "csv_load", ended)) == {"InspectObjects", "LoadRanges"}
    assert len(stack.items(table)) == 2 * number
    assert set(file_counts(stack, ended).values()) == {(2, 2, 0, 0, 0)}


@pytest.mark.usefixtures("no_faults_left")
def test_large_object_is_inspected_in_chunks(stack: Deployed) -> None:
    # Rows with newlines in quotes, so that chunks begin within fields.
    row = '{},"' + "a,\n" * 100_000 + '"\n'
    number = TASK_CHUNK_BYTES // len(row) + 20
    large = "id,text\n" + "".join(row.format(each) for each in range(number))
    mapping = {"id": "{id}"}
    table, _, ended = load_all(stack, {"a.csv": large, "b.csv": "text,id\nb,x\n"}, keys=None, mapping=mapping)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (number + 1, number + 1, 0, 0, 0)), ended
    assert {*items_of(stack, table)} == {"x", *map(str, range(number))}
    assert "InspectObjects" in map_runs(stack, "csv_load", ended)
    assert file_counts(stack, ended) == {"a.csv": (number, number, 0, 0, 0), "b.csv": (1, 1, 0, 0, 0)}


@pytest.mark.usefixtures("no_faults_left")
def test_killed_worker_changes_no_count(stack: Deployed) -> None:
    faults.kill_worker(stack.aws, stack.outputs["TransformItemsFunctionName"], after_seconds=0.3)
    objects = {f"{each}.csv": "id,name\n" + "".join(f"{each}-{row},a\n" for row in range(300)) for each in range(8)}
    table, _, ended = load_all(stack, objects, rangeSize=1024, maxConcurrency=2)
    assert (ended.status, ended.counts) == ("SUCCEEDED", (2400, 2400, 0, 0, 0)), ended
    assert len(stack.items(table)) == 2400
    assert set(file_counts(stack, ended).values()) == {(300, 300, 0, 0, 0)}
