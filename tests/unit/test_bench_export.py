"""What the figures of export_process compare: the same files, and the same changes from all who replay them."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.export_contestants import BareRequests, Clients, clients, with_batch_writer, with_sluice
from bench.export_files import DELETED, INSERTED, ExportedFile, flight_items, gzip_of
from bench.export_peak import WIDE_TEXT_BYTES, damaged_lines, repeated, wide_items
from bench.export_replay import changes_sent, exported_files, null_services
from bench.flights import KEYS
from bench.null_endpoint import in_thread
from sluice.workflows.export_process.progress import HELD_BYTES, FileRequest

RECORDS = 110
KINDS = ("full", "incremental")
Replay = Callable[[Clients, ExportedFile], int]


def with_wire(through: Clients, file: ExportedFile) -> int:
    return BareRequests(through.wire, file).with_wire()


def with_signed_requests(through: Clients, file: ExportedFile) -> int:
    return BareRequests(through.wire, file).signed_before()


def records(file: ExportedFile) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(file.stored).splitlines()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("replay", [with_sluice, with_batch_writer, with_wire, with_signed_requests])
def test_every_contestant_replays_every_record(replay: Replay, kind: str) -> None:
    file = exported_files(RECORDS)[kind]
    with in_thread(null_services({kind: file})) as url, clients(url) as through:
        assert replay(through, file) == RECORDS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("replay", [with_batch_writer, with_wire, with_signed_requests])
def test_every_contestant_sends_the_same_changes(replay: Replay, kind: str) -> None:
    file = exported_files(RECORDS)[kind]
    sent = changes_sent(with_sluice, file)
    assert len(sent) == RECORDS
    assert changes_sent(replay, file) == sent


def test_full_export_has_the_items_themselves() -> None:
    items = [json.loads(item) for item in flight_items(RECORDS)]
    assert records(exported_files(RECORDS)["full"]) == [{"Item": item} for item in items]


def test_incremental_export_has_new_and_deleted_items_among_the_changed_ones() -> None:
    changes = records(exported_files(RECORDS)["incremental"])
    images = Counter(tuple(sorted(set(change) - {"Metadata", "Keys"})) for change in changes)
    assert images == {("NewImage", "OldImage"): 88, ("NewImage",): 11, ("OldImage",): 11}
    assert "OldImage" not in changes[INSERTED]
    assert "NewImage" not in changes[DELETED]
    for change in changes:
        keys = change["Keys"]
        assert set(keys) == {key["name"] for key in KEYS}
        assert all(keys.items() <= change.get(image, keys).items() for image in ("OldImage", "NewImage"))
        assert change.get("OldImage") != change.get("NewImage")


@given(st.binary(max_size=2000), st.integers(0, 5))
def test_repeated_text_is_one_gzip_member(text: bytes, times: int) -> None:
    assert gzip.decompress(gzip_of(text, times)) == text * times


def test_repeated_file_has_the_size_and_the_records_that_it_tells() -> None:
    items = flight_items(30)
    file = repeated(ExportedFile.full, damaged_lines(items), 100_000)
    lines = gzip.decompress(file.stored)
    assert 100_000 <= len(lines) == file.size < 130_000
    assert lines.count(b"\n") == file.records
    assert FileRequest.from_event(file.event()).file.rows == file.records


def test_wide_items_leave_an_object_that_is_held() -> None:
    items = wide_items(3)
    assert all(WIDE_TEXT_BYTES < len(item) < 400_000 for item in items)
    gigabyte = 1_000_000_000 / sum(map(len, items))
    assert 0.3 * HELD_BYTES < len(gzip.compress(b"".join(items))) * gigabyte < HELD_BYTES
