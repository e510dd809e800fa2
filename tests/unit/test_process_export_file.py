"""ProcessExportFile: data files that are whole or damaged, and their slices."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from sluice import errors
from sluice.errors import (
    FileDamagedError,
    SourceChangedError,
    SourceNotFoundError,
)
from sluice.run_item.rate_limiter import RateLimiter
from sluice.runs.range_progress import RangeProgress
from sluice.workflows.export_process.files import DataFile
from sluice.workflows.export_process.input import Process
from sluice.workflows.export_process.progress import open_file
from sluice.workflows.export_process.slice import PORTION_LINES, FileSlice
from sluice.workflows.export_process.tally import Portion, RecordTally
from tests.fixtures import EVENTS, expected_error, fixture
from tests.unit.export_files import (
    BUCKET,
    Json,
    bird,
    birds,
    changed,
    compact,
    items,
    key_of,
    md5,
    put_real_export,
    zipped,
)
from tests.unit.file_slices import (
    CHANGES,
    DATA_BUCKET,
    FULL,
    GUARDED,
    KEY,
    TABLE_SINK,
    Slices,
    counts,
    slices,
)
from tests.unit.lambda_context import Context
from tests.unit.rate_clock import RateClock
from tests.unit.run_items import FakeRunTable


@pytest.fixture
def aws() -> Iterator[Slices]:
    with slices() as started:
        yield started


# Slices.


def test_slices_continue_where_the_one_before_has_ended(aws: Slices) -> None:
    lines = items(birds(3 * PORTION_LINES + 10))
    event = aws.event(aws.put(lines), FULL, TABLE_SINK)
    first = aws.slice(event, time_is_up_after=0)
    assert (first["done"], first["row"], first["slices"]) == (False, PORTION_LINES + 1, 1)
    progress = aws.whole(event | {"progress": first}, time_is_up_after=0)
    assert (counts(progress)[:2], progress["slices"]) == ((len(lines), len(lines)), 4)
    assert len(aws.held()) == len(lines)


records_of_birds = st.lists(
    st.tuples(st.integers(0, 10**6), st.sampled_from(["put", "delete", "refused", "torn", "blank"])),
    unique_by=lambda pair: pair[0],
    max_size=600,
)


def line_of(number: int, kind: str) -> bytes:
    name = f"tit {number}"
    more = {"refuse": {"S": "no"}} if kind == "refused" else {}
    record = changed(key_of(bird(name)), bird(name), None if kind == "delete" else bird(name, number, **more))
    return {"torn": compact(record)[:-5], "blank": b""}.get(kind, compact(record))


@settings(max_examples=25)
@given(records_of_birds, st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=4), st.booleans())
def test_slices_cut_anywhere_and_tried_again_give_the_whole_result(
    birds: list[tuple[int, str]], cuts: list[tuple[int, bool]], is_guarded: bool
) -> None:
    lines = [line_of(*each) for each in birds]
    kinds = [kind for _, kind in birds if kind != "blank"]
    bad = [row for row, kind in enumerate(kinds, 1) if kind in ("refused", "torn")]
    with slices() as aws:
        file = aws.put(lines) | {"itemCount": len(kinds)}
        event = aws.event(file, CHANGES, GUARDED if is_guarded else TABLE_SINK)
        for ends_after, is_lost in cuts:
            if event["progress"] and event["progress"]["done"]:
                break
            lost = aws.slice(event, ends_after) if is_lost else None
            event["progress"] = aws.slice(event, ends_after + 1)
            # Where an attempt that was lost has left rejects, it tells how far the slice has come.
            assert not (lost and lost["rejectSlices"]) or event["progress"] == lost
        progress = aws.whole(event)
        assert counts(progress) == (len(kinds), len(kinds) - len(bad), 0, len(bad), 0)
        assert [each["row"] for each in aws.rejects(progress)] == bad
        stored = {name for name, item in aws.held().items() if "TombstoneExpiresAt" not in item}
        assert stored == {f"tit {number}" for number, kind in birds if kind == "put"}


def test_slice_ends_rather_than_hold_ever_more_rejects(aws: Slices) -> None:
    line = b"x" * 70_000
    event = aws.event(aws.put([line] * 1000), CHANGES, TABLE_SINK)
    first = aws.slice(event)
    assert (first["done"], 250 <= first["counts"]["rejected"] < 1000) == (False, True)
    assert counts(aws.whole(event | {"progress": first})) == (1000, 0, 0, 1000, 0)


class Birds:
    """A sink whose records take three write units each, once they are flushed."""

    def __init__(self, tally: RecordTally, clock: RateClock) -> None:
        self.taken: list[tuple[float, int]] = []
        self._tally = tally
        self._clock = clock
        self._in_flight = 0

    def take(self, portion: Portion) -> None:
        self.taken.append((self._clock.now, len(portion.lines)))
        self._in_flight += len(portion.lines)
        self._tally.written += len(portion.lines)

    def flush(self) -> None:
        self._tally.write_units += 3 * self._in_flight
        self._in_flight = 0

    def commit(self) -> None: ...

    def __enter__(self) -> Birds:
        return self

    def __exit__(self, *_error: object) -> None: ...


def paced(clock: RateClock, writes: RateLimiter, lines: int) -> tuple[Birds, RangeProgress]:
    tally = RecordTally(KEY)
    sink = Birds(tally, clock)
    return sink, FileSlice(RangeProgress(position=0, row=1), sink, tally, writes).run([[b"x"] * lines])


def test_units_are_written_no_faster_than_allowed() -> None:
    clock = RateClock()
    writes = clock.limiter(30.0)
    sink, after = paced(clock, writes, 300)
    assert (after.done, after.counts.read, after.write_units) == (True, 300, 900)
    assert sink.taken[0][1] == 1
    assert max(lines for _, lines in sink.taken) <= 15
    assert writes.settle()
    assert clock.slept == pytest.approx(900 / 30, rel=0.1)


def test_rate_that_is_changed_is_kept_at_once() -> None:
    clock = RateClock()
    writes = clock.limiter(30.0)
    clock.changes = {1010.0: (writes, 300.0)}
    _, after = paced(clock, writes, 1000)
    assert after.done
    assert writes.settle()
    assert clock.slept == pytest.approx(10 + (3000 - 300) / 300, rel=0.1)


def test_slice_ends_when_its_time_is_up_before_more_may_be_written() -> None:
    clock = RateClock(ends=1005)
    _, after = paced(clock, clock.limiter(30.0), 300)
    assert not after.done
    assert after.write_units == pytest.approx(150, rel=0.2)


def test_without_a_limit_portions_are_whole_and_nothing_waits() -> None:
    clock = RateClock()
    sink, after = paced(clock, clock.limiter(least=None), 600)
    assert [lines for _, lines in sink.taken] == [250, 250, 100]
    assert (after.done, after.write_units, clock.slept) == (True, 1800, 0)


LIMITED = {"readUnitsPerSecond": None, "writeUnitsPerSecond": 1e6, "workers": 1}


@pytest.mark.parametrize("guard", [None, "newerOnly"])
def test_transformed_records_are_paid_for_once_each(aws: Slices, guard: str | None) -> None:
    names = ("icao", "iata", "lid", "name", "city", "subd", "tz", "country")
    airport = {name: {"S": "x"} for name in names} | {name: {"N": "1"} for name in ("elevation", "lat", "lon")}
    keys = [{"name": "country", "type": "S"}, {"name": "icao", "type": "S"}]
    aws.heartbeats, aws.fake.key_names = FakeRunTable().heartbeats(), ("country", "icao")
    sink = TABLE_SINK | {"keys": keys, "guard": guard}
    file = aws.put(items([airport | {"icao": {"S": f"{number}"}} for number in range(600)]))
    progress = aws.whole(aws.event(file, FULL, sink, transform="airports_by_country", runItem=LIMITED))
    assert (progress["counts"]["written"], progress["writeUnits"]) == (600, 600)


@pytest.mark.parametrize("sink", [TABLE_SINK, GUARDED])
def test_slice_adds_to_its_run_s_item(aws: Slices, sink: Json) -> None:
    table = FakeRunTable()
    aws.heartbeats = table.heartbeats()
    event = aws.event(aws.put(items(birds(30))), FULL, sink, runItem=LIMITED)
    progress = aws.whole(event)
    assert (progress["counts"]["written"], progress["writeUnits"]) == (30, 30)
    numbers = table.numbers("export_process/a-run")
    assert (numbers["rowsRead"], numbers["rowsWritten"], numbers["writeUnits"]) == (30, 30, 30)
    assert (numbers["workers"], numbers["bytes"]) == (0, progress["position"])


# Files that are not what they should be.


@pytest.mark.parametrize(
    ("body", "rows", "problem"),
    [
        pytest.param(zipped(items(birds(2))) + b"x", 2, "its MD5 is .*, the manifest has", id="other_md5"),
        pytest.param(b"", 0, "its MD5 is", id="empty"),
    ],
)
def test_nothing_of_a_file_with_another_md5_is_applied(aws: Slices, body: bytes, rows: int, problem: str) -> None:
    file = aws.put(items(birds(rows)))
    aws.s3.put_object(Bucket=BUCKET, Key=KEY, Body=body)
    with pytest.raises(FileDamagedError, match=f"s3://{BUCKET}/{KEY} is damaged: {problem}"):
        aws.slice(aws.event(file, FULL, TABLE_SINK))
    assert aws.fake.seen == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param(b'{"Item":{}}', "not gzip", id="not_gzip"),
        pytest.param(zipped(items(birds(500)))[:-9], "the gzip ends in the middle", id="truncated"),
    ],
)
def test_file_that_is_damaged_is_named_when_it_is_not_verified(aws: Slices, body: bytes, problem: str) -> None:
    file = aws.put(items(birds(500)))
    aws.s3.put_object(Bucket=BUCKET, Key=KEY, Body=body)
    with pytest.raises(FileDamagedError, match=f"s3://{BUCKET}/{KEY} is damaged: {problem}"):
        aws.slice(aws.event(file, FULL, TABLE_SINK, verify=False))


@pytest.mark.parametrize("found", [0, 499, 501])
def test_records_count_as_they_are_whatever_the_manifest_says(aws: Slices, found: int) -> None:
    body = zipped(items(birds(found)))
    aws.s3.put_object(Bucket=BUCKET, Key=KEY, Body=body)
    file = {"index": 3, "itemCount": 500, "md5Checksum": md5(body), "dataFileS3Key": KEY}
    progress = aws.whole(aws.event(file, FULL, TABLE_SINK))
    assert counts(progress) == (found, found, 0, 0, 0)
    assert len(aws.held()) == found


def test_file_of_a_moved_export_is_found(aws: Slices) -> None:
    aws.put(items(birds(5)))
    original = {"index": 3, "itemCount": 5, "md5Checksum": None, "dataFileS3Key": KEY.replace("exports/", "old/", 1)}
    export = FULL | {"moved": ["old/", "exports/"]}
    assert counts(aws.whole(aws.event(original, export, TABLE_SINK, verify=False))) == (5, 5, 0, 0, 0)


def test_file_that_is_missing_is_named(aws: Slices) -> None:
    file = aws.put([]) | {"dataFileS3Key": "exports/gone.json.gz"}
    with pytest.raises(SourceNotFoundError, match=r"has no object exports/gone\.json\.gz"):
        aws.slice(aws.event(file, FULL, TABLE_SINK))


def test_file_that_changes_between_slices_is_named(aws: Slices) -> None:
    event = aws.event(aws.put(items(birds(300))), FULL, TABLE_SINK)
    first = aws.slice(event, time_is_up_after=0)
    aws.put(items(birds(301)))
    with pytest.raises(SourceChangedError, match=KEY):
        aws.slice(event | {"progress": first})


@pytest.mark.parametrize("held_bytes", [0, 1000])
def test_file_is_verified_whether_it_is_kept_or_read_again(aws: Slices, held_bytes: int) -> None:
    file = aws.put(items(birds(30)))
    process = Process.from_state(aws.event(file, FULL, TABLE_SINK)["process"])
    opened = open_file(aws.s3, process, DataFile.from_state(file), None, held_bytes)
    with opened.blocks(aws.s3, 0, None, 1) as blocks:
        assert sum(map(len, blocks)) == 30
    assert (opened.held is None) == (held_bytes == 0)
    with pytest.raises(FileDamagedError):
        open_file(aws.s3, process, DataFile.from_state(file | {"md5Checksum": "x"}), None, held_bytes)


# The handler.


def test_real_export_goes_through_the_handler() -> None:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=DATA_BUCKET)
        put_real_export(s3, DATA_BUCKET)
        progress = import_module("process_export_file.handler").lambda_handler(
            fixture("process_export_file", "usual"), Context()
        )
        assert counts(progress) == (3, 3, 0, 0, 0)
        key = "output/fixture/uimbi7eofu2b5kzkxe63gsvb6i.jsonl.gz"
        body = s3.get_object(Bucket=DATA_BUCKET, Key=key)["Body"].read()
    assert [json.loads(line)["item"]["id"] for line in gzip.decompress(body).splitlines()] == [
        "bar",
        "K3TXQk84Si",
        "foo",
    ]


@pytest.mark.parametrize(
    "path",
    [each for each in sorted((EVENTS / "process_export_file").glob("*.json")) if expected_error(each)],
    ids=lambda each: each.stem,
)
def test_fixture_fails_as_it_is_named(path: Path) -> None:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=DATA_BUCKET)
        put_real_export(s3, DATA_BUCKET)
        handler: Any = import_module("process_export_file.handler")
        with pytest.raises(getattr(errors, str(expected_error(path)))):
            handler.lambda_handler(fixture("process_export_file", path.stem), Context())
