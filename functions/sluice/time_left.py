"""When a slice ends: with time to spare for what has been begun."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# For the requests in flight to end, for what the slice leaves to be written, and for the answer.
RESERVE_MILLISECONDS = 60_000


def time_is_up(context: LambdaContext) -> Callable[[], bool]:
    """Tells, whenever it is called, whether the invocation has no more than its reserve left."""
    return lambda: context.get_remaining_time_in_millis() < RESERVE_MILLISECONDS
