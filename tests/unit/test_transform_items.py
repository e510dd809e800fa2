"""TransformItems: slices of a range, from S3 in moto to a table behind the wire."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from sluice import errors
from sluice.dynamodb.items import Item, Row
from sluice.dynamodb.table_writer import Origin, RejectedWrite, WriteOutcome
from sluice.errors import RejectError, SettingError
from sluice.reading.dialect import Dialect
from sluice.reading.record_scanner import Block, blocks
from sluice.reading.rows import parse
from sluice.reading.source import ObjectPin, Source
from sluice.rejects import Reason
from sluice.runs.range_progress import RangeProgress
from sluice.settings import Settings
from sluice.workflows.csv_load.slice import RangeSlice, Stretch
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.lambda_context import Context
from tests.unit.run_items import FakeRunTable

USUAL = fixture("transform_items", "usual")
BUCKET = USUAL["load"]["source"]["bucket"]
AIRPORTS = (files("airportsdata") / "airports.csv").read_bytes()


# The rule: a slice, with plain values.


class MemoryWriter:
    """Takes items as a table would: refuses those named bad, skips those named kept."""

    def __init__(self) -> None:
        self.outcome = WriteOutcome()
        self.items: list[Item] = []
        self.is_flushed = False

    def put(self, item: Item, origin: Origin) -> None:
        """Accept one item."""
        self.items.append(item)
        self.outcome.write_units += 1
        if item.key == ("bad",):
            self.outcome.rejected.append(RejectedWrite(origin, Reason.WRITE_REJECTED, "refused"))
        elif item.key == ("kept",):
            self.outcome.skipped.append(origin)

    def close(self) -> None:
        """Nothing is to be ended."""

    def flush(self) -> None:
        """Everything was accepted at once."""
        self.is_flushed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.flush()


def encode(row: Row, _number: int = 0) -> Sequence[Item]:
    """One item for each word of the text; "reject" rejects the row."""
    assert isinstance(row, list)
    if row[1] == "reject":
        raise RejectError(Reason.NUMBER_INVALID, "as asked")
    return [Item((word,), b"{}") for word in row[1].split()]


def csv_source(header: tuple[str, ...] = ("id", "text")) -> Source:
    """A source of two columns."""
    return Source(ObjectPin("b", "k", None, '"e"', 0), Dialect("csv"), header)


def run_slice(
    text: str, progress: RangeProgress, time_is_up_after: int = 10**9
) -> tuple[RangeProgress, list[dict[str, Any]], MemoryWriter]:
    """One slice of the text; its time is up after so many checks."""
    source, writer, request = csv_source(), MemoryWriter(), iter(range(10**9))
    data = text.encode()[progress.position :]
    found = blocks(io.BytesIO(data), source.grammar, progress.position, progress.row, 1 << 12)
    stretch = Stretch(source, encode, found, progress.position, progress.row)
    result = RangeSlice(progress, writer).run([stretch], lambda: next(request) >= time_is_up_after)
    assert writer.is_flushed
    return result.progress, [json.loads(line) for line in result.rejects], writer


def start() -> RangeProgress:
    """A range that begins with the text."""
    return RangeProgress(position=0, row=1)


def counts_of(progress: RangeProgress) -> tuple[int, int, int, int]:
    """Rows read, written, skipped, rejected."""
    counts = progress.counts
    return counts.read, counts.written, counts.skipped, counts.rejected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a", (1, 1, 0, 0), id="one_item"),
        pytest.param("a b c", (1, 1, 0, 0), id="several_items_are_one_row"),
        pytest.param("", (1, 0, 1, 0), id="no_item_skips_the_row"),
        pytest.param("kept", (1, 0, 1, 0), id="kept_item_skips_the_row"),
        pytest.param("kept kept", (1, 0, 1, 0), id="all_items_kept_skip_the_row"),
        pytest.param("kept a", (1, 1, 0, 0), id="some_items_kept_are_a_written_row"),
        pytest.param("bad", (1, 0, 0, 1), id="refused_item_rejects_the_row"),
        pytest.param("bad a bad", (1, 0, 0, 1), id="row_is_rejected_once"),
        pytest.param("kept bad", (1, 0, 0, 1), id="refused_beside_kept_rejects_the_row"),
        pytest.param("reject", (1, 0, 0, 1), id="row_that_cannot_be_encoded"),
    ],
)
def test_row_counts_once_whatever_its_items_become(text: str, expected: tuple[int, ...]) -> None:
    progress, rejects, _ = run_slice(f"1,{text}\n", start())
    assert counts_of(progress) == expected
    assert len(rejects) == expected[3]
    assert progress.done


def test_rejects_come_in_the_order_of_rows_with_their_records() -> None:
    progress, rejects, _ = run_slice("1,bad\n2,reject\nragged\n4,a\n", start())
    assert [(each["row"], each["error"]) for each in rejects] == [
        (1, "WriteRejected"),
        (2, "NumberInvalid"),
        (3, "RowRagged"),
    ]
    assert rejects[0]["record"] == {"id": "1", "text": "bad"}
    assert progress.reasons == {"WriteRejected": 1, "NumberInvalid": 1, "RowRagged": 1}
    assert progress.reject_slices == (0,)


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from(["a", "a b", "", "kept", "bad", "reject", "x,y", '"\n"']), max_size=1500),
    st.data(),
)
def test_slices_cut_anywhere_add_up_to_the_whole(texts: list[str], data: st.DataObject) -> None:
    text = "".join(f"{number},{each}\n" for number, each in enumerate(texts))
    whole, whole_rejects, whole_writer = run_slice(text, start())
    progress, rejects, items = start(), [], []
    while not progress.done:
        after = data.draw(st.integers(0, 3))
        # What travels from slice to slice is JSON.
        before = RangeProgress.from_state(json.loads(json.dumps(progress.to_state())))
        progress, found, writer = run_slice(text, before, after)
        rejects += found
        items += writer.items
    assert counts_of(progress) == counts_of(whole)
    assert (progress.position, progress.row) == (whole.position, whole.row)
    assert progress.reasons == whole.reasons
    assert progress.write_units == whole.write_units
    assert (rejects, items) == (whole_rejects, whole_writer.items)


def test_slice_ends_rather_than_hold_ever_more_rejects() -> None:
    text = "".join(f"{number},{'x' * 100_000},ragged\n" for number in range(1000))
    progress, rejects, _ = run_slice(text, start())
    assert not progress.done
    assert 0 < len(rejects) < 1000
    assert run_slice(text, progress)[0].row > progress.row


# The handler: real S3 client, real wire; the table is moto's, behind the fake endpoint of moto.


@pytest.fixture
def runs() -> FakeRunTable:
    """The table of runs."""
    return FakeRunTable()


@pytest.fixture
def handler(runs: FakeRunTable, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The function with its source in S3."""
    monkeypatch.setattr(import_module("transform_items.handler"), "heartbeats", runs.heartbeats())
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="input/airports.csv", Body=AIRPORTS)
        yield import_module("transform_items.handler")


def test_fixture_is_about_the_airports_that_are_installed() -> None:
    """When airportsdata is updated, the fixtures' etag, size and range have to be, too."""
    assert USUAL["load"]["source"]["etag"] == f'"{hashlib.md5(AIRPORTS).hexdigest()}"'
    assert USUAL["load"]["source"]["size"] == len(AIRPORTS)


@pytest.mark.parametrize(
    "path",
    [each for each in sorted((EVENTS / "transform_items").glob("*.json")) if expected_error(each)],
    ids=lambda each: each.stem,
)
def test_fixture_fails_as_it_is_named(handler: Any, path: Path) -> None:
    with pytest.raises(getattr(errors, str(expected_error(path)))):
        handler.lambda_handler(fixture("transform_items", path.stem), Context())


@pytest.mark.parametrize("on_conflict", ["replace", "keep"])
def test_rejects_of_a_slice_lie_under_its_range_and_number(handler: Any, on_conflict: str) -> None:
    event = json.loads(json.dumps(USUAL))
    event["load"]["onConflict"] = on_conflict
    event["load"]["mapping"]["elevationFeet"] = {"N": "{name}"}
    event["range"]["index"] = 7
    progress = handler.lambda_handler(event, Context())
    assert progress["counts"] == {"read": 50, "written": 0, "skipped": 0, "rejected": 50, "failed": 0}
    body = boto3.client("s3").get_object(Bucket=BUCKET, Key="csv_load/fixture/rejects/00000007-0000.jsonl")["Body"]
    lines = [json.loads(line) for line in body.iter_lines()]
    assert [each["row"] for each in lines] == list(range(1, 51))
    assert {each["error"] for each in lines} == {"NumberInvalid"}
    attempts = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="csv_load/fixture/attempts/")
    assert attempts["KeyCount"] == (on_conflict == "keep")


def rejecting(**load: Any) -> dict[str, Any]:
    """An event whose rows are all rejected."""
    event: dict[str, Any] = json.loads(json.dumps(USUAL))
    event["load"] |= load
    event["load"]["mapping"]["elevationFeet"] = {"N": "{name}"}
    return event


def test_slice_adds_to_its_run_s_item(handler: Any, runs: FakeRunTable) -> None:
    progress = handler.lambda_handler(rejecting(), Context())
    numbers = runs.numbers("csv_load/fixture")
    assert (numbers["rowsRead"], numbers["rowsRejected"], numbers["workers"]) == (50, 50, 0)
    assert numbers["bytes"] == progress["position"] - USUAL["range"]["start"]


def test_stopped_run_begins_no_slice(handler: Any, runs: FakeRunTable) -> None:
    runs.stop("csv_load/fixture")
    progress = handler.lambda_handler(rejecting(), Context())
    assert (progress["stopped"], progress["done"], progress["slices"]) == (True, False, 0)
    assert boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="csv_load/")["KeyCount"] == 0


@pytest.mark.parametrize("on_conflict", ["replace", "reject"])
def test_slice_takes_the_outcome_of_its_first_attempt(handler: Any, on_conflict: str) -> None:
    event = rejecting(onConflict=on_conflict)
    location = {"Bucket": BUCKET, "Key": "csv_load/fixture/rejects/00000000-0000.jsonl"}
    first = handler.lambda_handler(event, Context())
    left = boto3.client("s3").get_object(**location)["Body"].read()
    event["load"]["mapping"]["elevationFeet"] = {"N": "{icao}"}
    assert handler.lambda_handler(event, Context()) == first
    assert boto3.client("s3").get_object(**location)["Body"].read() == left


def test_block_rows_are_what_parse_returns() -> None:
    source = csv_source()
    assert parse(Block(0, b"1,a\n2,b\n", 2), source) == [["1", "a"], ["2", "b"]]


def test_setting_that_is_missing_is_named() -> None:
    with pytest.raises(SettingError, match="DATA_BUCKET"):
        Settings.from_env({})
