"""How long `sluice draft` takes for 100 MB, against DuckDB's sniffer on the whole file."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.figures import Better, Measurement, figure

MEGABYTES = 100
ROUNDS = 5
BATCH_ROWS = 10_000
TYPES = {
    "order_id": "N",
    "customer_id": "S",
    "sku": "S",
    "quantity": "N",
    "price": "N",
    "active": "BOOL",
    "note": "S",
    "ordered_at": "S",
    "latitude": "N",
    "longitude": "N",
}
NOTES = ("", "plain note", 'a, quoted "note"', "two\nlines")
SNIFF = "import duckdb, sys; duckdb.execute('FROM sniff_csv(?, sample_size = -1)', [sys.argv[1]]).fetchall()"


@figure("draft_seconds", goal=3, better=Better.LOWER, unit="ratio")
def draft_seconds() -> Measurement:
    """Wall time of the whole command over that of a process that sniffs, each the best of several."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "orders.csv"
        rows = write_orders(file)
        command = [sys.executable, "-m", "sluice_cli", "draft", str(file), "--key", "order_id", "--types", "order_id=N"]
        seconds: dict[str, list[float]] = {"draft": [], "sniffer": []}
        for _ in range(ROUNDS):
            took, printed = _timed(command)
            _check(json.loads(printed))
            seconds["draft"].append(took)
            seconds["sniffer"].append(_timed([sys.executable, "-c", SNIFF, str(file)])[0])
    best = {name: min(each) for name, each in seconds.items()}
    detail = {
        "megabytes": MEGABYTES,
        "rows": rows,
        "rounds": ROUNDS,
        "seconds": {k: round(v, 3) for k, v in best.items()},
    }
    return Measurement(best["draft"] / best["sniffer"], detail)


def write_orders(file: Path) -> int:
    """Orders of ten columns, with quotes and newlines; returns the number of rows."""
    random.seed(17)
    count = 0
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(TYPES)
        while opened.tell() < MEGABYTES * 1_000_000:
            writer.writerows(_order(count + each) for each in range(BATCH_ROWS))
            count += BATCH_ROWS
    return count


def _order(number: int) -> list[Any]:
    return [
        number,
        f"C{random.randrange(10**6):06}",
        f"{random.randrange(10**5):08}",
        random.randrange(1, 99),
        f"{random.random() * 1000:.2f}",
        random.choice(("true", "false")),
        random.choice(NOTES),
        f"2026-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}T10:11:12Z",
        f"{random.random() * 180 - 90:.6f}",
        f"{random.random() * 360 - 180:.6f}",
    ]


def _timed(command: list[str]) -> tuple[float, bytes]:
    began = time.perf_counter()
    printed = subprocess.run(command, check=True, capture_output=True).stdout
    return time.perf_counter() - began, printed


def _check(document: Any) -> None:
    mapping = document["mapping"]
    found = {name: "S" if isinstance(each, str) else next(iter(each)) for name, each in mapping.items()}
    if found != TYPES:
        raise AssertionError(f"draft found the types {found}")
