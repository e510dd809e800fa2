"""How fast a plan finds records, against csv.reader and against counting bytes; and what strict quotes cost."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from statistics import median

from bench.figures import Better, Measurement, figure
from bench.flights import flights_csv
from sluice.reading.dialect import CSV, Dialect
from sluice.reading.record_scanner import blocks
from sluice.reading.rows import parse
from sluice.reading.source import ObjectPin, Source

ROWS = 200_000
ROUNDS = 5
MEGABYTE = 1e6


@figure("plan_megabytes_per_cpu_second", goal=10, better=Better.HIGHER, unit="times csv.reader")
def unquoted() -> Measurement:
    """Records found per CPU second in a file without quotes, over csv.reader alone."""
    return _plan_speed(flights_csv(ROWS).encode())


@figure("plan_quoted_megabytes_per_cpu_second", goal=10, better=Better.HIGHER, unit="times csv.reader")
def quoted() -> Measurement:
    """The same where every cell is quoted, and no cell has a delimiter, a newline or a quote in it."""
    return _plan_speed(_fully_quoted())


@figure("plan_vs_counting", goal=0.3, better=Better.HIGHER, unit="ratio")
def versus_counting() -> Measurement:
    """Records found per CPU second in a file without quotes, over the limit: to count its newlines and quotes."""
    return _versus_counting(flights_csv(ROWS).encode())


@figure("plan_quoted_vs_counting", goal=0.3, better=Better.HIGHER, unit="ratio")
def quoted_versus_counting() -> Measurement:
    """The same where every cell is quoted."""
    return _versus_counting(_fully_quoted())


@figure("strict_quotes_cost", goal=1.03, better=Better.LOWER, unit="ratio")
def strict_quotes() -> Measurement:
    """Rows of a file where every cell is quoted, over csv.reader(strict=False) on the same blocks."""
    data = _fully_quoted()
    source = _source(data)
    found = [*blocks(io.BytesIO(data), source.grammar)]

    def strict() -> None:
        for block in found:
            parse(block, source)

    def lenient() -> None:
        for block in found:
            rows = [row for row in csv.reader(io.StringIO(str(block.data, "utf-8"), newline="")) if row]
            assert len({*map(len, rows)}) == 1

    pairs = [(_seconds(strict), _seconds(lenient)) for _ in range(ROUNDS)]
    ratio = median(first / second for first, second in pairs)
    return Measurement(ratio, {"rows": sum(block.rows for block in found), "ratios": [a / b for a, b in pairs]})


def _plan_speed(data: bytes) -> Measurement:
    text = data.decode()

    def read() -> None:
        for _ in csv.reader(io.StringIO(text, newline="")):
            pass

    plan, reader = _fastest(lambda: _plan(data)), _fastest(read)
    size = len(data) / MEGABYTE
    detail = {"planMegabytesPerSecond": round(size / plan), "readerMegabytesPerSecond": round(size / reader)}
    return Measurement(reader / plan, detail)


def _versus_counting(data: bytes) -> Measurement:
    plan, limit = _fastest(lambda: _plan(data)), _fastest(lambda: (data.count(b"\n"), data.count(b'"')))
    size = len(data) / MEGABYTE
    detail = {"planMegabytesPerSecond": round(size / plan), "countMegabytesPerSecond": round(size / limit)}
    return Measurement(limit / plan, detail)


def _plan(data: bytes) -> int:
    return sum(block.rows for block in blocks(io.BytesIO(data), _source(data).grammar))


def _fully_quoted() -> bytes:
    quoted_csv = io.StringIO(newline="")
    writer = csv.writer(quoted_csv, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows(csv.reader(io.StringIO(flights_csv(ROWS), newline="")))
    return quoted_csv.getvalue().encode()


def _source(data: bytes) -> Source:
    columns = tuple(next(csv.reader(io.StringIO(data[: data.index(b"\n")].decode()))))
    return Source(ObjectPin("b", "flights.csv", None, '"0"', len(data)), Dialect(CSV), columns)


def _fastest(work: Callable[[], object]) -> float:
    return min(_seconds(work) for _ in range(ROUNDS))


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
