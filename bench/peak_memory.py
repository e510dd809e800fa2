"""The most memory that transform_items ever holds, over files that never end."""

from __future__ import annotations

from typing import Any

from bench.figures import Better, Measurement, figure
from bench.flights import KEYS, MAPPING, TABLE, flights_csv
from bench.function_process import run
from bench.null_endpoint import ETAG, NullServices, RepeatedRows, in_process

RANGE_BYTES = 64 << 20
SOURCE_BYTES = 100 << 30
WIDE_CELL_BYTES = 300_000
_WIDE_MAPPING = {key["name"]: f"{{{key['name']}}}" for key in KEYS} | {"text": "{text}"}
# No row has a number in the column tailnum, so that every row becomes a reject.
_REJECTING_MAPPING = MAPPING | {"tailnum": {"N": "tail {tailnum}"}}


@figure("transform_items_peak_megabytes", goal=256, better=Better.LOWER, unit="MB")
def transform_items_peak() -> Measurement:
    """The highest peak of three: many small rows, rows of 300 KB, rows that are all rejected."""
    header, _, rows = flights_csv(20_000).encode().partition(b"\n")
    flights = RepeatedRows(header + b"\n", rows, SOURCE_BYTES // len(rows))
    cases: dict[str, tuple[RepeatedRows, dict[str, Any]]] = {
        "small rows": (flights, MAPPING),
        "wide rows": (_wide_rows(), _WIDE_MAPPING),
        "all rejected": (flights, _REJECTING_MAPPING),
    }
    services = NullServices(KEYS, {_key(case): source for case, (source, _) in cases.items()})
    with in_process(services) as url:
        peaks = {case: _peak_megabytes(url, case, *source_and_mapping) for case, source_and_mapping in cases.items()}
    return Measurement(max(peaks.values()), {"rangeMegabytes": RANGE_BYTES >> 20, **peaks})


def _wide_rows() -> RepeatedRows:
    rows = b"".join(b"wide,%d,%s\n" % (number, b"x" * WIDE_CELL_BYTES) for number in range(100))
    return RepeatedRows(b"flight_id,departure,text\n", rows, SOURCE_BYTES // len(rows))


def _peak_megabytes(url: str, case: str, source: RepeatedRows, mapping: dict[str, Any]) -> float:
    return round(float(run("transform_items", _payload(case, source, mapping), url)["peakMegabytes"]), 1)


def _payload(case: str, source: RepeatedRows, mapping: dict[str, Any]) -> dict[str, Any]:
    end = len(source.header) + RANGE_BYTES // len(source.rows) * len(source.rows)
    rows = source.rows.count(b"\n") * (RANGE_BYTES // len(source.rows))
    pinned = {
        "bucket": "bench",
        "key": _key(case),
        "versionId": None,
        "etag": ETAG,
        "size": source.size,
        "format": "csv",
        "compression": "none",
        "delimiter": ",",
        "quote": '"',
        "header": source.header.decode().strip().split(","),
        "encoding": "utf-8",
    }
    load = {
        "source": pinned,
        "table": {"name": TABLE, "keys": KEYS},
        "mapping": mapping,
        "onConflict": "replace",
    }
    return {
        "run": {"workflow": "csv_load", "name": "bench", "executionArn": "arn:aws:states:bench"},
        "load": load,
        "range": {"index": 0, "start": len(source.header), "end": end, "firstRow": 1, "rows": rows},
        "progress": None,
    }


def _key(case: str) -> str:
    return case.replace(" ", "-") + ".csv"
