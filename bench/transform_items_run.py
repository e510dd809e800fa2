"""Run transform_items over a range, slice by slice, and print the process's peak in kilobytes.

Takes the function's payload on stdin.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, cast

from aws_lambda_powertools.utilities.typing import LambdaContext

from bench.function_process import EndlessContext
from transform_items.handler import lambda_handler


def main() -> None:
    """Work through the range and print the peak."""
    event: dict[str, Any] = json.load(sys.stdin)
    context = cast("LambdaContext", EndlessContext())
    while not (event["progress"] and event["progress"]["done"]):
        event["progress"] = lambda_handler(event, context)
    # ru_maxrss would count the parent's memory as well: it outlives exec.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(peak[1] if peak else 0)


if __name__ == "__main__":
    main()
