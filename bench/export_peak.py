"""The most memory that process_export_file ever holds, over files of a gigabyte."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence

from bench.export_files import ExportedFile, flight_items, full_lines, incremental_lines
from bench.figures import Better, Measurement, figure
from bench.flights import KEYS
from bench.function_process import run
from bench.null_endpoint import NullServices, in_process

FILE_BYTES = 1_000_000_000
# Every slice of rejects decompresses the file again from its start.
REJECTED_BYTES = 100_000_000
FLIGHTS = 20_000
WIDE_ITEMS = 100
WIDE_TEXT_BYTES = 390_000
# So much of a wide item does not compress: the object just stays small enough to be held.
_RANDOM_BYTES = 1_500


@figure("export_peak_megabytes", goal=256, better=Better.LOWER, unit="MB")
def export_peak() -> Measurement:
    """The highest peak of four: full, incremental, items of 390 KB with both images, records that are all rejected."""
    flights = flight_items(FLIGHTS)
    files = {
        "full": repeated(ExportedFile.full, full_lines(flights), FILE_BYTES),
        "incremental": repeated(ExportedFile.incremental, incremental_lines(flights), FILE_BYTES),
        "wide items": repeated(ExportedFile.incremental, incremental_lines(wide_items(WIDE_ITEMS)), FILE_BYTES),
        "all rejected": repeated(ExportedFile.full, damaged_lines(flights), REJECTED_BYTES),
    }
    with in_process(NullServices(KEYS, {file.key: file.source for file in files.values()})) as url:
        peaks = {case: peak_megabytes(file, url) for case, file in files.items()}
    sizes = {case: round(file.size / 1e6) for case, file in files.items()}
    return Measurement(max(peaks.values()), {"fileMegabytes": sizes, "peakMegabytes": peaks})


def peak_megabytes(file: ExportedFile, url: str) -> float:
    """The peak of a process that takes the whole file from there."""
    reported = run("process_export_file", file.event(), url)
    if reported["counts"]["read"] != file.records:
        raise AssertionError(f"{file.records:,} records, but the counts are {reported['counts']}")
    return round(float(reported["peakMegabytes"]), 1)


def damaged_lines(items: Sequence[bytes]) -> list[bytes]:
    """Lines of a full export that have lost their last brace."""
    return [line[:-1] for line in full_lines(items)]


def wide_items(count: int) -> list[bytes]:
    """Items that are nearly as large as DynamoDB takes them."""
    source = random.Random(0)
    return [_wide_item(number, source.randbytes(_RANDOM_BYTES).hex()) for number in range(count)]


def _wide_item(number: int, text: str) -> bytes:
    values = {**{key["name"]: str(number) for key in KEYS}, "text": text.ljust(WIDE_TEXT_BYTES, "x")}
    return json.dumps({name: {"S": value} for name, value in values.items()}, separators=(",", ":")).encode()


def repeated(kind: Callable[[Sequence[bytes], int], ExportedFile], lines: Sequence[bytes], size: int) -> ExportedFile:
    """The lines again and again, up to that size."""
    return kind(lines, -(-size // sum(len(line) + 1 for line in lines)))
