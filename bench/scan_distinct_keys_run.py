"""Run scan_distinct_keys: takes a payload per line of stdin, prints what the segment came to."""

from __future__ import annotations

import json
import sys
from typing import Any, cast

from aws_lambda_powertools.utilities.typing import LambdaContext

from bench.function_process import EndlessContext
from scan_distinct_keys.handler import lambda_handler


def main() -> None:
    """Scan segments as they come, slice by slice, until stdin ends."""
    context = cast("LambdaContext", EndlessContext())
    for line in sys.stdin:
        event: dict[str, Any] = json.loads(line)
        while not (event["progress"] and event["progress"]["done"]):
            event["progress"] = lambda_handler(event, context)
        print(json.dumps(event["progress"]["counts"]), flush=True)


if __name__ == "__main__":
    main()
