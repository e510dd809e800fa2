"""The most memory that aggregate_objects ever holds."""

from __future__ import annotations

from typing import Any

from bench.aggregate_contestants import aggregate_event
from bench.daily_weather import station_file
from bench.figures import Better, Measurement, figure
from bench.function_process import run
from bench.null_endpoint import ETAG, NullServices, RepeatedRows, in_process

LARGE_BYTES = 1_000_000_000
GROUPS = 500_000
MEASURES = 5
SMALL_OBJECTS = 64
# Objects up to this size are read whole, and requested ahead.
SMALL_BYTES = 4 << 20


@figure("aggregate_peak_megabytes", goal=512, better=Better.LOWER, unit="MB")
def aggregate_peak() -> Measurement:
    """The highest peak of four: an object of a gigabyte, many groups, objects that are just small, all rejected."""
    header, _, rows = station_file(0).partition(b"\n")
    header += b"\n"
    sources = {
        "large.csv": RepeatedRows(header, rows, LARGE_BYTES // len(rows)),
        "groups.csv": RepeatedRows(b"", _groups_csv(), 1),
        "rejected.csv": RepeatedRows(header, rows.replace(b'"  ', b'" x'), 20_000_000 // len(rows)),
    }
    small = [f"small{number}.csv" for number in range(SMALL_OBJECTS)]
    sources |= dict.fromkeys(small, RepeatedRows(header, rows, SMALL_BYTES // len(rows) - 1))
    measures = [{"column": f"m{number}", "statistics": ["sum"]} for number in range(MEASURES)]
    cases: dict[str, tuple[list[str], dict[str, Any]]] = {
        "large": (["large.csv"], {}),
        "groups": (["groups.csv"], {"groupBy": ["g"], "measures": measures}),
        "small": (small, {}),
        "rejected": (["rejected.csv"], {}),
    }
    with in_process(NullServices([], sources)) as url:
        reported = {case: _reported(url, sources, *request) for case, request in cases.items()}
    peaks = {case: round(float(each["peakMegabytes"]), 1) for case, each in reported.items()}
    slices = {case: each["slices"] for case, each in reported.items()}
    detail = {"peakMegabytes": peaks, "slices": slices, "groups": GROUPS, "measuresOfGroups": MEASURES}
    return Measurement(max(peaks.values()), detail)


def _reported(url: str, sources: dict[str, RepeatedRows], keys: list[str], changed: dict[str, Any]) -> dict[str, Any]:
    objects = [{"key": key, "size": sources[key].size, "etag": ETAG} for key in keys]
    return run("aggregate_objects", aggregate_event(objects, **changed), url)


def _groups_csv() -> bytes:
    header = ",".join(["g", *(f"m{number}" for number in range(MEASURES))])
    lines = (f"group {number},{number}.5,1,2.25,-{number},0.1\n" for number in range(GROUPS))
    return f"{header}\n{''.join(lines)}".encode()
