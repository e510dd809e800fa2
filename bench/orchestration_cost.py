"""What Step Functions and Lambda charge for the requests of a load, counted in real runs on local AWS."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bench.figures import Better, Measurement, figure
from bench.flights import FILE_MAPPING, KEYS, NUMBERS, flight_keys, flights_csv, flights_file
from bench.runs import completed
from bench.usage import MILLION, RunUsage, run_usage
from sluice.dynamodb.prices import WRITE_UNIT_USD
from sluice_cli.sandbox import Sandbox, sandbox

DIRECT_ROWS = 20_000
LEFT_OUT = "the time that Lambda functions and Express executions are billed for, on both sides"
SCALED = "one execution that loads a million rows: its own part once, its children's by the rows"


@figure("orchestration_cost_vs_direct", goal=0.01, better=Better.LOWER, unit="ratio")
def versus_direct() -> Measurement:
    """csv_load's requests for a million rows over csv_load_direct's, in dollars."""
    load, direct = _both()
    detail = {"csvLoad": load.to_detail(), "csvLoadDirect": direct.to_detail(), "scaled": SCALED, "leftOut": LEFT_OUT}
    return Measurement(load.dollars_per_million / direct.dollars_per_million, detail)


@figure("orchestration_cost_vs_writes", goal=0.01, better=Better.LOWER, unit="ratio")
def versus_writes() -> Measurement:
    """csv_load's requests for a million rows over the price of writing these rows on demand."""
    load, _ = _both()
    units = load.write_units * MILLION / load.rows
    writes = {"writeUnitsPerMillionRows": round(units), "dollarsPerMillionRows": round(units * WRITE_UNIT_USD, 6)}
    detail = {"csvLoad": load.to_detail(), "writes": writes, "scaled": SCALED, "leftOut": LEFT_OUT}
    return Measurement(load.dollars_per_million / (units * WRITE_UNIT_USD), detail)


@cache
def _both() -> tuple[RunUsage, RunUsage]:
    """The whole file through csv_load, its first rows through csv_load_direct: one run of each."""
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as stack:
        load = _run(stack, "csv_load", {"source": stack.put(flights_file()), "mapping": FILE_MAPPING})
        types = dict.fromkeys(NUMBERS, "N")
        direct = _run(stack, "csv_load_direct", {"source": stack.put(_with_keys(DIRECT_ROWS)), "types": types})
    return load, direct


def _run(stack: Sandbox, workflow: str, document: Mapping[str, Any]) -> RunUsage:
    table = stack.new_table(*(key["name"] for key in KEYS))
    ended = completed(stack, workflow, {**document, "table": table})
    return run_usage(stack.stepfunctions, ended["executionArn"])


def _with_keys(rows: int) -> str:
    """The first flights with their key attributes as columns: csv_load_direct makes none itself."""
    source = csv.reader(io.StringIO(flights_csv(rows), newline=""))
    header = next(source)
    extended = io.StringIO(newline="")
    writer = csv.writer(extended, lineterminator="\n")
    writer.writerow([*header, *(key["name"] for key in KEYS)])
    writer.writerows([*row, *flight_keys(dict(zip(header, row, strict=True)))] for row in source)
    return extended.getvalue()
