"""Run a function, slice by slice: takes a payload per line of stdin, prints its outcome and the peak so far.

`python -m bench.function_run FOLDER`, the function's own.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any

from bench.function_process import EndlessContext
from bench.processes import peak_megabytes


def main() -> None:
    """Work through the payloads as they come, until stdin ends."""
    handler = import_module(f"{sys.argv[1]}.handler").lambda_handler
    context = EndlessContext()
    outcomes, sys.stdout = sys.stdout, sys.stderr  # where metrics go
    for line in sys.stdin:
        event: dict[str, Any] = json.loads(line)
        while not (event["progress"] and event["progress"]["done"]):
            event["progress"] = handler(event, context)
        progress = event["progress"]
        counts = progress["rows"] if "rows" in progress else progress["counts"]
        reported = {"counts": counts, "slices": progress["slices"], "peakMegabytes": peak_megabytes(os.getpid())}
        print(json.dumps(reported), file=outcomes, flush=True)


if __name__ == "__main__":
    main()
