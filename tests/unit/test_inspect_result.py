"""InspectResult: every row counted, and none left to a reader that would damage it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local_aws.stepfunctions.distributed_map.formats import read_records
from sluice import errors
from sluice.errors import (
    InvalidInputError,
    SourceChangedError,
    SourceMalformedError,
    SourceNotFoundError,
    TooManyRowsError,
)
from sluice.runs.paths import Run
from sluice.workflows.athena_map import inspector as inspecting
from sluice.workflows.athena_map.inspection import ROWS_MAX, Phase, ResultInspection, RowsReader
from sluice.workflows.athena_map.inspector import ResultInspector, split_uri
from sluice.workflows.athena_map.result_rows import ROW_MAX_BYTES
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.athena_results import athena_csv
from tests.unit.lambda_context import Context

BUCKET = "sluice-data-000000000000-us-east-1"
USUAL = fixture("inspect_result", "usual")
RUN = Run.from_state(USUAL["run"])
URI = f"s3://{BUCKET}/athena_map/fixture/query/deep/er/id.csv"


# On objects.


class Bucket:
    """The data bucket in moto, and the inspection of what lies there."""

    def __init__(self) -> None:
        self.s3: Any = boto3.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        self.inspector = ResultInspector(self.s3, BUCKET, RUN)

    def put(self, body: bytes, uri: str = URI) -> None:
        bucket, key = split_uri(uri)
        self.s3.put_object(Bucket=bucket, Key=key, Body=body)

    def body(self, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    def to_end(self, begun: ResultInspection, is_time_up: Callable[[], bool] = lambda: False) -> ResultInspection:
        """Slice after slice, each read back from its state."""
        inspection = begun
        for _ in range(100):
            inspection = ResultInspection.from_state(json.loads(json.dumps(inspection.to_state())))
            if inspection.phase is Phase.DONE:
                return inspection
            inspection = self.inspector.go_on(inspection, is_time_up)
        raise AssertionError("the inspection has no end")

    def rows(self, inspection: ResultInspection) -> list[dict[str, Any]]:
        """The rows as the Map's reader gets them."""
        assert inspection.key
        if inspection.reader is RowsReader.CSV:
            return list(read_records(io.BytesIO(self.body(inspection.key)), inspection.key, {"InputType": "CSV"}))
        keys = [split_uri(uri)[1] for uri in self.body(inspection.key).decode().splitlines()]
        return [json.loads(line) for key in keys for line in self.body(key).splitlines()]


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with mock_aws():
        yield Bucket()


def as_read(columns: list[str], rows: list[list[str | None]]) -> list[dict[str, str]]:
    return [dict(zip(columns, [value or "" for value in row], strict=True)) for row in rows]


def test_clean_result_is_counted_and_left_where_it_is(bucket: Bucket) -> None:
    rows: list[list[str | None]] = [[str(number), None if number % 3 else "x\ny"] for number in range(5000)]
    bucket.put(athena_csv(["a", "b"], rows))
    inspection = bucket.to_end(bucket.inspector.begin(URI, {"b": "f"}))
    assert (inspection.reader, inspection.rows, f"s3://{inspection.bucket}/{inspection.key}") == (
        RowsReader.CSV,
        5000,
        URI,
    )
    assert bucket.rows(inspection) == as_read(["a", "b"], rows)


def test_scan_continues_where_the_slice_before_ended(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspecting, "SCAN_BLOCK_BYTES", 100)
    rows: list[list[str | None]] = [[str(number)] for number in range(200)]
    bucket.put(athena_csv(["a"], rows))
    begun = bucket.inspector.begin(URI, {})
    first = bucket.inspector.go_on(begun, lambda: True)
    assert (first.phase, 0 < (first.rows or 0) < 200) == (Phase.SCAN, True)
    assert bucket.to_end(begun, lambda: True) == replace(bucket.to_end(begun))
    assert bucket.to_end(begun, lambda: True).rows == 200


@pytest.mark.parametrize("is_time_up", [True, False])
@pytest.mark.parametrize("damaged", [0, 2500, 4999])
def test_damaged_row_has_all_rows_rewritten(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, damaged: int, is_time_up: bool
) -> None:
    monkeypatch.setattr(inspecting, "ROWS_PART_BYTES", 20_000)
    rows: list[list[str | None]] = [[str(number), "\\" if number == damaged else "ü"] for number in range(5000)]
    bucket.put(athena_csv(["a", "b"], rows))
    begun = bucket.inspector.begin(URI, {})
    inspection = bucket.to_end(begun, lambda: is_time_up)
    assert (inspection.reader, inspection.rows, inspection.rejected) == (RowsReader.JSON, 5000, 0)
    assert inspection.cause == "a backslash or a control character"
    assert inspection.key == "athena_map/fixture/rows/manifest.csv"
    assert len(inspection.parts) == 1
    assert bucket.rows(inspection) == as_read(["a", "b"], rows)


def test_parts_end_by_bytes_so_that_a_repeated_one_is_the_same(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspecting, "ROWS_PART_BYTES", 1 << 20)
    rows: list[list[str | None]] = [[str(number), "\\" * 700] for number in range(5000)]
    bucket.put(athena_csv(["a", "b"], rows))
    begun = replace(bucket.inspector.go_on(bucket.inspector.begin(URI, {}), lambda: True))
    assert (begun.phase, begun.parts) == (Phase.REWRITE, (0,))
    part = bucket.body(RUN.row_part_key(0))
    ended = bucket.to_end(begun, lambda: True)
    assert len(ended.parts) >= 2
    assert bucket.rows(ended) == as_read(["a", "b"], rows)
    assert bucket.body(RUN.row_part_key(0)) == part
    again = bucket.to_end(begun)
    assert again == ended


def test_lone_column_keeps_its_nulls(bucket: Bucket) -> None:
    rows: list[list[str | None]] = [["x"], [None], [""], [None]]
    bucket.put(athena_csv(["a"], rows))
    inspection = bucket.to_end(bucket.inspector.begin(URI, {}))
    assert (inspection.reader, inspection.rows, inspection.cause) == (RowsReader.JSON, 4, "a blank line")
    assert bucket.rows(inspection) == as_read(["a"], rows)


def test_row_too_large_for_a_child_is_a_reject_of_its_part(bucket: Bucket) -> None:
    rows: list[list[str | None]] = [["1", "small"], ["2", "x" * ROW_MAX_BYTES], ["3", "y" * 70_000]]
    bucket.put(athena_csv(["a", "b"], rows))
    inspection = bucket.to_end(bucket.inspector.begin(URI, {}))
    assert (inspection.rows, inspection.rejected, inspection.reject_parts) == (3, 1, (0,))
    assert [row["a"] for row in bucket.rows(inspection)] == ["1", "3"]
    (line,) = bucket.body(RUN.reject_part_key(0, 0)).splitlines()
    reject = json.loads(line)
    assert (reject["error"], reject["record"]["a"]) == ("RowTooLarge", "2")
    assert reject["message"].startswith("150,")


def test_only_large_rows_leave_nothing_to_read(bucket: Bucket) -> None:
    bucket.put(athena_csv(["a"], [["x" * ROW_MAX_BYTES]]))
    inspection = bucket.to_end(bucket.inspector.begin(URI, {}))
    assert (inspection.reader, inspection.rows, inspection.rejected) == (RowsReader.NONE, 1, 1)


def test_result_without_rows_is_not_read(bucket: Bucket) -> None:
    bucket.put(athena_csv(["a"], []))
    inspection = bucket.to_end(bucket.inspector.begin(URI, {"a": "f"}))
    assert (inspection.reader, inspection.rows) == (RowsReader.NONE, 0)


@pytest.mark.parametrize(
    ("columns", "cause"),
    [(["a\\b"], "a backslash or a control character"), (["a" * 5000, "b" * 6000], "a long header")],
)
def test_header_that_would_be_damaged_has_rows_rewritten(bucket: Bucket, columns: list[str], cause: str) -> None:
    rows: list[list[str | None]] = [["x"] * len(columns)]
    bucket.put(athena_csv(columns, rows))
    inspection = bucket.to_end(bucket.inspector.begin(URI, {}))
    assert (inspection.reader, inspection.cause) == (RowsReader.JSON, cause)
    assert bucket.rows(inspection) == as_read(columns, rows)


def test_result_over_10_gb_is_rewritten(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspecting, "READER_MAX_BYTES", 7)
    bucket.put(athena_csv(["a"], [["x"]]))
    inspection = bucket.to_end(bucket.inspector.begin(URI, {}))
    assert (inspection.reader, inspection.rows, inspection.cause) == (RowsReader.JSON, 1, "over 10 GB")


def test_columns_are_checked_by_the_fields_that_name_them(bucket: Bucket) -> None:
    bucket.put(athena_csv(["a", "b"], []))
    with pytest.raises(InvalidInputError, match='no column "c"; it has "a", "b"') as refused:
        bucket.inspector.begin(URI, {"a": "x", "c": "action.copyObject.source.key"})
    assert refused.value.field == "action.copyObject.source.key"
    bucket.put(athena_csv(["a", "b", "a"], []))
    with pytest.raises(InvalidInputError, match='two columns "a"') as refused:
        bucket.inspector.begin(URI, {})
    assert refused.value.field == "query"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "has no header"),
        (b'"a","b"\n"1","\\"\n"2"\n', r"row 2 has 1 values for 2 columns"),
        (b'"a"\n"\\"\n"x', "row 2: the quote at byte 8 is never closed"),
        (b'"a"\n"\\\xff"\n', "row 1 or one after it is not UTF-8"),
    ],
)
def test_result_that_is_none_of_athenas_is_malformed(bucket: Bucket, body: bytes, problem: str) -> None:
    bucket.put(body)
    with pytest.raises(SourceMalformedError, match=problem):
        bucket.to_end(bucket.inspector.begin(URI, {}))


def test_result_that_is_overwritten_meanwhile_is_reported(bucket: Bucket) -> None:
    bucket.put(athena_csv(["a"], [["\\"]]))
    begun = bucket.inspector.begin(URI, {})
    bucket.put(athena_csv(["a"], [["other"]]))
    with pytest.raises(SourceChangedError):
        bucket.to_end(begun)


def test_given_rows_are_copied_line_by_line(bucket: Bucket) -> None:
    lines = ['{"a": 12345678901234567890, "b": "\\\\ü"}', '{"a":1.50}']
    bucket.put(("\r\n".join([lines[0], " ", *lines[1:]]) + "\n").encode(), f"s3://{BUCKET}/input/rows.jsonl")
    inspection = bucket.to_end(bucket.inspector.begin_given(BUCKET, "input/rows.jsonl"))
    assert (inspection.reader, inspection.rows) == (RowsReader.JSON, 2)
    assert bucket.body(RUN.row_part_key(0)).decode().splitlines() == lines


@pytest.mark.parametrize("body", [b"", b"\n \n"])
def test_no_given_rows_are_not_read(bucket: Bucket, body: bytes) -> None:
    bucket.put(body, f"s3://{BUCKET}/input/rows.jsonl")
    inspection = bucket.to_end(bucket.inspector.begin_given(BUCKET, "input/rows.jsonl"))
    assert (inspection.reader, inspection.rows) == (RowsReader.NONE, 0)


@pytest.mark.parametrize(("line", "problem"), [("[1]", "row 2 is not a JSON object"), ("{", "row 2 is not valid JSON")])
def test_given_line_that_is_no_row_is_reported_by_its_number(bucket: Bucket, line: str, problem: str) -> None:
    bucket.put(f'{{"a": 1}}\n{line}\n'.encode(), f"s3://{BUCKET}/input/rows.jsonl")
    with pytest.raises(SourceMalformedError, match=problem):
        bucket.to_end(bucket.inspector.begin_given(BUCKET, "input/rows.jsonl"))


def test_unloaded_rows_are_read_by_their_manifest(bucket: Bucket) -> None:
    uri = f"s3://{BUCKET}/athena_map/fixture/query/id-manifest.csv"
    assert bucket.inspector.unloaded(None, RowsReader.PARQUET).reader is RowsReader.NONE
    assert bucket.inspector.unloaded(uri, RowsReader.PARQUET).reader is RowsReader.NONE
    bucket.put(b"", uri)
    assert bucket.inspector.unloaded(uri, RowsReader.PARQUET).reader is RowsReader.NONE
    bucket.put(b"s3://b/k\n", uri)
    inspection = bucket.inspector.unloaded(uri, RowsReader.PARQUET)
    assert (inspection.reader, inspection.rows, inspection.key) == (RowsReader.PARQUET, None, split_uri(uri)[1])
    assert inspection.check() == inspection


def test_more_rows_than_a_map_reads_are_reported() -> None:
    inspection = ResultInspection(Phase.DONE, RowsReader.CSV, rows=ROWS_MAX + 1, rejected=1)
    assert inspection.check() == inspection
    with pytest.raises(TooManyRowsError, match="100,000,000"):
        replace(inspection, rejected=0).check()


def test_inspection_without_a_source_is_not_resumed(bucket: Bucket) -> None:
    with pytest.raises(SourceMalformedError, match="without a source"):
        bucket.inspector.go_on(ResultInspection(Phase.SCAN, RowsReader.CSV), lambda: False)


# The handler.


@pytest.fixture
def handler(bucket: Bucket) -> Any:
    body = "icao,city\n" + "".join(f"K{number},Town\n" for number in range(7))
    bucket.put(body.encode(), f"s3://{BUCKET}/input/airports.csv")
    return import_module("inspect_result.handler").lambda_handler


def test_slices_end_by_the_time_that_is_left(handler: Any, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspecting, "SCAN_BLOCK_BYTES", 20)
    inspection, slices = None, 0
    while inspection is None or not inspection["done"]:
        inspection = handler(USUAL | {"inspection": inspection}, Context(remaining_milliseconds=1000))
        slices += 1
    assert (inspection["rows"], inspection["reader"], slices > 1) == (7, "csv", True)


def test_unloaded_rows_are_not_touched(handler: Any) -> None:
    event = USUAL | {"planned": USUAL["planned"] | {"format": "parquet"}}
    inspection = handler(event, Context())
    assert (inspection["done"], inspection["reader"], inspection["rows"]) == (True, "none", 0)


@pytest.mark.parametrize("path", sorted((EVENTS / "inspect_result").glob("*.json")), ids=lambda path: path.stem)
def test_fixture_ends_as_it_is_named(handler: Any, path: Path) -> None:
    event, error = fixture("inspect_result", path.stem), expected_error(path)
    if error is None:
        assert handler(event, Context())["rows"] == 7
        return
    with pytest.raises(getattr(errors, error)):
        handler(event, Context())


def test_missing_result_is_reported(bucket: Bucket) -> None:
    with pytest.raises(SourceNotFoundError):
        bucket.inspector.begin(URI, {})
