"""Run ProcessExportFile over a file, slice by slice, and print the peak of the process and the counts.

Takes the function's payload on stdin.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, cast

from aws_lambda_powertools.utilities.typing import LambdaContext

from bench.function_process import EndlessContext
from bench.processes import peak_megabytes
from process_export_file.handler import lambda_handler


def main() -> None:
    """Work through the file and print what came of it."""
    event: dict[str, Any] = json.load(sys.stdin)
    context = cast("LambdaContext", EndlessContext())
    while not (event["progress"] and event["progress"]["done"]):
        event["progress"] = lambda_handler(event, context)
    print(json.dumps({"peakMegabytes": peak_megabytes(os.getpid()), "counts": event["progress"]["counts"]}))


if __name__ == "__main__":
    main()
