"""AggregateObjects: batches of objects, readable and not, and their slices."""

from __future__ import annotations

import bz2
import gzip
import json
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from demo.airports import SOURCE_KEY, airports_csv
from sluice import errors
from sluice.runs.paths import Run
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.aggregated import BOTOCORE_ALONE, BUCKET, Batches, aggregation, batches, counts, tally
from tests.unit.lambda_context import Context


@pytest.fixture
def aws() -> Iterator[Batches]:
    with batches() as started:
        yield started


def test_rows_of_all_objects_are_grouped(aws: Batches) -> None:
    aws.put("in/", b"")
    aws.put("in/a.csv", b"g,x\na,1\nb,-2.5\na, 3 \n")
    aws.put("in/b.csv.gz", gzip.compress(b"x,y,g\r\n0.1,,a\r\n,,a\r\n9999.9,,c\r\n"))
    aws.put("in/c.jsonl", b'{"g":"b","x":1.50}\n{"g":true,"x":null}\n{"x":"7"}\n')
    aws.put("in/empty.csv", b"")
    progress = aws.whole(aggregation(missing=["9999.9"]))
    assert counts(progress) == ((5, 4, 1, 0), (9, 9, 0, 0))
    assert aws.groups(progress) == {
        ("a",): tally(4, "1", "3", "0.1"),
        ("b",): tally(2, "-2.5", "1.50"),
        ("c",): tally(1),
        ("true",): tally(1),
        ("",): tally(1, "7"),
    }


def test_objects_with_the_same_header_are_read_together_and_alone(aws: Batches) -> None:
    bodies = [
        b"g,x\na,1\n",
        b"g,x\nb,2",
        b"g,x\n",
        b"g,x",
        b"x,g\n3,a\n",
        b"g,x\na,5,6\nc,4\n",
        b"\n\ng,x\na,7\n",
        b"\xef\xbb\xbf",
    ]
    for number, body in enumerate(bodies):
        aws.put(f"in/{number}.csv", body)
    progress = aws.whole(aggregation())
    assert counts(progress) == ((8, 8, 0, 0), (6, 5, 0, 1))
    assert aws.groups(progress) == {("a",): tally(3, "1", "3", "7"), ("b",): tally(1, "2"), ("c",): tally(1, "4")}
    (reject,) = aws.rejects(progress)
    assert (reject["row"], reject["error"], reject["file"], reject["record"]) == (
        1,
        "RowRagged",
        "in/5.csv",
        ["a", "5", "6"],
    )


DIALECTS = [
    pytest.param({"escape": "\\"}, b'g,x\n"a \\"b\\"",1\n', id="escape"),
    pytest.param({"trim": True}, b'g, x\n "a ""b""" , 1 \n', id="trim"),
    pytest.param({"comment": "#"}, b'# note\ng,x\n#\n"a ""b""",1\n', id="comment"),
    pytest.param({"delimiter": "||", "quote": None}, b'g||x\na "b"||1\n', id="long_delimiter"),
    pytest.param({"skipRows": 1}, b'a title, "\ng,x\n"a ""b""",1\n', id="skip_rows"),
    pytest.param({"headers": ["g", "x"], "replacesHeader": True}, b'p,q\n"a ""b""",1\n', id="replaced_header"),
]


@pytest.mark.parametrize(("layout", "body"), DIALECTS)
@pytest.mark.parametrize("whole_max_bytes", [1 << 20, 0], ids=["whole", "streamed"])
@pytest.mark.parametrize("compress", [bytes, bz2.compress], ids=["plain", "bzip2"])
def test_dialect_is_that_of_the_input(
    aws: Batches, layout: dict[str, Any], body: bytes, whole_max_bytes: int, compress: Callable[[bytes], bytes]
) -> None:
    ending = ".bz2" if compress is bz2.compress else ""
    for number in range(3):
        aws.put(f"in/{number}.csv{ending}", compress(body))
    progress = aws.whole(aggregation(layout={"format": "csv"} | layout), whole_max_bytes=whole_max_bytes)
    assert aws.groups(progress) == {('a "b"',): tally(3, "1", "1", "1")}


def test_json_in_any_layout_is_aggregated(aws: Batches) -> None:
    aws.put("in/a.json", json.dumps([{"g": "a", "x": 1}, {"g": "a", "x": 3}], indent=2).encode())
    aws.put("in/b.json", b'{"g": "b", "x": 2}')
    progress = aws.whole(aggregation())
    assert aws.groups(progress) == {("a",): tally(2, "1", "3"), ("b",): tally(1, "2")}


# Rows that are rejected.

JSON = [
    ({"g": "a", "x": "no"}, "NumberInvalid"),
    ({"g": ["a"], "x": 1}, "ValueUnsupported"),
    ({"g": "a", "x": {}}, "ValueUnsupported"),
    ({"g": "\ud800", "x": 1}, "TextInvalid"),
    ({"g": "a", "x": "1" * 39}, "NumberTooPrecise"),
    ({"g": "a", "x": "1e126"}, "NumberOutOfRange"),
]


def test_rejects_name_the_row_and_why(aws: Batches) -> None:
    aws.put("in/a.jsonl", b"".join(json.dumps(record).encode() + b"\n" for record, _ in JSON) + b"[1]\n")
    progress = aws.whole(aggregation())
    assert [each["error"] for each in aws.rejects(progress)] == [*(reason for _, reason in JSON), "RowNotJsonObject"]
    assert [each["row"] for each in aws.rejects(progress)] == list(range(1, 8))
    assert progress["reasons"]["ValueUnsupported"] == 2
    assert aws.groups(progress) == {}


def test_record_of_a_header_with_twins_is_a_list(aws: Batches) -> None:
    aws.put("in/a.csv", b"g,x,n,n\na,no,1,2\nb,1,3,4\n")
    (reject,) = aws.rejects(aws.whole(aggregation()))
    assert reject["record"] == ["a", "no", "1", "2"]


def test_row_that_is_filtered_is_not_checked_further(aws: Batches) -> None:
    aws.put("in/a.csv", b"g,x,y\na,no,1\nb,2,5\nc,3,\nd,4,-\n")
    where = [{"column": "y", "comparator": "moreThan", "value": {"number": "4.5"}}]
    progress = aws.whole(aggregation(where=where))
    assert counts(progress)[1] == (4, 1, 2, 1)
    assert aws.groups(progress) == {("b",): tally(1, "2")}


# Objects that cannot be read.

UNREADABLE = [
    pytest.param("in/a.csv.gz", gzip.compress(b"g,x\na,1\n")[:-5], "the gzip ends in the middle", id="truncated"),
    pytest.param("in/a.csv.gz", b"g,x\na,1\n", "gzip", id="not_gzip"),
    pytest.param("in/a.csv", gzip.compress(b"g,x\n"), "is gzip; set compression to gzip", id="gzip"),
    pytest.param("in/a.csv.gz", gzip.compress(gzip.compress(b"g,x\n")), "is gzip twice over", id="gzip_twice"),
    pytest.param("in/a.csv", "g,x\n".encode("utf-16"), "is UTF-16", id="utf16"),
    pytest.param("in/a.csv", b'g,x\na,1\n"b,2\n', "is never closed", id="open_quote"),
    pytest.param("in/a.csv", b"g,y\na,1\n", 'has no column "x"; its columns are "g", "y"', id="column_missing"),
    pytest.param("in/a.csv", b"g,x,x\na,1,2\n", 'has the column "x" 2 times', id="column_twice"),
    pytest.param("in/a.csv", b"g,x,\xff\na,1,2\n", "byte 0xff of the header row, at offset 4,", id="header"),
    pytest.param("in/a.csv", b"\n\r\n", "has no header row, only blank lines", id="blank"),
    pytest.param("in/a.csv", bz2.compress(b"g,x\n"), "is bzip2; set compression to bzip2", id="bzip2"),
    pytest.param("in/a.csv", b"PAR1\x15\x04", "is Parquet", id="parquet"),
    pytest.param("in/a.csv", "g,x\na,1\n".encode("utf-16-le"), "looks like UTF-16 without", id="utf16_without_mark"),
    pytest.param("in/a.csv.gz", gzip.compress(b"g,x\na,1\n") + b"more", "bytes after the end of the gzip", id="tail"),
    pytest.param("in/a.csv", b'"g"x,x\na,1\n', "text after a closing quote", id="header_quotes"),
    pytest.param("in/a.dat", b"g,x\na,1\n", "does not tell the format", id="ending"),
]


@pytest.mark.parametrize(("key", "body", "problem"), UNREADABLE)
@pytest.mark.parametrize("whole_max_bytes", [1 << 20, 0], ids=["whole", "streamed"])
def test_object_that_cannot_be_read_is_named_and_counts_in_nothing(
    aws: Batches, key: str, body: bytes, problem: str, whole_max_bytes: int
) -> None:
    aws.put("in/0.csv", b"g,x\na,1\n")
    aws.put(key, body)
    aws.put("in/z.csv", b"g,x\na,2\n")
    progress = aws.whole(aggregation(), whole_max_bytes=whole_max_bytes)
    assert counts(progress) == ((3, 2, 0, 1), (2, 2, 0, 0))
    assert aws.groups(progress) == {("a",): tally(2, "1", "2")}
    (line,) = aws.unreadable(progress)
    assert (line["key"], line["error"]) == (key, "SourceMalformedError")
    assert problem in line["message"]


def test_one_unreadable_object_among_a_thousand(aws: Batches) -> None:
    for number in range(1000):
        aws.put(f"in/{number:04d}.csv", b"g,x\na,%d\n" % number if number != 500 else b"x\n1\n")
    progress = aws.whole(aggregation())
    assert counts(progress) == ((1000, 999, 0, 1), (999, 999, 0, 0))
    assert aws.groups(progress)[("a",)].measures[0].total == 499_500 - 500
    assert [each["key"] for each in aws.unreadable(progress)] == ["in/0500.csv"]


def test_object_that_changed_or_is_missing_is_named(aws: Batches) -> None:
    for name in ("changed", "gone", "same"):
        aws.put(f"in/{name}.csv", b"g,x\na,1\n")
    aws.s3.put_object(Bucket=BUCKET, Key="in/changed.csv", Body=b"g,x\na,2\n")
    aws.s3.delete_object(Bucket=BUCKET, Key="in/gone.csv")
    progress = aws.whole(aggregation())
    assert [(each["key"], each["error"]) for each in aws.unreadable(progress)] == [
        ("in/changed.csv", "SourceChangedError"),
        ("in/gone.csv", "SourceChangedError"),
    ]
    assert aws.groups(progress) == {("a",): tally(1, "1")}


class Refusing:
    """An S3 client that refuses some keys with an error of S3's."""

    def __init__(self, s3: Any, code: str, refuses: Callable[[str], bool]) -> None:
        self._s3 = s3
        self._code = code
        self._refuses = refuses

    def get_object(self, **request: Any) -> Any:
        if self._refuses(request["Key"]):
            answer: Any = {"Error": {"Code": self._code}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(answer, "GetObject")
        return self._s3.get_object(**request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)


@pytest.mark.parametrize(
    ("code", "error"), [("AccessDenied", "AccessDeniedError"), ("InvalidObjectState", "SourceNotFoundError")]
)
def test_object_that_may_not_be_read_is_named(aws: Batches, code: str, error: str) -> None:
    for name in "abc":
        aws.put(f"in/{name}.csv", b"g,x\na,1\n")
    aws.s3 = Refusing(aws.s3, code, lambda key: key == "in/b.csv")
    progress = aws.whole(aggregation())
    assert [each["error"] for each in aws.unreadable(progress)] == [error]
    assert counts(progress) == ((3, 2, 0, 1), (2, 2, 0, 0))


def test_batch_of_which_nothing_may_be_read_fails(aws: Batches) -> None:
    for name in "ab":
        aws.put(f"in/{name}.csv", b"g,x\na,1\n")
    aws.s3 = Refusing(aws.s3, "AccessDenied", lambda key: key.startswith("in/"))
    with pytest.raises(errors.AccessDeniedError):
        aws.slice(aggregation())


# The handler.


def test_airports_go_through_the_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key=SOURCE_KEY, Body=airports_csv())
        event = fixture("aggregate_objects", "usual")
        handler = import_module("aggregate_objects.handler")
        monkeypatch.setattr(handler, "gets", BOTOCORE_ALONE)
        progress = handler.lambda_handler(event, Context())
        assert counts(progress) == ((3, 1, 1, 1), (28298, 28298, 0, 0))
        aws = Batches(s3, Run.from_state(event["run"]))
        assert aws.groups(progress)[("IS",)].rows == airports_csv().count(b',"IS",')
        (missing,) = aws.unreadable(progress)
        assert (missing["key"], missing["error"]) == ("input/gone.csv", "SourceChangedError")


@pytest.mark.parametrize(
    "path",
    [each for each in sorted((EVENTS / "aggregate_objects").glob("*.json")) if expected_error(each)],
    ids=lambda each: each.stem,
)
def test_fixture_fails_as_it_is_named(path: Path) -> None:
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=BUCKET)
        handler: Any = import_module("aggregate_objects.handler")
        with pytest.raises(getattr(errors, str(expected_error(path)))):
            handler.lambda_handler(fixture("aggregate_objects", path.stem), Context())
