"""The result files of a Map Run that failed come about a second after the failure: reading them may be too early."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

# Without a reader a Map Run leaves no result files at all, so that there is an end to the waiting.
RESULTS_WAIT_SECONDS = 30
PAUSE_SECONDS = 1

Result = TypeVar("Result")


def read_until_complete(
    read: Callable[[], Result],
    is_complete: Callable[[Result], bool],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """What `read` finds in the result files, read anew until it accounts for all that was planned, or time is up."""
    deadline = clock() + RESULTS_WAIT_SECONDS
    while not is_complete(found := read()) and clock() < deadline:
        sleep(PAUSE_SECONDS)
    return found
