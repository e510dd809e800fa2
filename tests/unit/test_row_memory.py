"""What is held in memory of results and of records, however many there are."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import islice

from sluice.reading.record_scanner import blocks
from sluice.runs.results import ChunkStream
from sluice.runs.undone import ItemsDone
from sluice.workflows.athena_map.result_rows import SCAN_BLOCK_BYTES, ResultGrammar, RowLines, damage
from tests.unit.sources import a_source

ROWS, BYTES_MAX = 60_000, 16 << 20
ROW = b'"' + b"x" * 500 + b'","a ""quoted"" one"\n'


def peak_bytes(work: Callable[[], None]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def result() -> io.BufferedReader:
    """A result of 31 MB, made as it is read."""
    return io.BufferedReader(ChunkStream(ROW for _ in range(ROWS)))


def test_scan_holds_a_block() -> None:
    def scan() -> None:
        found = blocks(result(), ResultGrammar(), 0, 1, SCAN_BLOCK_BYTES)
        assert sum(block.rows for block in found if damage(block, ["a", "b"]) is None) == ROWS

    assert peak_bytes(scan) < BYTES_MAX


def test_rows_are_rewritten_as_they_are_read() -> None:
    size = ROWS * len(ROW)
    part = RowLines(a_source(size=size), ("a", "b"), 0, size, 1, io.BytesIO())

    def rewrite() -> None:
        assert sum(len(chunk) for chunk in part.chunks(result())) > size

    assert peak_bytes(rewrite) < BYTES_MAX
    assert part.written == ROWS


def test_records_are_forgotten_when_they_are_counted() -> None:
    undone = [{"index": 0, "outcome": "failed", "error": "E", "message": "m"}]
    output = json.dumps({"written": 99, "skipped": 0, "undone": undone})

    def records() -> Iterator[dict[str, str]]:
        while True:
            given = json.dumps({"Items": [{"text": "x" * 500}] * 100})
            yield {"Status": "SUCCEEDED", "Input": given, "Output": output}

    done = ItemsDone()

    def gather() -> None:
        for record in islice(records(), ROWS // 100):
            assert sum(1 for _ in done.add(record)) == 1

    assert peak_bytes(gather) < BYTES_MAX
    assert (done.done, done.failed) == (ROWS, ROWS // 100)
