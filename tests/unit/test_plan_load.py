"""PlanLoad: every check by its error, and plans that hold the whole source."""

from __future__ import annotations

import csv
import gzip
import importlib
import io
import json
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluice import errors
from sluice.errors import (
    InvalidInputError,
    SluiceError,
    SourceChangedError,
    SourceMalformedError,
    SourceNotFoundError,
    TableNotFoundError,
)
from sluice.reading.record_scanner import Block
from sluice.reading.rows import parse
from sluice.reading.source import Source
from sluice.workflows.csv_load.ranges import Range, read_ranges
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.lambda_context import Context
from tests.unit.run_items import create_run_table

BUCKET = fixture("plan_load", "usual")["input"]["source"]["bucket"]
AIRPORTS = "icao,iata,name,city,subd,country,elevation,lat,lon,tz,lid\n" + "".join(
    f'K{row:03},,"Field, ""{row}""",City,State,US,{row}.0,1.5,-1.5,UTC,\n' for row in range(200)
)


class Surroundings:
    """The function, its bucket and its table, in moto."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self.s3 = boto3.client("s3")
        self.dynamodb = boto3.client("dynamodb")

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def invoke(self, event: dict[str, Any], remaining_milliseconds: int = 900_000) -> dict[str, Any]:
        answer = self._module.lambda_handler(event, Context(remaining_milliseconds))
        result: dict[str, Any] = json.loads(json.dumps(answer))
        return result

    def ranges(self) -> list[Range]:
        return read_ranges(self.s3, BUCKET, "csv_load/planned/plan.jsonl")

    def has_written(self) -> bool:
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix="csv_load/")
        return bool(listed["KeyCount"])


@pytest.fixture
def aws() -> Iterator[Surroundings]:
    with mock_aws():
        surroundings = Surroundings(importlib.import_module("plan_load.handler"))
        surroundings.s3.create_bucket(Bucket=BUCKET)
        surroundings.put("input/airports.csv", AIRPORTS.encode())
        create_run_table()
        surroundings.dynamodb.create_table(
            TableName="airports",
            KeySchema=[{"AttributeName": "icao", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "icao", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield surroundings


def an_event(key: str = "input/airports.csv", **changed: Any) -> dict[str, Any]:
    """The usual event with another source, and `changed` in its input; `source` adds to the source."""
    event = fixture("plan_load", "usual")
    source = event["input"]["source"] | {"key": key} | changed.pop("source", {})
    return event | {"input": event["input"] | changed | {"source": source}}


def by_keys(key: str, **changed: Any) -> dict[str, Any]:
    """An event that takes every column as text."""
    return an_event(key, mapping=None, keys=["icao"], **changed)


def rows_of(surroundings: Surroundings, planned: dict[str, Any], data: bytes) -> list[Any]:
    source = Source.from_state(planned["load"]["source"])
    rows: list[Any] = []
    for each in surroundings.ranges():
        assert each.first_row == len(rows) + 1
        rows += parse(Block(each.start, data[each.start : each.end], each.rows), source)
    assert (planned["plan"]["rows"], planned["plan"]["ranges"]) == (len(rows), len(surroundings.ranges()))
    return rows


@pytest.mark.parametrize("path", sorted((EVENTS / "plan_load").glob("*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(aws: Surroundings, path: Any) -> None:
    event, error = fixture("plan_load", path.stem), expected_error(path)
    if error is None:
        assert aws.invoke(event)["done"]
        return
    with pytest.raises(getattr(errors, error)):
        aws.invoke(event)
    assert not aws.has_written()


def test_usual_plan_says_all_that_the_machine_needs(aws: Surroundings) -> None:
    planned = aws.invoke(an_event(rangeSize=1024, maxConcurrency=7, rejectsTolerated="2%", onConflict="keep"))
    header = AIRPORTS.split("\n")[0].split(",")
    etag = aws.s3.head_object(Bucket=BUCKET, Key="input/airports.csv")["ETag"]
    # moto does not know Lambda's account.
    (note,) = planned["notes"]
    assert "was not compared with the account's Lambda concurrency" in note
    assert planned | {"load": None, "plan": None, "notes": []} == {
        "formatVersion": 3,
        "notes": [],
        "done": True,
        "progress": None,
        "inspect": None,
        "load": None,
        "plan": None,
        "maxConcurrency": 7,
        "unreadable": 0,
        "toleratedFailurePercentage": 0,
        "toleratedFailureCount": 0,
        "rejectsTolerated": {"percentage": 2.0},
        "resumed": None,
    }
    assert planned["load"] == {
        "formatVersion": 3,
        "source": {
            "bucket": BUCKET,
            "key": "input/airports.csv",
            "versionId": None,
            "etag": etag,
            "size": len(AIRPORTS),
            "format": "csv",
            "compression": "none",
            "delimiter": ",",
            "quote": '"',
            "header": header,
            "encoding": "utf-8",
            "escape": None,
            "skipRows": 0,
            "comment": None,
            "trim": False,
            "headerRow": "names",
            "member": None,
            "replaced": None,
        },
        "table": {"name": "airports", "keys": [{"name": "icao", "type": "S"}]},
        "mapping": an_event()["input"]["mapping"],
        "keyPrefix": None,
        "onConflict": "keep",
        "write": "put",
        "mustExist": False,
        "mode": "apply",
        "firstRun": "planned",
        "resumed": False,
        "runItem": {"readUnitsPerSecond": None, "writeUnitsPerSecond": None, "workers": 7},
    }
    assert planned["plan"]["key"] == "csv_load/planned/plan.jsonl"
    assert len(aws.ranges()) > 5
    assert aws.ranges()[0].start == len(AIRPORTS.split("\n")[0]) + 1
    assert rows_of(aws, planned, AIRPORTS.encode()) == list(csv.reader(io.StringIO(AIRPORTS)))[1:]


def test_plan_is_resumed_when_the_time_is_up(aws: Surroundings) -> None:
    body = AIRPORTS.encode() + b'K,,"a\nb",C,S,US,1,2,3,UTC,\n' * 5000
    aws.put("input/airports.csv", body)
    event, calls = an_event(rangeSize=20_000), 0
    planned = aws.invoke(event, remaining_milliseconds=59_999)
    while not planned["done"]:
        calls += 1
        assert planned["plan"]["ranges"] == len(aws.ranges())
        event["progress"] = planned["progress"]
        aws.invoke(event, remaining_milliseconds=59_999)
        planned = aws.invoke(event, remaining_milliseconds=59_999)
    assert calls > 3
    whole = list(csv.reader(io.StringIO(body.decode(), newline="")))[1:]
    assert rows_of(aws, planned, body) == whole


def test_gzip_is_one_range_however_many_calls_it_takes(aws: Surroundings) -> None:
    body = AIRPORTS.encode() + b"K,,N,C,S,US,1,2,3,UTC,\n" * 100_000
    aws.put("input/airports.csv.gz", gzip.compress(body[:1000]) + gzip.compress(body[1000:]))
    event = an_event("input/airports.csv.gz")
    planned = aws.invoke(event, remaining_milliseconds=0)
    assert (planned["done"], planned["plan"]["ranges"], aws.ranges()) == (False, 0, [])
    while not planned["done"]:
        event["progress"] = planned["progress"]
        planned = aws.invoke(event, remaining_milliseconds=0)
    start = len(AIRPORTS.split("\n")[0]) + 1
    assert aws.ranges() == [Range(index=0, start=start, end=len(body), first_row=1, rows=100_200)]


def test_source_that_changes_during_the_plan_fails_it(aws: Surroundings) -> None:
    aws.put("input/airports.csv", AIRPORTS.encode() * 20)
    event = an_event(rangeSize=1024)
    event["progress"] = aws.invoke(event, remaining_milliseconds=0)["progress"]
    aws.put("input/airports.csv", AIRPORTS.encode() * 21)
    with pytest.raises(SourceChangedError, match=rf"s3://{BUCKET}/input/airports\.csv is no longer"):
        aws.invoke(event)


def test_version_is_pinned_where_there_are_versions(aws: Surroundings) -> None:
    aws.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    aws.put("input/airports.csv", AIRPORTS.encode() * 20)
    event = an_event(rangeSize=1024)
    event["progress"] = aws.invoke(event, remaining_milliseconds=0)["progress"]
    aws.put("input/airports.csv", b"changed")
    planned = aws.invoke(event)
    assert planned["plan"]["rows"] == 20 * 201 - 1
    again = an_event(source={"versionId": planned["load"]["source"]["versionId"]})
    assert aws.invoke(again)["load"]["source"] == planned["load"]["source"]


@pytest.mark.parametrize(
    ("body", "header", "rows"),
    [
        (b"icao,b\n", ["icao", "b"], []),
        (b"icao,b", ["icao", "b"], []),
        (b"\n\r\nicao,b\n\n", ["icao", "b"], []),
        (b'\xef\xbb\xbf"icao",b\r\n1,2\r\n', ["icao", "b"], [["1", "2"]]),
        (b'icao,"b\n""c"\r1,2\r', ["icao", 'b\n"c'], [["1", "2"]]),
        ("icao,é\n1,2".encode(), ["icao", "é"], [["1", "2"]]),
    ],
)
def test_header_is_the_first_record(aws: Surroundings, body: bytes, header: list[str], rows: list[list[str]]) -> None:
    aws.put("rows.csv", body)
    planned = aws.invoke(by_keys("rows.csv"))
    assert planned["load"]["source"]["header"] == header
    assert rows_of(aws, planned, body) == rows
    assert len(aws.ranges()) == 1


def test_headers_of_the_input_leave_every_record_a_row(aws: Surroundings) -> None:
    body = b"\xef\xbb\xbf1;2\n3;4\n"
    aws.put("rows.csv", body)
    planned = aws.invoke(by_keys("rows.csv", source={"headers": ["icao", "b"], "delimiter": ";", "maxRows": 1}))
    assert rows_of(aws, planned, body) == [["1", "2"]]


def test_json_lines_have_no_header(aws: Surroundings) -> None:
    body = b'\xef\xbb\xbf{"icao": "a"}\n\n{"icao": "b"}'
    aws.put("rows.jsonl", body)
    planned = aws.invoke(by_keys("rows.jsonl"))
    assert planned["load"]["source"]["header"] is None
    assert rows_of(aws, planned, body) == [{"icao": "a"}, {"icao": "b"}]


@pytest.mark.parametrize(
    ("event", "error", "problem"),
    [
        (an_event(source={"bucket": "nowhere"}), SourceNotFoundError, "there is no bucket nowhere"),
        (an_event("no.csv"), SourceNotFoundError, f"the bucket {BUCKET} has no object no.csv"),
        (an_event(source={"versionId": "v9"}), SourceNotFoundError, "has no version v9"),
        (an_event(table="nothing"), TableNotFoundError, "there is no table nothing"),
        (an_event(mapping={"icao": "{icoa}"}), InvalidInputError, "mapping.*icoa"),
        (an_event(mapping=None, transform="no_such"), InvalidInputError, "transform: .*no_such"),
        (an_event(mapping=None, keys=["name"]), InvalidInputError, "keys: "),
        (an_event(source={"delimter": ","}), InvalidInputError, r"source\.delimter: unknown field"),
        (
            an_event(mapping={"icao": "{icao}", "x": "y" * 250_000}),
            InvalidInputError,
            "mapping: with the source's 11",
        ),
    ],
)
def test_wrong_input_fails_before_anything_is_written(
    aws: Surroundings, event: dict[str, Any], error: type[SluiceError], problem: str
) -> None:
    with pytest.raises(error, match=problem):
        aws.invoke(event)
    assert not aws.has_written()


@pytest.mark.parametrize(
    ("key", "body", "error", "problem"),
    [
        ("a.csv", b"", SourceMalformedError, rf"s3://{BUCKET}/a\.csv is empty"),
        ("a.csv", b"\xef\xbb\xbf", SourceMalformedError, "is empty"),
        ("a.csv.gz", gzip.compress(b"", mtime=0), SourceMalformedError, "is empty"),
        ("a.jsonl", b"", SourceMalformedError, "is empty"),
        ("a.csv", b"\n\r\n\r", SourceMalformedError, "has no header row, only blank lines"),
        (
            "a.csv",
            b"icao,b,c,b\n",
            InvalidInputError,
            r'keys: .* "b" more than once \(columns 2 and 4\): rename them with source\.headers and source\.headerRow',
        ),
        (
            "a.csv",
            b"icao,caf\xe9\n",
            SourceMalformedError,
            "byte 0xe9 of the header row, at offset 8, is not utf-8",
        ),
        ("a.csv", b'icao,"b\n1,2\n', SourceMalformedError, "row 0: the quote at byte 5 is never closed"),
        (
            "a.csv",
            b'icao,b\n1,2\n3,"4\n',
            SourceMalformedError,
            "row 2: the quote at byte 13 is never closed",
        ),
        (
            "a.csv",
            gzip.compress(b"icao\n", mtime=0),
            SourceMalformedError,
            r"is gzip; set source\.compression to gzip",
        ),
        (
            "a.csv.gz",
            gzip.compress(gzip.compress(b"icao\n", mtime=0), mtime=0),
            SourceMalformedError,
            "is gzip twice over",
        ),
        ("a.csv.gz", b"icao\n", SourceMalformedError, "not gzip"),
        ("a.csv", "icao\n".encode("utf-16"), SourceMalformedError, "is UTF-16; convert it to utf-8"),
    ],
)
def test_source_that_cannot_be_read_fails_before_anything_is_written(
    aws: Surroundings, key: str, body: bytes, error: type[SluiceError], problem: str
) -> None:
    aws.put(key, body)
    with pytest.raises(error, match=problem):
        aws.invoke(by_keys(key))
    assert not aws.has_written()
