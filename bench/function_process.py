"""What a function finds when it runs in a process of its own: variables, and a context whose time never runs out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RUN_TABLE = "bench-runs"
FUNCTIONS = Path(__file__).parent.parent / "functions"


def environment(url: str) -> dict[str, str]:
    """The function's variables, for AWS at this URL."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": os.pathsep.join([str(FUNCTIONS), str(FUNCTIONS.parent)]),
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "DATA_BUCKET": "bench",
        "RUN_TABLE": RUN_TABLE,
        "POWERTOOLS_SERVICE_NAME": "bench",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        "POWERTOOLS_METRICS_DISABLED": "true",
    }


def command(folder: str) -> list[str]:
    """What starts a process that runs the function in this folder of functions/."""
    return [sys.executable, "-m", "bench.function_run", folder]


def run(folder: str, payload: Mapping[str, Any], url: str) -> dict[str, Any]:
    """Run a function to its end in a process of its own: its `counts`, and the process's `peakMegabytes`."""
    done = subprocess.run(
        command(folder), input=json.dumps(payload).encode(), env=environment(url), check=True, capture_output=True
    )
    reported: dict[str, Any] = json.loads(done.stdout)
    return reported


class EndlessContext:
    """As much of Lambda's context as the functions use."""

    function_name = "bench"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:bench"
    aws_request_id = "bench"

    def get_remaining_time_in_millis(self) -> int:
        """Fifteen minutes, always."""
        return 900_000
