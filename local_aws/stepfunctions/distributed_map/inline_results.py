"""The result of a distributed Map that writes none to S3: its children's outputs, up to 256 KiB."""

import json
import threading
from typing import Any

from local_aws.stepfunctions.distributed_map.result_writer import child_record
from local_aws.stepfunctions.errors import MAXIMUM_PAYLOAD_BYTES, result_too_large
from local_aws.stepfunctions.scope import Record


class InlineResults:
    """Outputs by the number of the child, so that they come in the items' order."""

    def __init__(self, config: Record | None = None) -> None:
        self._transformation = (config or {}).get("Transformation", "COMPACT")
        self._outputs: dict[int, Any] = {}
        self._size = 0
        self._lock = threading.Lock()

    def ended(self, number: int, child: Record) -> None:
        """Add a child's output. Past the limit nothing more is kept: the state fails at its end."""
        if child["status"] != "SUCCEEDED":
            return
        output = child_record(child) if self._transformation == "NONE" else json.loads(child["output"])
        with self._lock:
            self._size += len(child["output"]) + 1
            if self._size <= MAXIMUM_PAYLOAD_BYTES:
                self._outputs[number] = output
            else:
                self._outputs.clear()

    def result(self, state_name: str) -> list[Any]:
        """The array of outputs. Raises States.DataLimitExceeded."""
        if self._size > MAXIMUM_PAYLOAD_BYTES:
            raise result_too_large(state_name)
        outputs = [self._outputs[number] for number in sorted(self._outputs)]
        if self._transformation != "FLATTEN":
            return outputs
        return [item for output in outputs for item in (output if isinstance(output, list) else [output])]
