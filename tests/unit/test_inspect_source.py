"""InspectSource: what is found of a task's objects, at once or in slices, and objects that cannot be read."""

from __future__ import annotations

import gzip
import importlib
import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice import errors
from sluice.workflows.csv_load.inspection import Inspected, from_lines, to_lines
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.lambda_context import Context

USUAL = fixture("inspect_source", "usual")
BUCKET = USUAL["inspect"]["source"]["bucket"]
AIRPORTS = (files("airportsdata") / "airports.csv").read_bytes()


class Surroundings:
    """The function and its bucket, in moto."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3")
        self._handler = importlib.import_module("inspect_source.handler").lambda_handler

    def put(self, key: str, body: bytes) -> list[Any]:
        """An object, and the piece of a task that it is."""
        etag = self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)["ETag"]
        return [key, etag, len(body), None, 0, None, None]

    def invoke(self, event: Any, remaining_milliseconds: int = 900_000) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(json.dumps(self._handler(event, Context(remaining_milliseconds))))
        return answer

    def inspect(
        self, pieces: list[list[Any]], remaining_milliseconds: int = 900_000, **request: Any
    ) -> tuple[list[Inspected], dict[str, Any]]:
        """All slices of a task: what they have found, and the last progress."""
        task = {**USUAL["task"], "pieces": pieces}
        event = {**USUAL, "inspect": USUAL["inspect"] | request, "task": task}
        found: list[Inspected] = []
        while not (event["progress"] or {}).get("done"):
            number = (event["progress"] or {}).get("slices", 0)
            event["progress"] = self.invoke(event, remaining_milliseconds)
            key = f"csv_load/fixture/inspected/00000000-{number:04}.jsonl"
            lines, done = from_lines(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
            assert done == event["progress"]["done"]
            found += lines
        return found, event["progress"]


@pytest.fixture
def aws() -> Iterator[Surroundings]:
    with mock_aws():
        surroundings = Surroundings()
        surroundings.s3.create_bucket(Bucket=BUCKET)
        yield surroundings


@pytest.mark.parametrize("path", sorted((EVENTS / "inspect_source").glob("*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(aws: Surroundings, path: Any) -> None:
    aws.put("input/airports.csv", AIRPORTS)
    event, error = fixture("inspect_source", path.stem), expected_error(path)
    if error is None:
        answer = aws.invoke(event)
        assert (answer["done"], answer["rows"]) == (True, AIRPORTS.count(b"\n") - 1)
        return
    with pytest.raises(getattr(errors, error)):
        aws.invoke(event)


def test_objects_are_found_with_columns_and_rows(aws: Surroundings) -> None:
    pieces = [
        aws.put("input/a.csv", b"id,name\n1,a\n"),
        aws.put("input/b.csv.gz", gzip.compress(b"name,id\nb,2\nc,3\n")),
        aws.put("input/empty.csv", b""),
        aws.put("input/blank.csv", b"\xef\xbb\xbf\n"),
    ]
    found, progress = aws.inspect(pieces)
    assert found == [
        Inspected(0, 8, ("id", "name"), [[12, 1]], []),  # type: ignore[list-item]
        Inspected(1, 8, ("name", "id"), [[16, 2]], []),  # type: ignore[list-item]
        Inspected(2, cuts=[], windows=[]),
        Inspected(3, cuts=[], windows=[]),
    ]
    assert progress["rows"] == 3


def test_slices_find_what_one_finds(aws: Surroundings) -> None:
    body = b"id,name\n" + b'1,"a\nb"\n' * 2000
    pieces = [aws.put("input/a.csv", body), aws.put("input/b.csv", b"id,name\n")]
    whole, _ = aws.inspect(pieces, rangeSize=1024)
    parts, progress = aws.inspect(pieces, 0, rangeSize=1024)
    assert progress["slices"] > 10
    assert [cut for line in parts for cut in line.cuts] == [cut for line in whole for cut in line.cuts]
    assert [line.is_continued for line in parts[-2:]] == [False, False]


@pytest.mark.parametrize(
    ("key", "body", "error", "words"),
    [
        ("input/b.csv", b"\x1f\x8b\x08", "SourceMalformedError", "gzip"),
        ("input/b.csv", b'id\n"', "SourceMalformedError", "never closed"),
        ("input/b.csv", b"\xff\n", "SourceMalformedError", "source.encoding"),
        ("input/b.md", b"id\n", "InvalidInputError", "source.format"),
        ("input/b.tsv", b"id\n", "InvalidInputError", "input/airports.csv"),
    ],
)
def test_object_that_cannot_be_read_is_found_to_be_so(
    aws: Surroundings, key: str, body: bytes, error: str, words: str
) -> None:
    found, _ = aws.inspect([aws.put(key, body), aws.put("input/c.csv", b"id\n1\n")])
    assert found[0].problem is not None
    assert (found[0].problem[0], found[1].problem) == (error, None)
    assert words in found[0].problem[1]
    assert f"{BUCKET}/{key}" in found[0].problem[1]


def test_object_that_has_changed_since_it_was_listed_is_found_to_be_so(aws: Surroundings) -> None:
    piece = aws.put("input/a.csv", b"id\n1\n")
    aws.put("input/a.csv", b"id\n2\n")
    (found,), _ = aws.inspect([piece])
    assert found.problem is not None
    assert found.problem[0] == "SourceChangedError"


def test_lines_are_read_as_they_were_written() -> None:
    found = [Inspected(0, 1, ("a",), [(1, 2)], [], None), Inspected(1, 1, None, [], [], ("E", "m"), is_continued=True)]
    lines, done = from_lines(to_lines(found, done=False))
    plain: Mapping[str, Any] = {"cuts": [[1, 2]]}
    assert (lines[0], done) == (found[0]._replace(**plain), False)
    assert lines[1]._replace(problem=("E", "m")) == found[1]
