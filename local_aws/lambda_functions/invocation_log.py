"""What Lambda writes around a function's own output: the lines of its log, and the tail that Invoke returns."""

import base64
import math
from typing import Any

# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html: LogResult is the last 4 KB.
TAIL_BYTES = 4096
# Local AWS does not measure a worker's memory.
MAXIMUM_MEMORY_USED = "Max Memory Used: 64 MB"


def invocation_log(output: str, config: dict[str, Any], request_id: str, seconds: float) -> str:
    """The log of one invocation of the function with this configuration, with Lambda's own lines."""
    milliseconds = seconds * 1000
    report = (
        f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\t"
        f"Billed Duration: {math.ceil(milliseconds)} ms\tMemory Size: {config.get('MemorySize', 128)} MB\t"
        f"{MAXIMUM_MEMORY_USED}\t\n"
    )
    separator = "" if not output or output.endswith("\n") else "\n"
    start = f"START RequestId: {request_id} Version: {config.get('Version', '$LATEST')}\n"
    return f"{start}{output}{separator}END RequestId: {request_id}\n{report}"


def log_result(log: str) -> str:
    """The end of the log as Invoke returns it for `LogType` Tail."""
    return base64.b64encode(log.encode("utf-8", "replace")[-TAIL_BYTES:]).decode()
