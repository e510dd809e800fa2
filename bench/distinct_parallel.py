"""How much sooner distinct_keys ends with more segments."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO, Any, NamedTuple, cast

from bench.even_table import KEYS, EvenTable
from bench.figures import Better, Measurement, figure
from bench.function_process import command, environment
from bench.null_endpoint import NullServices, in_process
from sluice.workflows.distinct_keys.slice import ScanCounts

SEGMENTS = 8
ROUNDS = 3
ANSWER_SECONDS = 0.006
# Large collections, so that there is a request for each key.
TABLE = EvenTable(keys=800, items_per_key=1000, item_bytes=250)


@figure("distinct_parallel_speedup", goal=6, better=Better.HIGHER, unit="ratio")
def parallel_speedup() -> Measurement:
    """Wall time of one segment over that of eight, each in a warm process of its own, as Lambda would have it."""
    services = NullServices(KEYS, table=TABLE, scan_seconds=ANSWER_SECONDS)
    turns: dict[int, list[Turn]] = {1: [], SEGMENTS: []}
    with in_process(services) as url, workers(url, SEGMENTS) as those:
        for _ in range(ROUNDS):
            for segments, of_these in turns.items():
                of_these.append(scan(those[:segments]))
    detail = {
        "server": f"answers {ANSWER_SECONDS * 1000:g} ms after a request, in a process of its own",
        "workers": "scan_distinct_keys' handler, a process per segment; starting them does not count",
        "compared": f"the best of {ROUNDS} turns of each",
        "keys": TABLE.keys,
        "itemsPerKey": TABLE.items_per_key,
        "bySegments": {
            segments: {
                "requests": of_these[0].counts.requests,
                "seconds": [round(each.seconds, 3) for each in of_these],
            }
            for segments, of_these in turns.items()
        },
    }
    one, many = (min(each.seconds for each in of_these) for of_these in turns.values())
    return Measurement(one / many, detail)


class Turn(NamedTuple):
    """One scan of the whole table: its wall time, and the counts of all segments."""

    seconds: float
    counts: ScanCounts


class Worker:
    """A process that scans a segment on request."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._stdin, self._stdout = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)

    def begin(self, segment: int, segments: int) -> None:
        """Have it scan one segment."""
        print(json.dumps(_payload(segment, segments)), file=self._stdin, flush=True)

    def end(self) -> ScanCounts:
        """Wait for its end."""
        return ScanCounts(**json.loads(self._stdout.readline())["counts"])


@contextmanager
def workers(url: str, count: int) -> Iterator[list[Worker]]:
    """So many workers that have scanned once already."""
    with ExitStack() as stack:
        started = []
        for _ in range(count):
            process = subprocess.Popen(
                command("scan_distinct_keys"),
                env=environment(url),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            started.append(Worker(stack.enter_context(process)))
        for number, worker in enumerate(started):
            worker.begin(number, TABLE.keys)
        for worker in started:
            worker.end()
        yield started


def scan(those: Sequence[Worker]) -> Turn:
    """Scan the table in as many segments as there are workers. Raises AssertionError when keys are missing."""
    start = time.perf_counter()
    for number, worker in enumerate(those):
        worker.begin(number, len(those))
    counts = sum((worker.end() for worker in those), ScanCounts())
    seconds = time.perf_counter() - start
    if counts.keys != TABLE.keys:
        raise AssertionError(f"{counts.keys:,} keys found of {TABLE.keys:,}")
    return Turn(seconds, counts)


def _payload(segment: int, segments: int) -> dict[str, Any]:
    return {
        "run": {"workflow": "distinct_keys", "name": "bench", "executionArn": "arn:aws:states:bench"},
        "scan": {
            "table": {"name": "t", "keys": KEYS},
            "index": None,
            "totalSegments": segments,
            "optimize": "balanced",
            "itemBytes": TABLE.item_bytes,
            "runItem": None,
        },
        "segment": {"segment": segment},
        "progress": None,
    }
