"""PlanLoad with many objects: listed, checked before anything is written, and put together to ranges."""

from __future__ import annotations

import bz2
import csv
import gzip
import importlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice.errors import InvalidInputError, SluiceError, SourceMalformedError, SourceNotFoundError
from sluice.reading.source import Source
from sluice.workflows.csv_load.ranges import Piece, Range, read_ranges, source_of
from tests.fixtures import fixture
from tests.unit.lambda_context import Context
from tests.unit.run_items import create_run_table

BUCKET = fixture("plan_load", "usual")["input"]["source"]["bucket"]
RUN = {"workflow": "csv_load", "name": "many", "executionArn": "arn:aws:states:us-east-1:1:execution:m-csv_load-1:many"}


class Surroundings:
    """The functions, their bucket and their table, in moto."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3")
        self.plan = importlib.import_module("plan_load.handler").lambda_handler
        self.inspect = importlib.import_module("inspect_source.handler").lambda_handler

    def put(self, objects: Mapping[str, bytes | str]) -> None:
        for key, body in objects.items():
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def get(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def run(self, source: dict[str, Any], remaining_milliseconds: int = 900_000, **more: Any) -> dict[str, Any]:
        """What the state machine does until the plan is there."""
        event = {"run": RUN, "input": {"source": {"bucket": BUCKET} | source, "table": "rows", "keys": ["id"]} | more}
        planned: dict[str, Any] = self._invoke(self.plan, {**event, "progress": None}, remaining_milliseconds)
        while not planned["done"]:
            progress = planned["progress"]
            if planned["inspect"]:
                self._inspect(planned["inspect"], remaining_milliseconds)
                progress |= {"isInspected": True}
            planned = self._invoke(self.plan, {**event, "progress": progress}, remaining_milliseconds)
        return planned

    def _inspect(self, request: Mapping[str, Any], remaining_milliseconds: int) -> None:
        for line in self.get(request["key"]).splitlines():
            event = {"run": RUN, "inspect": request, "task": json.loads(line), "progress": None}
            while not (event["progress"] or {}).get("done"):
                event["progress"] = self._invoke(self.inspect, event, remaining_milliseconds)

    @staticmethod
    def _invoke(handler: Any, event: Any, remaining_milliseconds: int) -> Any:
        return json.loads(json.dumps(handler(json.loads(json.dumps(event)), Context(remaining_milliseconds))))

    def ranges(self) -> list[Range]:
        return read_ranges(self.s3, BUCKET, "csv_load/many/plan.jsonl")

    def rows(self, planned: Mapping[str, Any]) -> list[tuple[str, int, dict[str, str]]]:
        """All rows of the plan: key, number, values by column."""
        load = planned["load"]
        assert planned["plan"]["rows"] == sum(each.rows for each in self.ranges())
        assert planned["plan"]["ranges"] == len(self.ranges())
        found: list[tuple[str, int, dict[str, str]]] = []
        for each in self.ranges():
            assert each.first_row == len(found) + 1
            for piece in each.pieces:
                found += self._rows_of(Source.from_state(load["source"]), load["keyPrefix"], each, piece)
        return found

    def _rows_of(self, first: Source, prefix: str, planned: Range, piece: Piece) -> list[Any]:
        source = source_of(first, prefix, planned, piece)
        data = self.get(source.key)
        data = gzip.decompress(data) if source.compression == "gzip" else data
        text = data[piece.start : piece.end].decode()
        records = [record for record in csv.reader(io.StringIO(text, newline="")) if record]
        assert len(records) == piece.rows
        return [
            (source.key, number, dict(zip(source.header or (), record, strict=True)))
            for number, record in enumerate(records, piece.first_row)
        ]


@pytest.fixture
def aws() -> Iterator[Surroundings]:
    with mock_aws():
        surroundings = Surroundings()
        surroundings.s3.create_bucket(Bucket=BUCKET)
        create_run_table()
        boto3.client("dynamodb").create_table(
            TableName="rows",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield surroundings


USUAL: Mapping[str, bytes | str] = {"in/a.csv": "id,name\n1,a\n2,b\n", "in/b.csv": "id,name\n3,c\n"}
ROWS = [
    ("in/a.csv", 1, {"id": "1", "name": "a"}),
    ("in/a.csv", 2, {"id": "2", "name": "b"}),
    ("in/b.csv", 1, {"id": "3", "name": "c"}),
]


def test_objects_below_a_prefix_become_one_range(aws: Surroundings) -> None:
    aws.put(USUAL)
    planned = aws.run({"prefix": "in/"})
    assert aws.rows(planned) == ROWS
    assert len(aws.ranges()) == 1
    assert planned["load"]["keyPrefix"] == "in/"


@pytest.mark.parametrize(
    ("source", "more", "expected"),
    [
        ({"prefix": "in/"}, {"in/": b""}, ROWS),
        ({"prefix": "in/"}, {"in/_SUCCESS.csv": b""}, ROWS),
        ({"prefix": "in/", "format": "csv"}, {"in/_SUCCESS": b""}, ROWS),
        ({"prefix": "in/"}, {"in/aa.csv": b"id,name\n"}, ROWS),
        (
            {"prefix": "in/"},
            {"in/c.csv": b"\xef\xbb\xbfid,name\n4,d\n"},
            [*ROWS, ("in/c.csv", 1, {"id": "4", "name": "d"})],
        ),
        ({"prefix": "in/"}, {"in/c.csv": b"name,id\nd,4\n"}, [*ROWS, ("in/c.csv", 1, {"id": "4", "name": "d"})]),
        (
            {"prefix": "in/"},
            {"in/c.csv.gz": gzip.compress(b"name,id\nd,4\n", mtime=0)},
            [*ROWS, ("in/c.csv.gz", 1, {"id": "4", "name": "d"})],
        ),
        ({"prefix": "in/", "suffix": ".csv"}, {"in/readme.md": b"# none"}, ROWS),
        ({"prefix": "in/", "suffix": "b.csv"}, {}, ROWS[2:]),
        ({"keys": ["in/b.csv", "in/a.csv"]}, {}, [ROWS[2], *ROWS[:2]]),
        ({"prefix": "in/", "onUnreadable": "skip"}, {"in/c.csv": gzip.compress(b"id,name\n", mtime=0)}, ROWS),
        ({"prefix": "in/", "onUnreadable": "skip"}, {"in/0.csv": b'id,name\n1,"a\n'}, ROWS),
        ({"prefix": "in/", "maxRows": 2}, {}, ROWS[:2]),
        ({"prefix": "in/", "maxRows": 1}, {"in/c.csv": b'"'}, ROWS[:1]),
        ({"prefix": "in/", "maxRows": 9}, {}, ROWS),
    ],
    ids=lambda value: json.dumps(value, default=repr)[:60] if isinstance(value, dict) else "",
)
def test_rows_are_those_of_all_objects(
    aws: Surroundings, source: dict[str, Any], more: dict[str, bytes], expected: list[Any]
) -> None:
    aws.put({**USUAL, **more})
    assert aws.rows(aws.run(source)) == expected


@pytest.mark.parametrize("remaining_milliseconds", [900_000, 0], ids=["at once", "piece by piece"])
@pytest.mark.parametrize("range_size", [1 << 10, 8 << 20])
@pytest.mark.parametrize("inline_objects", [1000, 0], ids=["inline", "map"])
def test_ranges_hold_every_row_once(
    aws: Surroundings,
    monkeypatch: pytest.MonkeyPatch,
    range_size: int,
    remaining_milliseconds: int,
    inline_objects: int,
) -> None:
    monkeypatch.setattr("sluice.workflows.csv_load.set_plan.INLINE_OBJECTS", inline_objects)
    monkeypatch.setattr("sluice.workflows.csv_load.set_plan.TASK_CHUNK_BYTES", 700)
    expected: list[tuple[str, int, dict[str, str]]] = []
    objects: dict[str, bytes | str] = {}
    for number in range(12):
        header = ("id", "name") if number % 3 else ("name", "id")
        rows = [{"id": f"{number}-{row}", "name": f'"x,\n{row}"'} for row in range(number * number)]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, header, lineterminator="\r\n" if number % 2 else "\n")
        writer.writeheader()
        writer.writerows(rows)
        is_zipped, body = number % 5 == 0, text.getvalue().encode()
        key = f"in/{number:02}.csv" + (".gz" if is_zipped else "")
        objects[key] = gzip.compress(body) if is_zipped else body
        expected += [(key, index, row) for index, row in enumerate(rows, 1)]
    aws.put(objects)
    planned = aws.run({"prefix": "in/"}, remaining_milliseconds, rangeSize=range_size)
    assert sorted(aws.rows(planned), key=lambda row: row[:2]) == sorted(expected, key=lambda row: row[:2])
    assert (len(aws.ranges()) > 1) == (range_size == 1 << 10)


@pytest.mark.parametrize(
    ("source", "objects", "error", "words"),
    [
        ({"prefix": "none/"}, {}, SourceNotFoundError, ["source.prefix", "no object", "/none/"]),
        ({"prefix": "in/", "suffix": ".tsv"}, {}, SourceNotFoundError, ["source.prefix", "source.suffix", ".tsv"]),
        ({"prefix": "in/", "bucket": "nowhere"}, {}, SourceNotFoundError, ["source.bucket", "nowhere"]),
        ({"key": "in/"}, {}, InvalidInputError, ["source.key", "ends with a slash", "source.prefix"]),
        ({"keys": ["in/a.csv", "in/"]}, {}, InvalidInputError, ["source.keys[1]", "source.prefix"]),
        ({"keys": ["in/a.csv", "in/a.csv"]}, {}, InvalidInputError, ["source.keys[1]", "twice"]),
        ({"keys": []}, {}, InvalidInputError, ["source.keys", "at least one"]),
        ({"keys": ["in/a.csv", "in/x.csv"]}, {}, SourceNotFoundError, ["in/x.csv", "1 of 2"]),
        ({"keys": ["in/a.csv"], "prefix": "in/"}, {}, InvalidInputError, ["cannot be combined"]),
        ({"prefix": "in/", "versionId": "1"}, {}, InvalidInputError, ["source.versionId"]),
        ({"key": "in/a.csv", "suffix": ".csv"}, {}, InvalidInputError, ["source.suffix"]),
        ({"key": "in/a.csv", "onUnreadable": "skip"}, {}, InvalidInputError, ["source.onUnreadable"]),
        ({"prefix": "in/", "onUnreadable": "pass"}, {}, InvalidInputError, ["source.onUnreadable", "fail, skip"]),
        ({"prefix": "in/", "sufix": ".csv"}, {}, InvalidInputError, ["source.sufix", "suffix"]),
        (
            {"prefix": "in/"},
            {"in/c.csv": b"id,nom\n4,d\n"},
            InvalidInputError,
            ["different columns", "in/c.csv", '"name"', '"nom"', "in/a.csv"],
        ),
        (
            {"prefix": "in/"},
            {"in/c.csv": b"id,name,x\n4,d,e\n"},
            InvalidInputError,
            ["different columns", "in/c.csv", '"x"'],
        ),
        (
            {"prefix": "in/"},
            {"in/c.csv": b"\x1f\x8b\x08"},
            SourceMalformedError,
            ["in/c.csv", "1 of 3", "gzip", "source.onUnreadable"],
        ),
        (
            {"prefix": "in/"},
            {"in/c.csv": b'id,name\n1,"a\n'},
            SourceMalformedError,
            ["in/c.csv", "row 1", "never closed"],
        ),
        ({"prefix": "in/"}, {"in/c.md": b"# x\n"}, InvalidInputError, ["source.format", "in/c.md"]),
        ({"prefix": "in/"}, {"in/c.jsonl": b"{}\n"}, InvalidInputError, ["source.format", "in/c.jsonl"]),
        ({"prefix": "in/"}, {"in/c.tsv": b"id\tname\n"}, InvalidInputError, ["source.format", "in/c.tsv"]),
        ({"prefix": "in/e"}, {"in/e1.csv": b"", "in/e2.csv": b"\n"}, SourceMalformedError, ["source.prefix", "empty"]),
        (
            {"prefix": "in/", "onUnreadable": "skip", "suffix": "z"},
            {"in/z": b"x", "in/yz": b"x"},
            InvalidInputError,
            ["source.format", "in/yz"],
        ),
    ],
    ids=lambda value: json.dumps(value, default=repr)[:60] if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("inline_objects", [1000, 0], ids=["inline", "map"])
def test_what_is_wrong_is_named_before_anything_is_planned(
    aws: Surroundings,
    monkeypatch: pytest.MonkeyPatch,
    source: dict[str, Any],
    objects: dict[str, bytes],
    error: type[SluiceError],
    words: list[str],
    inline_objects: int,
) -> None:
    monkeypatch.setattr("sluice.workflows.csv_load.set_plan.INLINE_OBJECTS", inline_objects)
    aws.put({**USUAL, **objects})
    with pytest.raises(error) as raised:
        aws.run(source)
    for word in words:
        assert word in str(raised.value)
    assert aws.keys("csv_load/many/plan") == []


def a_zip(**members: str) -> bytes:
    """A zip of files; their names have an underscore in place of the dot."""
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name.replace("_", "."), text)
    return stored.getvalue()


def pieces(aws: Surroundings) -> list[tuple[str, int]]:
    return [(piece.file, piece.rows) for each in aws.ranges() for piece in each.pieces]


@pytest.mark.parametrize("inline_objects", [1000, 0], ids=["inline", "map"])
def test_each_file_in_a_zip_is_one(aws: Surroundings, monkeypatch: pytest.MonkeyPatch, inline_objects: int) -> None:
    monkeypatch.setattr("sluice.workflows.csv_load.set_plan.INLINE_OBJECTS", inline_objects)
    aws.put({**USUAL, "in/c.zip": a_zip(x_csv="name,id\nd,4\n", y_csv="id,name\n"), "in/d.zip": a_zip()})
    planned = aws.run({"prefix": "in/"})
    assert planned["plan"]["rows"] == 4
    assert pieces(aws) == [("a.csv", 2), ("b.csv", 1), ("c.zip: x.csv", 1), ("c.zip: y.csv", 0), ("d.zip", 0)]
    assert "1 of 5 objects is empty" in planned["notes"]


def test_zips_alone_say_their_format_by_their_files(aws: Surroundings) -> None:
    aws.put({"in/c.zip": a_zip(x_tsv="id\tname\n4\td\n", y_tsv="id\tname\n5\te\n6\tf\n")})
    assert aws.run({"prefix": "in/"})["load"]["source"]["delimiter"] == "\t"
    assert pieces(aws) == [("c.zip: x.tsv", 1), ("c.zip: y.tsv", 2)]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"PK\x03\x04", ["in/c.zip", "damaged zip"]),
        (a_zip(x_csv="id,nom\n"), ["c.zip: x.csv", "different columns"]),
        (a_zip(x_jsonl="{}"), ["c.zip: x.jsonl", "source.format"]),
    ],
)
def test_what_is_wrong_with_a_zip_names_its_file(aws: Surroundings, body: bytes, words: list[str]) -> None:
    aws.put({**USUAL, "in/c.zip": body})
    with pytest.raises(SluiceError) as raised:
        aws.run({"prefix": "in/"})
    for word in words:
        assert word in str(raised.value)


def test_names_of_the_input_replace_the_same_header_row_in_all_objects(aws: Surroundings) -> None:
    aws.put(USUAL)
    source = {"prefix": "in/", "headers": ["id", "title"], "headerRow": "replace"}
    assert aws.rows(aws.run(source))[0] == ("in/a.csv", 1, {"id": "1", "title": "a"})
    aws.put({"in/c.csv": "name,id\nd,4\n"})
    with pytest.raises(InvalidInputError, match=r"different columns.*in/c\.csv has them in another order"):
        aws.run(source)


def test_skipped_objects_are_listed(aws: Surroundings) -> None:
    aws.put({**USUAL} | {"in/c.csv": bz2.compress(b"id,name\n"), "in/d.csv": gzip.compress(b"")})
    planned = aws.run({"prefix": "in/", "onUnreadable": "skip"})
    lines = [json.loads(line) for line in aws.get("csv_load/many/unreadable.jsonl").splitlines()]
    assert planned["unreadable"] == len(lines)
    assert "in/d.csv" in [line["key"] for line in lines]
    assert any("unreadable.jsonl" in note for note in planned["notes"])
