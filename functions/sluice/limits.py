"""Bounds that the workflows share: of a slice's time and memory, of a child's input, and of a scan's segments."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


# A capacity unit reads so much, eventually consistent, and writes so much. Reads are rounded up to half units.
READ_UNIT_BYTES, WRITE_UNIT_BYTES = 8192, 1024
# A slice ends early rather than hold more rejects in memory than this.
REJECTS_MAX_BYTES = 32 << 20
# What is planned travels in the input of every child, which Step Functions limits to 256 KiB.
CHILD_INPUT_MAX_BYTES = 200 << 10
# Each segment is an execution of its own: more than this gain nothing, because a Map runs 10,000 at a time.
SEGMENTS_MAX = 10_000
# For the requests in flight to end, for what the slice leaves to be written, and for the answer.
RESERVE_MILLISECONDS = 60_000


def time_is_up(context: LambdaContext) -> Callable[[], bool]:
    """Returns whether the invocation has only its reserve of time left."""
    return lambda: context.get_remaining_time_in_millis() < RESERVE_MILLISECONDS
