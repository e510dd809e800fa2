"""How much sooner the plan of a large object is there with more chunks."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO, Any, NamedTuple, cast

from bench.figures import Better, Measurement, figure
from bench.flights import KEYS, flights_csv
from bench.function_process import command, environment
from bench.null_endpoint import ETAG, NullServices, RepeatedRows, in_process

CHUNKS = 8
ROUNDS = 3
# S3 sends some 50 MB a second over one connection.
MEGABYTE_SECONDS = 0.02
SOURCE_BYTES = 256 << 20
KEY = "flights.csv"


@figure("plan_parallel_speedup", goal=6, better=Better.HIGHER, unit="ratio")
def parallel_speedup() -> Measurement:
    """Wall time of one chunk over that of eight, each in a warm process of its own, as Lambda would have it."""
    source = flights()
    services = NullServices(KEYS, {KEY: source}, megabyte_seconds=MEGABYTE_SECONDS)
    turns: dict[int, list[Turn]] = {1: [], CHUNKS: []}
    with in_process(services) as url, workers(url, source, CHUNKS) as those:
        for _ in range(ROUNDS):
            for chunks, of_these in turns.items():
                of_these.append(scan(those[:chunks], source))
    detail = {
        "server": f"answers after {MEGABYTE_SECONDS * 1000:g} ms, and again before each MiB, in a process of its own",
        "workers": "inspect_source's handler, a process per chunk; starting them does not count",
        "compared": f"the best of {ROUNDS} turns of each",
        "megabytes": round(source.size / 1e6),
        "secondsByChunks": {chunks: [round(each, 3) for each in of_these] for chunks, of_these in turns.items()},
    }
    one, many = (min(of_these) for of_these in turns.values())
    return Measurement(one / many, detail)


# Wall time of one scan of the whole object.
Turn = float


def flights() -> RepeatedRows:
    """A file of flights, over and over."""
    header, _, rows = flights_csv(20_000).encode().partition(b"\n")
    return RepeatedRows(header + b"\n", rows, SOURCE_BYTES // len(rows))


class Chunk(NamedTuple):
    """A part of the object."""

    number: int
    start: int
    end: int


def chunks_of(source: RepeatedRows, number: int) -> list[Chunk]:
    """The object in so many parts of the same length."""
    cuts = [source.size * index // number for index in range(number + 1)]
    return [Chunk(index, cuts[index], cuts[index + 1]) for index in range(number)]


class Worker:
    """A process that scans a chunk on request."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._stdin, self._stdout = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)

    def begin(self, chunk: Chunk, source: RepeatedRows) -> None:
        """Have it scan one chunk."""
        print(json.dumps(_payload(chunk, source)), file=self._stdin, flush=True)

    def end(self) -> None:
        """Wait for its end."""
        json.loads(self._stdout.readline())


@contextmanager
def workers(url: str, source: RepeatedRows, count: int) -> Iterator[list[Worker]]:
    """So many workers that have scanned a little already."""
    with ExitStack() as stack:
        started = []
        for _ in range(count):
            process = subprocess.Popen(
                command("inspect_source"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment(url),
                text=True,
            )
            started.append(Worker(stack.enter_context(process)))
            if process.stdin:
                stack.callback(process.stdin.close)
        for each in started:
            each.begin(Chunk(0, 1, 100_000), source)
        for each in started:
            each.end()
        yield started


def scan(those: Sequence[Worker], source: RepeatedRows) -> Turn:
    """Scan the whole object, a chunk per worker; returns the wall time."""
    began = time.perf_counter()
    for worker, chunk in zip(those, chunks_of(source, len(those)), strict=True):
        worker.begin(chunk, source)
    for worker in those:
        worker.end()
    return time.perf_counter() - began


def _payload(chunk: Chunk, source: RepeatedRows) -> dict[str, Any]:
    piece = [KEY, ETAG, source.size, None, chunk.start, chunk.end, None]
    return {
        "run": {"workflow": "csv_load", "name": "bench", "executionArn": "arn:aws:states:bench"},
        "inspect": {"source": {"bucket": "bench"}, "example": KEY, "rangeSize": 8 << 20},
        "task": {"formatVersion": 3, "index": chunk.number, "pieces": [piece]},
        "progress": None,
    }
