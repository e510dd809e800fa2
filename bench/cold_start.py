"""How long the functions take to import, against boto3 alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bench.figures import Better, Measurement, figure

FUNCTIONS = Path(__file__).parent.parent / "functions"
ROUNDS = 9
_TIMED = "import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "DATA_BUCKET": "bench",
    "PROCESSOR_FUNCTIONS": "",
    "PROCESSOR_STATE_MACHINES": "",
    "RUN_TABLE": "bench",
    "EXPORT_LEDGER_TABLE": "bench",
    "ATHENA_WORK_GROUPS": "primary",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "PYTHONPATH": str(FUNCTIONS),
}


@figure("cold_start_vs_boto3", goal=1.5, better=Better.LOWER, unit="ratio")
def cold_start() -> Measurement:
    """The slowest handler's import time over boto3's, each the best of several fresh processes."""
    modules = ["boto3", *sorted(f"{each.parent.name}.handler" for each in FUNCTIONS.glob("*/handler.py"))]
    seconds: dict[str, list[float]] = {module: [] for module in modules}
    for _ in range(ROUNDS):
        for module in modules:
            seconds[module].append(_import_seconds(module))
    best = {module: min(each) for module, each in seconds.items()}
    boto3 = best.pop("boto3")
    milliseconds = {module: round(each * 1000, 1) for module, each in best.items()}
    return Measurement(max(best.values()) / boto3, {"boto3Milliseconds": round(boto3 * 1000, 1), **milliseconds})


def _import_seconds(module: str) -> float:
    environment = {"PATH": os.environ.get("PATH", ""), **_ENVIRONMENT}
    command = [sys.executable, "-c", _TIMED.format(module=module)]
    return float(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
